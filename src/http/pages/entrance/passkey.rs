//! Signing in with a passkey: a page that asks the browser, and its answer.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::fault;
use super::sign_in::{enter, with_way_back};
use crate::http::App;
use crate::http::pages::assets::PASSKEYS_PATH;
use crate::http::pages::failure::Failure;
use crate::http::pages::journey::Journey;
use crate::http::pages::page::Page;
use crate::http::pages::visitor::{Sender, Visitor};
use crate::http::pages::words::Words;
use crate::service::devices::Keep;
use crate::service::passkeys::PasskeyError;
use crate::store::accounts::Status;

/// Where somebody signs in with a passkey.
pub const PATH: &str = "/account/sign-in/passkey";

/// `/account/sign-in/passkey`
pub async fn show_passkey(State(app): State<App>, visitor: Visitor) -> Response {
    let journey = Journey::of(&visitor.query);
    page(&app, &visitor, &journey, None).await
}

/// Takes the browser's answer.
pub async fn check_passkey(State(app): State<App>, mut sender: Sender) -> Response {
    let (journey, words) = (Journey::of(&sender.form), sender.visitor.words);
    let answer = sender.field("answer").unwrap_or_default();
    let device = &sender.visitor.browser.device.id;
    let wrong = match app.passkeys.sign_in(device, answer).await {
        Ok(account) if matches!(account.status(), Status::TakenDown | Status::Suspended) => {
            words.say("account-taken-down")
        }
        Ok(account) => {
            let keep = if sender.field("keep").is_some() { Keep::Yes } else { Keep::No };
            return enter(&app, &mut sender.visitor, (&account, keep), &journey).await;
        }
        Err(PasskeyError::Store(error)) => return Failure::from(error).into_page(&app, words),
        Err(_) => words.say("passkey-wrong"),
    };
    page(&app, &sender.visitor, &journey, Some(&wrong)).await
}

async fn page(app: &App, visitor: &Visitor, journey: &Journey, wrong: Option<&str>) -> Response {
    let words = visitor.words;
    let asked = match app.passkeys.begin_sign_in(&visitor.browser.device.id) {
        Ok(asked) => asked,
        Err(_) => return Failure::NotFound.into_page(app, words),
    };
    let title = words.say("passkey-sign-in");
    let body = html! {
        h1 { (title) }
        p { (words.say("passkey-sign-in-text")) }
        (fault(wrong))
        (script_fault(words))
        form method="post" action=(PATH) data-passkey=(asked.to_string()) {
            (visitor.form_token(app))
            (journey.fields())
            input type="hidden" name="answer";
            div.check {
                input type="checkbox" id="field-keep" name="keep" value="yes";
                label for="field-keep" { (words.say("keep")) }
            }
            div.buttons { button type="submit" { (words.say("passkey-use")) } }
        }
        p.small { a href=(journey.link("/account/sign-in")) { (words.say("passkey-instead")) } }
        script src=(PASSKEYS_PATH.as_str()) defer {}
    };
    let status = if wrong.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let page = Page::card(words, title, body).with_status(status);
    let page = with_way_back(app, visitor, journey, page).await;
    visitor.answer(app, page.into_response(app)).await
}

/// What the script shows where the browser has no passkey, or somebody gave up.
pub fn script_fault(words: &Words) -> Markup {
    html! {
        noscript { div.note { p { (words.say("passkey-script")) } } }
        div.fault role="alert" data-passkey-fault="" hidden { p { (words.say("passkey-failed")) } }
    }
}
