//! The `did:plc` method: operations, and the rules by which they follow one
//! another.
//!
//! Pure: the log and the time are handed in. The client that talks to a
//! directory and the embedded directory both stand on this.
//!
//! Spec: <https://web.plc.directory/spec/v0.1/did-plc>

pub mod log;
mod operation;

pub use operation::{InvalidOperation, Operation, Service, State, Unsigned};
