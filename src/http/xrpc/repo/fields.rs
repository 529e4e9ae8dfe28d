//! The fields of a body that carries a record, which must not pass through a
//! type on its way to the data model.
//!
//! The lexicon has been checked by the time these are read, so what is missing
//! here or of another type can only be an optional field that is absent.

use crate::atproto::Cid;
use crate::atproto::data::{Map, Value};
use crate::atproto::syntax::{AtIdentifier, Nsid, RecordKey};
use crate::http::XrpcError;
use crate::http::input::InputValue;
use crate::service::repos::{Draft, SwapRecord, Validate};

/// A body, or one write of a batch.
pub(super) struct Fields(Map);

impl Fields {
    /// Takes a body apart.
    pub fn of(input: InputValue) -> Result<Self, XrpcError> {
        Self::of_value(input.0)
    }

    /// Takes an object within a body apart.
    pub fn of_value(value: Value) -> Result<Self, XrpcError> {
        match value {
            Value::Map(map) => Ok(Self(map)),
            _ => Err(XrpcError::invalid_request("Input must be an object")),
        }
    }

    /// The repository that is meant.
    pub fn repo(&self) -> Result<AtIdentifier, XrpcError> {
        self.required("repo", |text| text.parse().ok())
    }

    /// The collection of the record.
    pub fn collection(&self) -> Result<Nsid, XrpcError> {
        self.required("collection", |text| Nsid::new(text.to_owned()).ok())
    }

    /// The key of the record.
    pub fn rkey(&self) -> Result<Option<RecordKey>, XrpcError> {
        self.optional("rkey", |text| RecordKey::new(text.to_owned()).ok())
    }

    /// The head that the client has seen.
    pub fn swap_commit(&self) -> Result<Option<Cid>, XrpcError> {
        self.optional("swapCommit", |text| text.parse().ok())
    }

    /// The record that the client has seen: absent and null differ.
    pub fn swap_record(&self) -> Result<SwapRecord, XrpcError> {
        if self.0.get("swapRecord") == Some(&Value::Null) {
            return Ok(SwapRecord::Nothing);
        }
        let cid = self.optional("swapRecord", |text| text.parse().ok())?;
        Ok(cid.map_or(SwapRecord::Anything, SwapRecord::Record))
    }

    /// Whether records are to be held to their schema.
    pub fn validate(&self) -> Validate {
        match self.0.get("validate").and_then(Value::as_bool) {
            Some(true) => Validate::Required,
            Some(false) => Validate::Skip,
            None => Validate::IfKnown,
        }
    }

    /// Takes the record in `field`, with its collection and its key.
    pub fn draft(&mut self, field: &str, validate: Validate) -> Result<Draft, XrpcError> {
        Ok(Draft {
            collection: self.collection()?,
            rkey: self.rkey()?,
            value: self.0.remove(field).ok_or_else(|| invalid(field))?,
            validate,
        })
    }

    /// Takes the items of a list.
    pub fn list(&mut self, field: &str) -> Result<Vec<Value>, XrpcError> {
        match self.0.remove(field) {
            Some(Value::List(items)) => Ok(items),
            _ => Err(invalid(field)),
        }
    }

    /// The type of an object within a union.
    pub fn type_name(&self) -> &str {
        self.0.get("$type").and_then(Value::as_text).unwrap_or_default()
    }

    fn required<T>(
        &self,
        field: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, XrpcError> {
        self.optional(field, parse)?.ok_or_else(|| invalid(field))
    }

    fn optional<T>(
        &self,
        field: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, XrpcError> {
        match self.0.get(field).and_then(Value::as_text) {
            Some(text) => Ok(Some(parse(text).ok_or_else(|| invalid(field))?)),
            None => Ok(None),
        }
    }
}

fn invalid(field: &str) -> XrpcError {
    XrpcError::invalid_request(format!("Input/{field} is missing or not valid"))
}
