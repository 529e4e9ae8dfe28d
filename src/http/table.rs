//! THE TABLE: every method this server answers itself, one line each.
//!
//! A line says the method's NSID, what it asks of its caller, its handler,
//! and how large its body may be where that differs from a few fields of JSON.
//! Whether it is a query or a procedure, what its parameters and bodies look
//! like, and which errors it may name, stands in its lexicon and is not
//! repeated here.

use std::sync::LazyLock;

use super::row::{Table, row};
use super::xrpc::server;
use crate::service::grants::Access::*;

/// Every method of this server.
#[rustfmt::skip]
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of([
    // com.atproto.server
    row("com.atproto.server.describeServer", Anyone, server::describe_server),
]));
