//! `com.atproto.identity`: DIDs, handles, and the way from one to the other.

mod handle;
mod resolution;

pub use handle::{resolve_handle, update_handle};
pub use resolution::{refresh_identity, resolve_did, resolve_identity};
