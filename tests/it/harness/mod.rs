//! A town to test in: one server, a directory of identities, and its people.

mod answer;
pub mod app;
pub mod browser;
mod client;
mod engine;
mod personas;
mod postgres;
mod process;
mod relay;
pub mod service;
mod town;

pub use answer::Answer;
pub use app::Granted;
pub use client::{Body, Client};
pub use engine::Engine;
pub use personas::{Owner, Written};
pub use postgres::TestDatabase;
pub use process::Process;
pub use relay::Relay;
pub use town::{Neighbour, Town};

/// Declares tests that run on SQLite and on Postgres.
macro_rules! on_both_engines {
    ($( $(#[doc = $doc:literal])* async fn $name:ident($town:ident) $body:block )*) => { $(
        $(#[doc = $doc])*
        mod $name {
            #[allow(unused_imports, reason = "a test may need nothing of its file")]
            use super::*;

            async fn story($town: &mut crate::harness::Town) $body

            #[test]
            fn sqlite() {
                crate::harness::Town::run(crate::harness::Engine::Sqlite, async |town| story(town).await);
            }

            #[test]
            fn postgres() {
                crate::harness::Town::run(crate::harness::Engine::Postgres, async |town| story(town).await);
            }
        }
    )* };
}
