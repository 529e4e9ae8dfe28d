//! Handlers of methods, in rooms by lexicon group.

pub mod server;
