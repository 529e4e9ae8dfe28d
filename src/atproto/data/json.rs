//! JSON to values and back.

use super::{DataError, Value};

/// Reads the JSON of an object that somebody wants to write.
///
/// Of equal keys the last one counts. Numbers must be whole (`123.0` and `1e3`
/// are) and within ±[`super::JSON_INT_MAX`].
///
/// # Errors
/// [`DataError`] for text that is not JSON, and for every rule of the data model
/// that it breaks.
pub fn from_json(text: &str) -> Result<Value, DataError> {
    unreachable!("being written {text}")
}

/// Reads an object that was parsed as JSON before; the rules of [`from_json`].
///
/// # Errors
/// As [`from_json`].
pub fn from_json_value(json: &serde_json::Value) -> Result<Value, DataError> {
    unreachable!("being written {json}")
}

impl Value {
    /// Returns the JSON form.
    pub fn to_json(&self) -> serde_json::Value {
        unreachable!("being written")
    }
}
