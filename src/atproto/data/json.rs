//! JSON to values and back.
//!
//! Nothing stands between the text and the values: the parser calls
//! [`InJson`], which knows how deep it is. What breaks a rule of the model
//! leaves through [`Refusal`], because the parser's own errors are only text.

use std::{cell::RefCell, fmt};

use data_encoding::{BASE64, BASE64_NOPAD};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{
    BlobRef, CONTAINER_LEN_MAX, DEPTH_MAX, DataError, JSON_INT_MAX, KEY_BYTES_MAX, Map, Value,
};
use crate::atproto::Cid;

/// The largest number that may be written with a point or an exponent. The JSON
/// parser reads those to a few units in the last place, which below this bound
/// is never a whole one.
const FLOAT_INT_MAX: f64 = 1e15;

/// Reads the JSON of an object that somebody wants to write.
///
/// Of equal keys the last one counts. Numbers must be whole (`123.0` and `1e3`
/// are) and within ±[`JSON_INT_MAX`], within ±10^15 if they are written with a
/// point or an exponent.
///
/// # Errors
/// [`DataError`] for text that is not JSON, and for every rule of the data model
/// that it breaks.
pub fn from_json(text: &str) -> Result<Value, DataError> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = read_object(&mut parser)?;
    parser.end().map_err(not_json)?;
    Ok(value)
}

/// Reads an object that was parsed as JSON before; the rules of [`from_json`].
///
/// # Errors
/// As [`from_json`].
pub fn from_json_value(json: &serde_json::Value) -> Result<Value, DataError> {
    read_object(json)
}

fn read_object<'de, D>(parser: D) -> Result<Value, DataError>
where
    D: Deserializer<'de, Error = serde_json::Error>,
{
    let refusal = Refusal::default();
    let seed = InJson { depth: 0, refusal: &refusal };
    match seed.deserialize(parser) {
        Ok(value @ Value::Map(_)) => Ok(value),
        Ok(_) => Err(DataError::NotAnObject),
        Err(error) => Err(refusal.0.take().unwrap_or_else(|| not_json(error))),
    }
}

fn not_json(error: serde_json::Error) -> DataError {
    DataError::Json(error.to_string())
}

/// The rule that was broken, kept while the parser unwinds.
#[derive(Default)]
struct Refusal(RefCell<Option<DataError>>);

impl Refusal {
    /// Keeps `error` and returns the parser's, which carries no meaning.
    fn because<E: Error>(&self, error: DataError) -> E {
        let told = E::custom(&error);
        *self.0.borrow_mut() = Some(error);
        told
    }
}

/// Reads one JSON value that stands inside `depth` containers.
#[derive(Clone, Copy)]
struct InJson<'r> {
    depth: usize,
    refusal: &'r Refusal,
}

impl InJson<'_> {
    /// Returns the seed for what stands inside this container.
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.depth < DEPTH_MAX {
            true => Ok(Self { depth: self.depth + 1, ..self }),
            false => Err(self.refusal.because(DataError::TooDeep)),
        }
    }

    fn whole<E: Error>(self, number: i64) -> Result<Value, E> {
        match (-JSON_INT_MAX..=JSON_INT_MAX).contains(&number) {
            true => Ok(Value::Int(number)),
            false => Err(self.refusal.because(int_range(number))),
        }
    }

    fn check_room<E: Error>(self, length: usize) -> Result<(), E> {
        match length < CONTAINER_LEN_MAX {
            true => Ok(()),
            false => Err(self.refusal.because(DataError::TooLong)),
        }
    }
}

fn int_range(number: impl fmt::Display) -> DataError {
    DataError::IntRange(number.to_string())
}

impl<'de> DeserializeSeed<'de> for InJson<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for InJson<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        self.whole(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.whole(number),
            Err(_) => Err(self.refusal.because(int_range(number))),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        if number.fract() != 0.0 {
            let number = number.to_string();
            return Err(self.refusal.because(DataError::Fraction(number)));
        }
        match number.abs() <= FLOAT_INT_MAX {
            true => Ok(Value::Int(number as i64)),
            false => Err(self.refusal.because(int_range(number))),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(inner)? {
            self.check_room(values.len())?;
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut entries: Vec<(String, Value)> = Vec::new();
        let mut reserved = false;
        while let Some(key) = fields.next_key::<String>()? {
            self.check_room(entries.len())?;
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                return Err(self.refusal.because(DataError::KeyLength));
            }
            reserved |= key.starts_with('$');
            entries.push((key, fields.next_value_seed(inner)?));
        }
        let map = Map::from_iter(entries);
        match reserved {
            true => with_reserved_keys(map).map_err(|error| self.refusal.because(error)),
            false => Ok(Value::Map(map)),
        }
    }
}

/// Gives the keys that begin with `$` their meaning; unknown ones stay data.
// spec: data-model#json-representation
fn with_reserved_keys(map: Map) -> Result<Value, DataError> {
    if let Some(bytes) = map.get("$bytes") {
        let bytes = only(&map, bytes).and_then(bytes_from_base64);
        return bytes.map(Value::Bytes).ok_or(DataError::BytesShape);
    }
    if let Some(link) = map.get("$link") {
        let cid = only(&map, link).and_then(|text| text.parse::<Cid>().ok());
        return cid.map(Value::from).ok_or(DataError::LinkShape);
    }
    match map.get("$type") {
        None => Ok(Value::Map(map)),
        Some(Value::Text(name)) if name == "blob" && !BlobRef::is_well_formed(&map) => {
            Err(DataError::BlobShape)
        }
        Some(Value::Text(name)) if !name.is_empty() => Ok(Value::Map(map)),
        Some(_) => Err(DataError::TypeField),
    }
}

/// Returns the text of `value` if it is text and the map's only value.
fn only<'v>(map: &Map, value: &'v Value) -> Option<&'v str> {
    value.as_text().filter(|_| map.len() == 1)
}

/// Decodes the standard alphabet, with or without padding.
fn bytes_from_base64(text: &str) -> Option<Vec<u8>> {
    let encoding = match text.ends_with('=') {
        true => BASE64,
        false => BASE64_NOPAD,
    };
    encoding.decode(text.as_bytes()).ok()
}

impl Value {
    /// Returns the JSON form.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => json!(value),
            Self::Int(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::Bytes(bytes) => json!({ "$bytes": BASE64_NOPAD.encode(bytes) }),
            Self::Link(link) => json!({ "$link": link.to_string() }),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Map(map) => {
                map.iter().map(|(key, value)| (key.to_owned(), value.to_json())).collect()
            }
        }
    }
}
