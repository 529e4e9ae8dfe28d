//! The integration tests: one binary, one file per group of methods.
//!
//! A test is written once and runs on both engines:
//!
//! ```ignore
//! on_both_engines! {
//!     /// What it shows, in one sentence.
//!     async fn a_deleted_record_is_gone(town) {
//!         let alice = town.owner("alice").await;
//!         let post = alice.post("hello").await;
//!         alice.delete(&post).await;
//!         town.visitor().get_record(&post).await.refused(400, "RecordNotFound");
//!     }
//! }
//! ```
//!
//! `town` is a server of its own with a did:plc directory beside it, on a world
//! whose clock stands still and whose dice are seeded ([`harness::Town`]).
//! People in it are personas: a visitor without an account, an owner, the
//! administrator, a relay. Every answer is held to the lexicons before the test
//! sees it, and every test ends with the check of what the store holds.
//! Postgres is a throwaway cluster of this run.

#[macro_use]
mod harness;

mod account_pages;
mod actor_preferences;
mod admin;
mod admin_invites;
mod admin_moderator;
mod consistency;
mod crash;
mod dev;
mod directory;
mod factors;
mod identity;
mod identity_keys;
mod identity_operations;
mod journeys;
mod model;
mod oauth;
mod oauth_bad_input;
mod oauth_scopes;
mod operation;
mod pages_moving;
mod pages_sign_up;
mod proxy;
mod rate_limits;
mod read_after_write;
mod repo_bad_input;
mod repo_blobs;
mod repo_import;
mod repo_records;
mod repo_subjects;
mod server_access;
mod server_accounts;
mod server_bad_input;
mod server_delete;
mod server_description;
mod server_email;
mod server_sessions;
mod service_auth;
mod smtp;
mod sync_repos;
mod sync_stream;
