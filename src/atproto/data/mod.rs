//! The data model: what a record is made of, in memory, in CBOR and in JSON.
//!
//! A [`Value`] is the model itself. [`from_json`] reads the JSON of a request
//! with every rule of the model, [`Value::encode`] and [`Value::decode`] are the
//! one canonical encoding, and [`cbor_to_json`] turns stored bytes into the text
//! of an answer without building a value in between. Schemas are checked
//! elsewhere ([`super::lexicon`]); bytes that were stored are never re-encoded.
//!
//! Two doors, two policies. JSON is what somebody wants to write, so everything
//! that the specification discourages is refused. CBOR is what somebody has
//! signed already, so its encoding must be canonical, and nothing else is asked.
//!
//! Spec: <https://atproto.com/specs/data-model>

mod blob;
pub mod cbor;
mod decode;
mod encode;
mod json;
mod link;
#[cfg(test)]
mod tests;
mod transcode;
mod value;

pub use blob::{BlobRef, LegacyBlobRef};
pub use json::{from_json, from_json_value};
pub use link::Link;
pub use transcode::{cbor_to_json, write_json_text};
pub use value::{Map, Value};

/// Containers inside containers; the outermost one is the first.
pub const DEPTH_MAX: usize = 32;
/// Elements of one list or entries of one map.
pub const CONTAINER_LEN_MAX: usize = 131_072;
/// Bytes of a map's key.
pub const KEY_BYTES_MAX: usize = 8_192;
/// The largest whole number that every JSON reader keeps exactly (2^53 - 1).
pub const JSON_INT_MAX: i64 = (1 << 53) - 1;

/// Something is not the data model, or not its canonical encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The text is not JSON, or holds a number that JSON cannot say.
    #[error("not JSON: {0}")]
    Json(String),
    /// The outermost JSON value is not an object.
    #[error("the top level must be an object")]
    NotAnObject,
    /// A number has a fraction.
    #[error("{0} is not a whole number")]
    Fraction(String),
    /// A whole number is larger than the model or a JSON reader can keep.
    #[error("the number {0} is out of range")]
    IntRange(String),
    /// Containers are nested deeper than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// A list or map is longer than [`CONTAINER_LEN_MAX`].
    #[error("a list or object has more than {CONTAINER_LEN_MAX} elements")]
    TooLong,
    /// A key is empty or longer than [`KEY_BYTES_MAX`].
    #[error("a key must have 1 to {KEY_BYTES_MAX} bytes")]
    KeyLength,
    /// `$type` is not a string, or empty.
    #[error("$type must be a string that is not empty")]
    TypeField,
    /// An object with `$bytes` is not exactly `{"$bytes": "<base64>"}`.
    #[error("$bytes must stand alone and hold standard base64")]
    BytesShape,
    /// An object with `$link` is not exactly `{"$link": "<cid>"}`.
    #[error("$link must stand alone and hold a CID (version 1, SHA-256, base32)")]
    LinkShape,
    /// An object with `$type` `blob` is not a blob reference.
    #[error("a blob must have exactly $type, ref, mimeType and size")]
    BlobShape,
    /// The bytes are not canonical DAG-CBOR of the data model.
    #[error("not canonical DAG-CBOR at byte {at}: {what}")]
    Cbor {
        /// Where the offending item begins.
        at: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}
