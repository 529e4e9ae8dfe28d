//! A new password for somebody who has forgotten theirs: a code by e-mail, then
//! the password. Whether an address has an account is told to nobody.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::{Field, fault};
use crate::http::App;
use crate::http::pages::failure::Failure;
use crate::http::pages::journey::Journey;
use crate::http::pages::page::Page;
use crate::http::pages::visitor::{Sender, Visitor};
use crate::http::pages::words::Words;
use crate::service::accounts::ResetError;
use crate::service::email_tokens::EmailTokenError;
use crate::service::rates::Bucket;

/// `/account/reset-password`: asks for the address.
pub async fn ask_for_code(State(app): State<App>, visitor: Visitor) -> Response {
    let (journey, words) = (Journey::of(&visitor.query), visitor.words);
    let title = words.say("forgot-password");
    let body = html! {
        h1 { (title) }
        @if app.email_tokens.sends() {
            p { (words.say("reset-lead")) }
            form method="post" action="/account/reset-password" {
                (visitor.form_token(&app))
                (journey.fields())
                (Field {
                    name: "email", kind: "email", label: words.say("email"), hint: None,
                    value: None, autocomplete: "email",
                }.required())
                div.buttons { button type="submit" { (words.say("send-code")) } }
            }
        } @else {
            div.note { p { (words.say("reset-no-mail")) } }
        }
        p.small { a href=(journey.link("/account/reset-password/code")) { (words.say("have-code")) } }
    };
    visitor.answer(&app, Page::card(words, title, body).into_response(&app)).await
}

/// Sends a code.
pub async fn request_code(State(app): State<App>, sender: Sender) -> Response {
    let (journey, visitor) = (Journey::of(&sender.form), &sender.visitor);
    if visitor.meter.spend_by_address(Bucket::ResetLetter, 1).is_err() {
        return Failure::TooMany.into_page(&app, visitor.words);
    }
    let email = sender.field("email").unwrap_or_default();
    match app.accounts.request_password_reset(email).await {
        Ok(()) => visitor.go(&app, &journey.link("/account/reset-password/code")).await,
        Err(error) => Failure::from(error).into_page(&app, visitor.words),
    }
}

/// `/account/reset-password/code`: asks for the code and the new password.
pub async fn show_set_password(State(app): State<App>, visitor: Visitor) -> Response {
    let journey = Journey::of(&visitor.query);
    let page = code_page(&app, &visitor, &journey, None);
    visitor.answer(&app, page.into_response(&app)).await
}

/// Sets the password.
pub async fn set_password(State(app): State<App>, sender: Sender) -> Response {
    let (journey, visitor) = (Journey::of(&sender.form), &sender.visitor);
    let words = visitor.words;
    if visitor.meter.spend_by_address(Bucket::PasswordReset, 1).is_err() {
        return Failure::TooMany.into_page(&app, words);
    }
    let (code, password) = (sender.field("code"), sender.field("password"));
    let set = app.accounts.reset_password(code.unwrap_or_default(), password.unwrap_or_default());
    let wrong = match set.await {
        Ok(()) => {
            let page = done(words, &journey);
            return visitor.answer(&app, page.into_response(&app)).await;
        }
        Err(ResetError::Length) => words.say("bad-password"),
        Err(ResetError::Token(EmailTokenError::Expired)) => words.say("code-expired"),
        Err(ResetError::Token(EmailTokenError::Store(error))) => {
            return Failure::from(error).into_page(&app, words);
        }
        Err(ResetError::Token(_)) => words.say("code-wrong"),
        Err(ResetError::Password(_)) => words.say("busy"),
    };
    let page = code_page(&app, visitor, &journey, Some(&wrong));
    let page = page.with_status(StatusCode::BAD_REQUEST);
    visitor.answer(&app, page.into_response(&app)).await
}

fn code_page(app: &App, visitor: &Visitor, journey: &Journey, wrong: Option<&str>) -> Page {
    let words = visitor.words;
    let title = words.say("reset-title");
    let body = html! {
        h1 { (title) }
        p { (words.say("reset-code-lead")) }
        (fault(wrong))
        form method="post" action="/account/reset-password/code" {
            (visitor.form_token(app))
            (journey.fields())
            (Field {
                name: "code", kind: "text", label: words.say("code"),
                hint: Some(words.say("code-hint")), value: None, autocomplete: "one-time-code",
            }.required())
            (Field {
                name: "password", kind: "password", label: words.say("new-password"),
                hint: Some(words.say("new-password-hint")), value: None, autocomplete: "new-password",
            }.required())
            div.buttons { button type="submit" { (words.say("set-password")) } }
        }
        p.small { a href=(journey.link("/account/reset-password")) { (words.say("send-code-again")) } }
    };
    Page::card(words, title, body)
}

fn done(words: &'static Words, journey: &Journey) -> Page {
    let title = words.say("reset-done");
    let body = html! {
        h1 { (title) }
        div.done role="status" { p { (words.say("reset-done-text")) } }
        div.buttons { a.button href=(journey.link("/account/sign-in")) { (words.say("sign-in")) } }
    };
    Page::card(words, title, body)
}
