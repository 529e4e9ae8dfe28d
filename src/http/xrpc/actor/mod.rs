//! `app.bsky.actor`, as far as a personal data server answers it itself.

mod preferences;

pub use preferences::{get_preferences, put_preferences};
