//! `/account`: what somebody has here, and what they may do with it.
//!
//! One file for each place. A page shows what the services say; a form calls one
//! of their verbs and says what came of it.

mod app_passwords;
mod apps;
mod data;
mod devices;
mod email;
mod handle;
mod leave;
mod overview;
mod passkeys;
mod password;
mod repository;
mod resident;
mod security;

use axum::Router;
use axum::routing::{get, post};
use maud::{Markup, html};

use crate::http::App;
pub use resident::{Resident, Shown, Submission};

/// The pages of an account.
pub fn router() -> Router<App> {
    Router::new()
        .route("/account", get(overview::show))
        .route("/account/handle", get(handle::show).post(handle::change))
        .route("/account/email", get(email::show))
        .route("/account/email/confirm", post(email::confirm))
        .route("/account/email/code", post(email::send_code))
        .route("/account/email/change", post(email::change))
        .route("/account/password", get(password::show).post(password::change))
        .route("/account/password/remove", post(password::remove))
        .route("/account/passkeys", get(passkeys::show).post(passkeys::begin))
        .route("/account/passkeys/add", post(passkeys::finish))
        .route("/account/passkeys/remove", post(passkeys::remove))
        .route("/account/security", get(security::show))
        .route("/account/security/totp", post(security::begin_totp))
        .route("/account/security/totp/confirm", post(security::confirm_totp))
        .route("/account/security/totp/remove", post(security::remove_totp))
        .route("/account/security/email", post(security::set_email))
        .route("/account/security/codes", post(security::new_codes))
        .route("/account/app-passwords", get(app_passwords::show).post(app_passwords::create))
        .route("/account/app-passwords/revoke", post(app_passwords::revoke))
        .route("/account/apps", get(apps::show))
        .route("/account/apps/revoke", post(apps::revoke))
        .route("/account/devices", get(devices::show))
        .route("/account/devices/sign-out", post(devices::sign_out))
        .route("/account/data", get(data::show))
        .route("/account/data/progress", get(data::progress))
        .route("/account/data/download", get(data::download))
        .route("/account/repository", get(repository::collections))
        .route("/account/repository/collection", get(repository::records))
        .route("/account/repository/record", get(repository::record))
        .route("/account/repository/delete", post(repository::delete))
        .route("/account/leave", get(leave::show))
        .route("/account/leave/deactivate", post(leave::deactivate))
        .route("/account/leave/activate", post(leave::activate))
        .route("/account/leave/code", post(leave::send_code))
        .route("/account/leave/delete", post(leave::delete))
}

/// The way to all places of an account.
fn navigation(resident: &Resident, here: &str) -> Markup {
    let words = resident.words();
    let places = [
        ("", words.say("account")),
        ("handle", words.say("handle")),
        ("email", words.say("email")),
        ("password", words.say("password")),
        ("security", words.say("security")),
        ("passkeys", words.say("passkeys")),
        ("app-passwords", words.say("app-passwords")),
        ("apps", words.say("apps")),
        ("devices", words.say("devices")),
        ("repository", words.say("repository")),
        ("data", words.say("data")),
        ("leave", words.say("leave")),
    ];
    html! {
        nav.places aria-label=(words.say("account")) {
            ul {
                @for (place, name) in places {
                    @let path = if place.is_empty() { "/account".to_owned() } else { format!("/account/{place}") };
                    li { a href=(resident.link(&path)) aria-current=[(place == here).then_some("page")] { (name) } }
                }
            }
        }
    }
}

/// A moment as people read it, to the minute.
fn moment(at: crate::atproto::Moment) -> Markup {
    let text = at.to_string();
    let shown = text.get(..16).unwrap_or(&text).replace('T', " ");
    html! { time datetime=(text) { (shown) " UTC" } }
}

/// A number of bytes as people read it.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1_000 {
        return format!("{count} B");
    }
    let mut tenths = count / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1_000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_their_unit() {
        let told = [0, 999, 1_000, 1_234_567, 999_999_999, 5_400_000_000].map(bytes);
        assert_eq!(told, ["0 B", "999 B", "1.0 kB", "1.2 MB", "999.9 MB", "5.4 GB"]);
    }
}
