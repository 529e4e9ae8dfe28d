//! Points at which a test has the process die, as by `kill -9`.
//!
//! An undertaking of several steps names the place after each; the test that
//! walks through all of them is `tests/it/crash/steps.rs`. A release build has
//! no such points.

/// The variable that names the point at which to die.
#[cfg(debug_assertions)]
const VARIABLE: &str = "FREEHOLD_CRASH_AT";

/// Dies here, if that is what the environment asks for: at once, without a last
/// word to anybody.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    use std::sync::OnceLock;

    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| std::env::var(VARIABLE).ok());
    if wanted.as_deref() == Some(name) {
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
#[inline]
pub fn point(_name: &'static str) {}
