//! An account moves here or away: a form for each way, then one page that says
//! how far it is and asks for what is needed next.
//!
//! The steps are those of `service::migration`. The page belongs to the browser
//! in which the move was begun, and to nobody else.

mod begin;
mod page;
mod steps;

use axum::Router;
use axum::routing::{get, post};

use crate::http::App;

/// Where somebody says which account is to come here.
pub const IN_PATH: &str = "/account/move-in";
/// Where somebody says where their account is to go.
pub const OUT_PATH: &str = "/account/move-out";
/// The page of a move.
const PATH: &str = "/account/moving";
/// The name of a move in queries and forms.
const MOVE: &str = "move";

/// The pages.
pub fn router() -> Router<App> {
    Router::new()
        .route(IN_PATH, get(begin::show_in).post(begin::plan_in))
        .route(OUT_PATH, get(begin::show_out).post(begin::plan_out))
        .route(PATH, get(steps::show))
        .route("/account/moving/progress", get(steps::progress))
        .route("/account/moving/copy", post(steps::copy))
        .route("/account/moving/code", post(steps::send_code))
        .route("/account/moving/change", post(steps::change_over))
}
