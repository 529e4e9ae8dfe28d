//! Pages for people.

mod home;

pub use home::home;
