//! `/account`: what somebody has here, and what they may do with it.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::html;

use super::page::Page;
use super::visitor::Visitor;
use crate::http::App;

/// The pages of an account.
pub fn router() -> Router<App> {
    Router::new().route("/account", get(overview))
}

async fn overview(State(app): State<App>, visitor: Visitor) -> Response {
    let words = visitor.words;
    let signed_in = match visitor.signed_in(&app).await {
        Ok(signed_in) => signed_in,
        Err(failure) => return failure.into_page(&app, words),
    };
    let Some(one) = signed_in.first() else { return visitor.go(&app, "/account/sign-in").await };
    let title = words.say("account");
    let body = html! {
        h1 { (title) }
        div.who { div { div.name { "@" (one.account.handle.as_str()) } small.quiet { (one.account.did.as_str()) } } }
        form method="post" action="/account/sign-out" {
            (visitor.form_token(&app))
            input type="hidden" name="account" value=(one.account.did.as_str());
            div.buttons { button.second type="submit" { (words.say("sign-out")) } }
        }
    };
    visitor.answer(&app, Page::card(words, title, body).into_response(&app)).await
}
