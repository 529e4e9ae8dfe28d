//! Apps that act for an account: what they ask for, what was agreed to, and the
//! tokens that came of it.
//!
//! Codes and refresh tokens are known by their digests only.

pub mod consents;
pub mod requests;
pub mod sessions;
