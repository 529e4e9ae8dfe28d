//! OAuth as this protocol has it: clients, their keys, and proofs of possession,
//! as values and pure functions.
//!
//! What a client says about itself is read and judged here ([`client`]), and so
//! are the JWTs with which it proves who it is ([`assertion`]) and that it holds
//! the key of its tokens ([`dpop`]). Nothing here fetches, remembers what was
//! seen before, or knows the time.
//!
//! Spec: <https://atproto.com/specs/oauth>

pub mod assertion;
pub mod client;
pub mod client_id;
pub mod dpop;
pub mod jwk;
pub mod pkce;
pub mod redirect;
#[cfg(test)]
mod tests;

pub use client::{Client, InvalidClient};
pub use client_id::{ClientId, InvalidClientId};
pub use jwk::{Jwk, Jwks};
pub use redirect::RedirectUri;
