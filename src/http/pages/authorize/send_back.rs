//! The way back to the app, with a code or with the reason why there is none.
//!
//! Spec: RFC 6749 section 4.1.2, RFC 9207, OAuth 2.0 Form Post Response Mode

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use maud::html;
use url::form_urlencoded;

use crate::http::App;
use crate::http::error::{description_of, name_of};
use crate::http::pages::assets::SUBMIT_PATH;
use crate::http::pages::page::Page;
use crate::http::pages::words::Words;
use crate::service::oauth::{Asked, OAuthError, ResponseMode};

/// Sends the browser back with a code.
pub fn code(app: &App, words: &'static Words, asked: &Asked, code: &str) -> Response {
    answer(app, words, asked, vec![("code", code.to_owned())])
}

/// Sends the browser back without one.
pub fn refusal(app: &App, words: &'static Words, asked: &Asked, error: &OAuthError) -> Response {
    let pairs =
        vec![("error", name_of(error).to_owned()), ("error_description", description_of(error))];
    answer(app, words, asked, pairs)
}

fn answer(
    app: &App,
    words: &'static Words,
    asked: &Asked,
    mut pairs: Vec<(&'static str, String)>,
) -> Response {
    // spec: oauth#authorization-interface
    pairs.push(("iss", app.oauth.issuer().to_owned()));
    if let Some(state) = &asked.parameters.state {
        pairs.push(("state", state.clone()));
    }
    let to = &asked.parameters.redirect_uri;
    match asked.parameters.response_mode {
        ResponseMode::Query => {
            let sign = if to.contains('?') { '&' } else { '?' };
            redirect(&format!("{to}{sign}{}", encoded(&pairs)))
        }
        ResponseMode::Fragment => redirect(&format!("{to}#{}", encoded(&pairs))),
        ResponseMode::FormPost => form(app, words, to, &pairs),
    }
}

fn encoded(pairs: &[(&'static str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn redirect(address: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(address) = HeaderValue::from_str(address) {
        headers.insert(header::LOCATION, address);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The code must not travel further in the name of the page before.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A page whose form goes to the app: by a script, or by a button.
fn form(app: &App, words: &'static Words, to: &str, pairs: &[(&'static str, String)]) -> Response {
    let title = words.say("back-to-app");
    let body = html! {
        h1 { (title) }
        p { (words.say("back-to-app-text")) }
        form method="post" action=(to) data-submit="" {
            @for (name, value) in pairs { input type="hidden" name=(name) value=(value); }
            div.buttons { button type="submit" { (words.say("continue")) } }
        }
        script src=(SUBMIT_PATH.as_str()) defer {}
    };
    Page::card(words, title, body).leading_to(to).into_response(app)
}
