//! Which database a test runs on.

/// A database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in the test's temporary folder.
    Sqlite,
    /// A database of its own in a throwaway cluster of this run.
    Postgres,
}
