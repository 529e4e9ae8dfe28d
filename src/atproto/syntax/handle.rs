//! Handles: their one spelling, and the names that nobody can register.
//!
//! Spec: <https://atproto.com/specs/handle>

use super::Handle;

/// Stands where an account has no handle that resolves.
pub const INVALID_HANDLE: &str = "handle.invalid";

/// Top-level domains that can never hold an account's handle.
const DISALLOWED_TLDS: [&str; 8] =
    ["alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion"];

/// A text is not a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid handle")]
pub struct HandleError;

/// Returns the handle in lower case, the form that is stored and compared. A
/// leading `@` belongs to apps and is refused.
///
/// # Errors
/// [`HandleError`] for text that is not a handle.
// spec: handle#handle-identifier-syntax
pub fn normalize_handle(text: &str) -> Result<Handle, HandleError> {
    Handle::new(text.to_ascii_lowercase()).map_err(|_| HandleError)
}

/// Says whether nobody may register this handle: its top-level domain is
/// reserved. `.test` is left to the caller, which knows whether this server is
/// one for development.
// spec: handle#additional-non-syntax-restrictions
pub fn is_disallowed_tld(handle: &Handle) -> bool {
    let tld = handle.as_str().rsplit('.').next().unwrap_or_default();
    DISALLOWED_TLDS.iter().any(|disallowed| tld.eq_ignore_ascii_case(disallowed))
}
