//! Parameters of a method: the query string, by its schema.
//!
//! A query string has only text. The schema says which parameters are numbers,
//! truth values and lists; this is where they become so.
//!
//! Spec: <https://atproto.com/specs/xrpc#lexicon-http-endpoints>

use serde::Deserialize;

use super::invalid::Place;
use super::{Invalid, ObjectSchema, Schema};
use crate::atproto::data::{Map, Value};

/// What the parameters of a method must be: booleans, integers, text, or lists
/// of these.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct ParamsSchema(pub ObjectSchema);

impl ParamsSchema {
    /// Reads decoded pairs of a query string and fills in defaults. Parameters
    /// that the schema does not name are left out; one without a value counts
    /// as absent. Limits are not checked here.
    pub(super) fn read<'a>(
        &self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Map, Invalid> {
        let root = Place::Root("params");
        let mut params = Map::new();
        for (name, text) in pairs {
            let (Some(schema), false) = (self.0.properties.get(name), text.is_empty()) else {
                continue;
            };
            let place = root.property(name);
            match schema {
                Schema::Array(array) => {
                    let item = read_one(&array.items, text, place)?;
                    match params.get_mut(name) {
                        Some(Value::List(items)) => items.push(item),
                        _ => drop(params.insert(name, Value::List(vec![item]))),
                    }
                }
                schema => {
                    if params.insert(name, read_one(schema, text, place)?).is_some() {
                        return place.refuse("must be given only once");
                    }
                }
            }
        }
        self.fill_defaults(&mut params);
        Ok(params)
    }

    fn fill_defaults(&self, params: &mut Map) {
        for (name, schema) in &self.0.properties {
            if let (None, Some(default)) = (params.get(name), default_of(schema)) {
                params.insert(&**name, default);
            }
        }
    }
}

fn read_one(schema: &Schema, text: &str, place: Place<'_>) -> Result<Value, Invalid> {
    match schema {
        Schema::Boolean(_) => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => place.refuse("must be true or false"),
        },
        Schema::Integer(_) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse() {
                Ok(number) if is_decimal => Ok(Value::Int(number)),
                _ => place.refuse("must be a whole number"),
            }
        }
        _ => Ok(Value::Text(text.to_owned())),
    }
}

fn default_of(schema: &Schema) -> Option<Value> {
    match schema {
        Schema::Boolean(boolean) => boolean.default.map(Value::Bool),
        Schema::Integer(integer) => integer.default.map(Value::Int),
        Schema::String(string) => string.default.as_deref().map(Value::from),
        _ => None,
    }
}
