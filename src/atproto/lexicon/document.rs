//! Schema documents: what one lexicon file says.
//!
//! Spec: <https://atproto.com/specs/lexicon#lexicon-files>

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reference::MAIN;
use super::{ObjectSchema, ParamsSchema, Schema, validity};
use crate::atproto::syntax::{Nsid, RecordKey};

/// The version of the lexicon language.
const LANGUAGE_VERSION: u64 = 1;

/// One schema document, valid, its references complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    id: Nsid,
    definitions: BTreeMap<Box<str>, Definition>,
}

/// One named definition of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Definition {
    /// Records of a collection.
    Record(RecordSchema),
    /// A query or a procedure.
    Method(Method),
    /// An event stream.
    Subscription(Subscription),
    /// Permissions that are asked for under one name.
    PermissionSet(PermissionSet),
    /// Anything that fields can refer to.
    Schema(Schema),
}

/// What the records of a collection must be.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordSchema {
    /// The keys that they may have.
    pub key: RecordKeyType,
    /// Their content.
    pub record: ObjectSchema,
}

/// Which keys the records of a collection may have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum RecordKeyType {
    /// Any valid record key.
    Any,
    /// A TID.
    Tid,
    /// An NSID.
    Nsid,
    /// This one key.
    Literal(RecordKey),
}

/// Whether a method reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodKind {
    /// A GET.
    Query,
    /// A POST.
    Procedure,
}

/// What a query or procedure takes and answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// Whether it reads or writes.
    pub kind: MethodKind,
    /// Its query string.
    pub params: ParamsSchema,
    /// Its request body; only of procedures.
    pub input: Option<Body>,
    /// Its answer's body.
    pub output: Option<Body>,
    /// Names of the errors that it declares.
    pub errors: Vec<Box<str>>,
}

/// A request's or answer's body.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Body {
    /// The media type, possibly with `*` in it.
    pub encoding: Box<str>,
    /// What a JSON body must be.
    pub schema: Option<Schema>,
}

/// What an event stream takes and sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// Its query string.
    pub params: ParamsSchema,
    /// The messages that it sends: a union, if it says.
    pub message: Option<Schema>,
    /// Names of the errors that it declares.
    pub errors: Vec<Box<str>>,
}

/// Permissions that are asked for under one name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PermissionSet {
    /// What an account's owner is told it is.
    pub title: Option<String>,
    /// The same in other languages.
    #[serde(default, rename = "title:lang")]
    pub title_lang: BTreeMap<String, String>,
    /// What an account's owner is told it allows.
    pub detail: Option<String>,
    /// The same in other languages.
    #[serde(default, rename = "detail:lang")]
    pub detail_lang: BTreeMap<String, String>,
    /// What it allows.
    pub permissions: Vec<Permission>,
}

/// One permission of a set. A resource that this server does not know allows
/// nothing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Permission {
    /// What it is about: `repo`, `rpc`, …
    pub resource: String,
    /// Its parameters by name.
    #[serde(flatten)]
    pub params: BTreeMap<String, serde_json::Value>,
}

/// A text is not a valid schema document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is not JSON of a document's shape.
    #[error("not a lexicon document: {0}")]
    Shape(#[source] serde_json::Error),
    /// It is written in another version of the language.
    #[error("not version {LANGUAGE_VERSION} of the lexicon language")]
    Version,
    /// Its `id` is not an NSID.
    #[error("the id is not an NSID")]
    Id,
    /// It defines nothing.
    #[error("no definitions")]
    Empty,
    /// A definition is not written as one.
    #[error("{definition}: {source}")]
    Definition {
        /// The definition's name.
        definition: String,
        /// What serde found.
        source: serde_json::Error,
    },
    /// A definition breaks a rule of the language.
    #[error("{place} {rule}")]
    Rule {
        /// The definition and the place in it.
        place: String,
        /// What it must be.
        rule: String,
    },
}

#[derive(Deserialize)]
struct RawDocument<'a> {
    lexicon: u64,
    id: String,
    #[serde(borrow)]
    defs: BTreeMap<Box<str>, &'a RawValue>,
}

#[derive(Deserialize)]
struct RawType {
    r#type: String,
}

#[derive(Deserialize)]
struct RawRecord {
    key: RecordKeyType,
    record: Schema,
}

#[derive(Deserialize)]
struct RawMethod {
    #[serde(default)]
    parameters: ParamsSchema,
    input: Option<Body>,
    output: Option<Body>,
    #[serde(default)]
    errors: Vec<RawErrorName>,
}

#[derive(Deserialize)]
struct RawSubscription {
    #[serde(default)]
    parameters: ParamsSchema,
    message: Option<RawMessage>,
    #[serde(default)]
    errors: Vec<RawErrorName>,
}

#[derive(Deserialize)]
struct RawMessage {
    schema: Schema,
}

#[derive(Deserialize)]
struct RawErrorName {
    name: Box<str>,
}

