//! Freehold: a self-hostable AT Protocol personal data server.
//!
//! One crate in five floors; a floor imports those below it and never one
//! above. `src/ARCHITECTURE.md` has the map, the invariants and the journeys
//! of a request; `tests/tidy.rs` holds the code to it.

// floor 0: the protocol's data and rules; no time, no I/O
pub mod atproto;

// floor 1: repositories as values, and the outside world
pub mod repo;
pub mod world;

// floor 2: what is kept
pub mod store;

// floor 3: the verbs
pub mod service;

// floor 4: the wire
pub mod http;

// the hall: wiring and commands
pub mod app;
pub mod cli;
pub mod config;
pub mod dev;
