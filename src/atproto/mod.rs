//! Floor 0: what the AT Protocol says, as values and pure functions.
//!
//! Strings, identifiers of content, the data model and its one encoding,
//! keys and signatures, DID documents, PLC operations, schemas, event frames.
//! Nothing here knows the time, randomness, files, HTTP or SQL: whatever
//! depends on those is handed in.

pub mod cid;
pub mod compact;
pub mod crypto;
pub mod data;
pub mod did_doc;
pub mod event;
#[cfg(test)]
pub(crate) mod interop;
pub mod jws;
pub mod lexicon;
pub mod moment;
pub mod oauth;
pub mod plc;
pub mod scope;
pub mod syntax;
pub mod tid;

pub use cid::{Cid, Codec};
pub use moment::Moment;
