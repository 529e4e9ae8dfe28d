//! One struct per section of the configuration, each with its defaults.

pub mod accounts;
pub mod blobs;
pub mod branding;
pub mod contact;
pub mod database;
pub mod identity;
pub mod limits;
pub mod log;
pub mod mail;
pub mod memory;
pub mod oauth;
pub mod outbound;
pub mod proxy;
pub mod secrets;
pub mod server;
pub mod services;
pub mod sync;
