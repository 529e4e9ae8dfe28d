//! The types that fields and named definitions can have.
//!
//! Read from JSON by serde, checked by [`super::validity`]. Prose and known
//! values are not kept: no check reads them.
//!
//! Spec: <https://atproto.com/specs/lexicon#field-type-definitions>

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Format, Reference};

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Schema {
    /// Nothing, explicitly.
    Null,
    /// True or false.
    Boolean(BooleanSchema),
    /// A whole number.
    Integer(IntegerSchema),
    /// Text.
    String(StringSchema),
    /// Bytes.
    Bytes(BytesSchema),
    /// A link.
    CidLink,
    /// A reference to a blob.
    Blob(BlobSchema),
    /// Values of one schema, in order.
    Array(ArraySchema),
    /// Named values.
    Object(ObjectSchema),
    /// What another definition says.
    Ref(RefSchema),
    /// One of several definitions, told apart by `$type`.
    Union(UnionSchema),
    /// Any object.
    Unknown,
    /// A name without a value of its own; as text, its own reference.
    Token,
}

/// Constraints of a truth value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct BooleanSchema {
    /// What an absent value stands for.
    pub default: Option<bool>,
    /// The only value.
    pub r#const: Option<bool>,
}

/// Constraints of a whole number; both ends are allowed values.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IntegerSchema {
    /// The least value.
    pub minimum: Option<i64>,
    /// The greatest value.
    pub maximum: Option<i64>,
    /// The only values.
    pub r#enum: Option<Vec<i64>>,
    /// What an absent value stands for.
    pub default: Option<i64>,
    /// The only value.
    pub r#const: Option<i64>,
}

/// Constraints of text.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StringSchema {
    /// The form of the text.
    pub format: Option<Format>,
    /// The fewest UTF-8 bytes.
    pub min_length: Option<usize>,
    /// The most UTF-8 bytes.
    pub max_length: Option<usize>,
    /// The fewest grapheme clusters.
    pub min_graphemes: Option<usize>,
    /// The most grapheme clusters.
    pub max_graphemes: Option<usize>,
    /// The only values.
    pub r#enum: Option<Vec<Box<str>>>,
    /// What an absent value stands for.
    pub default: Option<Box<str>>,
    /// The only value.
    pub r#const: Option<Box<str>>,
}

/// Constraints of bytes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BytesSchema {
    /// The fewest bytes.
    pub min_length: Option<usize>,
    /// The most bytes.
    pub max_length: Option<usize>,
}

/// Constraints of a blob.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BlobSchema {
    /// Media types, each with `*` for a part that may be anything.
    pub accept: Option<Vec<Box<str>>>,
    /// The most bytes.
    pub max_size: Option<u64>,
}

/// Constraints of a list.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArraySchema {
    /// What each element must be.
    pub items: Box<Schema>,
    /// The fewest elements.
    pub min_length: Option<usize>,
    /// The most elements.
    pub max_length: Option<usize>,
}

/// Constraints of an object. Properties that it does not name may be anything.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ObjectSchema {
    /// What the named properties must be.
    pub properties: BTreeMap<Box<str>, Schema>,
    /// The properties that must be there.
    pub required: Vec<Box<str>>,
    /// The properties that may be null.
    pub nullable: Vec<Box<str>>,
}

/// Another definition's name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RefSchema {
    /// The definition.
    pub r#ref: Reference,
}

/// The definitions that a union names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct UnionSchema {
    /// The definitions.
    pub refs: Vec<Reference>,
    /// Whether other types are refused.
    #[serde(default)]
    pub closed: bool,
}

impl Schema {
    /// Calls `visit` with this schema and every one inside it.
    pub(super) fn visit_mut(&mut self, visit: &mut impl FnMut(&mut Schema)) {
        visit(self);
        match self {
            Self::Array(array) => array.items.visit_mut(visit),
            Self::Object(object) => object.visit_mut(visit),
            _ => {}
        }
    }
}

impl ObjectSchema {
    /// Calls `visit` with the schema of every property and those inside them.
    pub(super) fn visit_mut(&mut self, visit: &mut impl FnMut(&mut Schema)) {
        for schema in self.properties.values_mut() {
            schema.visit_mut(visit);
        }
    }
}
