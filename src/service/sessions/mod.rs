//! Sessions of passwords: opened, renewed, closed.

pub mod tokens;
