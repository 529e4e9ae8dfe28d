//! `/`: what this server is, and the ways in, for whoever opens it in a browser.
//! Nobody is remembered for having looked.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use maud::html;

use super::moving::IN_PATH;
use super::page::Page;
use super::visitor;
use crate::http::App;

/// The page about this server.
pub async fn home(State(app): State<App>, headers: HeaderMap) -> Response {
    let words = visitor::words(&headers);
    let hostname = app.host.hostname.as_str();
    let body = html! {
        h1 { (hostname) }
        p.quiet { (words.say("home-what")) }
        p { (words.say("home-text")) }
        div.buttons {
            a.button href="/account/sign-up" { (words.say("sign-up")) }
            a.button.second href="/account/sign-in" { (words.say("sign-in")) }
            a.button.second href=(IN_PATH) { (words.say("move-in")) }
        }
        p { (words.say("home-apps")) " " code { (hostname) } }
        p.small {
            a href="/xrpc/com.atproto.server.describeServer" { (words.say("home-about")) } " · "
            a href="/xrpc/com.atproto.sync.listRepos" { (words.say("home-people")) } " · "
            a href="https://atproto.com" rel="noopener" { (words.say("home-protocol")) } " · "
            span { "Freehold " (env!("CARGO_PKG_VERSION")) }
        }
    };
    Page::card(words, words.say("home-what"), body).into_response(&app)
}
