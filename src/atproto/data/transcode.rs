//! Stored CBOR straight to the JSON text of an answer.

use std::fmt::Write;

use data_encoding::BASE64_NOPAD;

use super::{
    DEPTH_MAX, DataError,
    cbor::{Item, Reader, wrong},
    link,
};

/// Appends the JSON text of the value that `cbor` encodes.
///
/// Keys come in the encoding's order, which is not checked again: the bytes are
/// expected to be what was decoded once when they were stored.
///
/// # Errors
/// [`DataError`] for bytes that are not CBOR of the data model; `out` then holds
/// a part of the text.
pub fn cbor_to_json(cbor: &[u8], out: &mut String) -> Result<(), DataError> {
    let mut reader = Reader::new(cbor);
    out.reserve(cbor.len() + cbor.len() / 4);
    write_value(&mut reader, 0, out)?;
    match reader.is_at_end() {
        true => Ok(()),
        false => Err(wrong(reader.position(), "bytes after the value")),
    }
}

/// Appends `text` as a JSON string, quotes included.
pub fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => write_fmt(out, format_args!("\\u{control:04x}")),
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

/// Writes the value that stands inside `depth` containers.
fn write_value(reader: &mut Reader<'_>, depth: usize, out: &mut String) -> Result<(), DataError> {
    match reader.item()? {
        Item::Null => out.push_str("null"),
        Item::Bool(true) => out.push_str("true"),
        Item::Bool(false) => out.push_str("false"),
        Item::Int(number) => write_fmt(out, format_args!("{number}")),
        Item::Text(text) => write_json_text(text, out),
        Item::Bytes(bytes) => {
            out.push_str("{\"$bytes\":\"");
            BASE64_NOPAD.encode_append(bytes, out);
            out.push_str("\"}");
        }
        Item::Link(cid) => {
            out.push_str("{\"$link\":\"");
            link::write_text(cid, out);
            out.push_str("\"}");
        }
        Item::List(_) | Item::Map(_) if depth == DEPTH_MAX => return Err(DataError::TooDeep),
        Item::List(length) => {
            out.push('[');
            for index in 0..length {
                separate(index, out);
                write_value(reader, depth + 1, out)?;
            }
            out.push(']');
        }
        Item::Map(length) => {
            out.push('{');
            for index in 0..length {
                separate(index, out);
                write_json_text(reader.key()?, out);
                out.push(':');
                write_value(reader, depth + 1, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn write_fmt(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes whatever is written to it");
}
