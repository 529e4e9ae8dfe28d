//! The `did:plc` method: operations, and the rules by which they follow one
//! another.
//!
//! Pure: the log and the time are handed in. The client that talks to a
//! directory and the embedded directory both stand on this.
//!
//! Spec: <https://web.plc.directory/spec/v0.1/did-plc>

mod limits;
pub mod log;
mod operation;
mod state;
#[cfg(test)]
mod tests;

pub use limits::{LimitBroken, OPERATION_BYTES_MAX};
pub use operation::{InvalidOperation, Operation, Unsigned};
pub(in crate::atproto) use state::handle_of_alias;
pub use state::{Service, State};
