//! `com.atproto.server`: accounts, sessions, and what this server is.

mod account;
mod app_password;
mod description;
mod invite;
mod service_auth;
mod session;

pub use account::{activate_account, check_account_status, create_account, deactivate_account};
pub use app_password::{create_app_password, list_app_passwords, revoke_app_password};
pub use description::describe_server;
pub use invite::{create_invite_code, create_invite_codes};
pub use service_auth::get_service_auth;
pub use session::{create_session, delete_session, get_session, refresh_session};