impl Document {
    /// Reads a document and checks it against the language's rules.
    ///
    /// # Errors
    /// [`DocumentError`] with the first rule that it breaks.
    pub fn parse(json: &str) -> Result<Self, DocumentError> {
        let raw: RawDocument = serde_json::from_str(json).map_err(DocumentError::Shape)?;
        if raw.lexicon != LANGUAGE_VERSION {
            return Err(DocumentError::Version);
        }
        let mut document = Self {
            id: raw.id.parse().map_err(|_| DocumentError::Id)?,
            definitions: BTreeMap::new(),
        };
        for (name, json) in raw.defs {
            let definition = Definition::parse(json.get()).map_err(|source| {
                DocumentError::Definition { definition: name.to_string(), source }
            })?;
            document.definitions.insert(name, definition);
        }
        validity::check(&document)?;
        document.complete_references();
        Ok(document)
    }

    /// Returns the document's NSID.
    pub fn id(&self) -> &Nsid {
        &self.id
    }

    /// Returns the definition that the document is about.
    pub fn main(&self) -> Option<&Definition> {
        self.definition(MAIN)
    }

    /// Returns the definition of this name.
    pub fn definition(&self, name: &str) -> Option<&Definition> {
        self.definitions.get(name)
    }

    /// Returns the definitions by name.
    pub fn definitions(&self) -> impl Iterator<Item = (&str, &Definition)> {
        self.definitions.iter().map(|(name, def)| (&**name, def))
    }

    fn complete_references(&mut self) {
        let id = self.id.as_str();
        for definition in self.definitions.values_mut() {
            definition.visit_schemas(&mut |schema| match schema {
                Schema::Ref(target) => target.r#ref.complete(id),
                Schema::Union(union) => union.refs.iter_mut().for_each(|one| one.complete(id)),
                _ => {}
            });
        }
    }
}

impl Definition {
    fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let RawType { r#type } = serde_json::from_str(json)?;
        Ok(match r#type.as_str() {
            "record" => Self::Record(RecordSchema::of(serde_json::from_str(json)?)?),
            "query" => Self::Method(Method::of(MethodKind::Query, serde_json::from_str(json)?)),
            "procedure" => {
                Self::Method(Method::of(MethodKind::Procedure, serde_json::from_str(json)?))
            }
            "subscription" => Self::Subscription(Subscription::of(serde_json::from_str(json)?)),
            "permission-set" => Self::PermissionSet(serde_json::from_str(json)?),
            _ => Self::Schema(serde_json::from_str(json)?),
        })
    }

    /// Calls `visit` with every schema in this definition.
    pub(super) fn visit_schemas(&mut self, visit: &mut impl FnMut(&mut Schema)) {
        match self {
            Self::Record(record) => record.record.visit_mut(visit),
            Self::Method(method) => {
                let bodies = [&mut method.input, &mut method.output];
                for schema in bodies.into_iter().flatten().flat_map(|body| &mut body.schema) {
                    schema.visit_mut(visit);
                }
            }
            Self::Subscription(subscription) => {
                if let Some(schema) = &mut subscription.message {
                    schema.visit_mut(visit);
                }
            }
            Self::PermissionSet(_) => {}
            Self::Schema(schema) => schema.visit_mut(visit),
        }
    }
}

impl RecordSchema {
    fn of(raw: RawRecord) -> Result<Self, serde_json::Error> {
        match raw.record {
            Schema::Object(record) => Ok(Self { key: raw.key, record }),
            _ => Err(serde::de::Error::custom("record must be of type object")),
        }
    }
}

impl Method {
    fn of(kind: MethodKind, raw: RawMethod) -> Self {
        Self {
            kind,
            params: raw.parameters,
            input: raw.input,
            output: raw.output,
            errors: raw.errors.into_iter().map(|error| error.name).collect(),
        }
    }
}

impl Subscription {
    fn of(raw: RawSubscription) -> Self {
        Self {
            params: raw.parameters,
            message: raw.message.map(|message| message.schema),
            errors: raw.errors.into_iter().map(|error| error.name).collect(),
        }
    }
}

impl RecordKeyType {
    /// Says whether a record of the collection may have this key.
    pub fn accepts(&self, rkey: &RecordKey) -> bool {
        match self {
            Self::Any => true,
            Self::Tid => super::Format::Tid.accepts(rkey.as_str()),
            Self::Nsid => super::Format::Nsid.accepts(rkey.as_str()),
            Self::Literal(key) => key == rkey,
        }
    }
}

impl TryFrom<String> for RecordKeyType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "any" => Ok(Self::Any),
            "tid" => Ok(Self::Tid),
            "nsid" => Ok(Self::Nsid),
            _ => text
                .strip_prefix("literal:")
                .and_then(|key| key.parse().ok())
                .map(Self::Literal)
                .ok_or_else(|| format!("{text:?} is not a type of record keys")),
        }
    }
}

impl fmt::Display for RecordKeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any record key"),
            Self::Tid => f.write_str("a TID"),
            Self::Nsid => f.write_str("an NSID"),
            Self::Literal(key) => f.write_str(key.as_str()),
        }
    }
}
