//! `com.atproto.server`: accounts, sessions, and what this server is.

mod description;

pub use description::describe_server;
