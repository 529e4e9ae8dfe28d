//! Lexicons: the schemas of records and methods, and the check against them.
//!
//! A [`Document`] is one schema file, read and found valid. A [`Catalog`] holds
//! many and answers the two questions that the floors above ask: does this
//! record follow its schema, and do these parameters and bodies follow their
//! method's. An answer of no is an [`Invalid`], which names the place and the
//! rule. The data model's own rules ([`super::data`]) are met before a value
//! comes here. This room fetches nothing: a document from the network is handed
//! in as text.
//!
//! Tricky bits: objects are open (further properties are fine); an open union
//! accepts types that it does not name, as long as `$type` is there; the `main`
//! definition's type is written without `#main`; lengths count UTF-8 bytes,
//! graphemes count what a reader would call characters.
//!
//! Spec: <https://atproto.com/specs/lexicon>

mod bundle;
mod catalog;
mod document;
mod format;
mod invalid;
mod params;
mod reference;
mod schema;
#[cfg(test)]
mod tests;
mod validate;
mod validity;

pub use catalog::{Catalog, Validation};
pub use document::{
    Body, Definition, Document, DocumentError, Method, MethodKind, Permission, PermissionSet,
    RecordKeyType, RecordSchema, Subscription,
};
pub use format::Format;
pub use invalid::Invalid;
pub use params::ParamsSchema;
pub use reference::Reference;
pub use schema::{
    ArraySchema, BlobSchema, BooleanSchema, BytesSchema, IntegerSchema, ObjectSchema, RefSchema,
    Schema, StringSchema, UnionSchema,
};
