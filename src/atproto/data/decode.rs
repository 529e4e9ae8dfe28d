//! Canonical DAG-CBOR to values, refusing every other form.
//!
//! Bytes that decode here encode to themselves again; that is what makes a CID
//! the name of exactly one value.

use super::{
    CONTAINER_LEN_MAX, DEPTH_MAX, DataError, KEY_BYTES_MAX, Link, Map, Value,
    cbor::{Item, Reader, wrong},
    value::key_order,
};

impl Value {
    /// Reads one value that fills `bytes` exactly.
    ///
    /// # Errors
    /// [`DataError`] for anything that is not the canonical encoding of a value,
    /// or larger than the model's limits. Costs no more than the input's length,
    /// whatever the input claims.
    pub fn decode(bytes: &[u8]) -> Result<Self, DataError> {
        let mut reader = Reader::new(bytes);
        let value = Self::read(&mut reader)?;
        match reader.is_at_end() {
            true => Ok(value),
            false => Err(wrong(reader.position(), "bytes after the value")),
        }
    }

    /// Reads the next value and leaves what follows it to the caller.
    ///
    /// # Errors
    /// As [`Value::decode`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DataError> {
        read_at(reader, 0)
    }
}

/// Reads a value that stands inside `depth` containers.
fn read_at(reader: &mut Reader<'_>, depth: usize) -> Result<Value, DataError> {
    Ok(match reader.item()? {
        Item::Null => Value::Null,
        Item::Bool(value) => Value::Bool(value),
        Item::Int(number) => Value::Int(number),
        Item::Text(text) => Value::Text(text.to_owned()),
        Item::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Item::Link(cid) => Value::Link(Link::checked(cid)),
        Item::List(_) | Item::Map(_) if depth == DEPTH_MAX => return Err(DataError::TooDeep),
        Item::List(length) => Value::List(read_list(reader, depth, length)?),
        Item::Map(length) => Value::Map(read_map(reader, depth, length)?),
    })
}

fn read_list(
    reader: &mut Reader<'_>,
    depth: usize,
    length: usize,
) -> Result<Vec<Value>, DataError> {
    debug_assert!(length <= CONTAINER_LEN_MAX, "the reader checks it");
    (0..length).map(|_| read_at(reader, depth + 1)).collect()
}

fn read_map(reader: &mut Reader<'_>, depth: usize, length: usize) -> Result<Map, DataError> {
    let mut entries: Vec<(String, Value)> = Vec::with_capacity(length.min(64));
    for _ in 0..length {
        let at = reader.position();
        let key = reader.key()?;
        if key.len() > KEY_BYTES_MAX {
            return Err(DataError::KeyLength);
        }
        if let Some((last, _)) = entries.last()
            && key_order(last, key).is_ge()
        {
            return Err(wrong(at, "a key out of order or twice"));
        }
        entries.push((key.to_owned(), read_at(reader, depth + 1)?));
    }
    Ok(Map::from_canonical(entries))
}
