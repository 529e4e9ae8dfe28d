//! The second step of signing in: a code beside the password.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::sign_in::{enter, with_way_back};
use super::{Field, fault};
use crate::http::App;
use crate::http::pages::failure::Failure;
use crate::http::pages::journey::Journey;
use crate::http::pages::page::Page;
use crate::http::pages::visitor::{Sender, Visitor};
use crate::http::pages::words::Words;
use crate::service::devices::Keep;
use crate::service::factors::{FactorError, Wanted};
use crate::store::accounts::{self, Account};
use crate::store::factors::Begun;

/// Where the code is asked for.
pub const PATH: &str = "/account/sign-in/code";

/// Somebody who has shown the password, and has yet to show a code.
struct Waiting {
    begun: Begun,
    account: Account,
    wanted: Wanted,
}

/// `/account/sign-in/code`
pub async fn show_code(State(app): State<App>, visitor: Visitor) -> Response {
    let journey = Journey::of(&visitor.query);
    match waiting(&app, &visitor).await {
        Ok(Some(waiting)) => {
            let page = code_page(&app, &visitor, (&journey, waiting.wanted), None);
            let page = with_way_back(&app, &visitor, &journey, page).await;
            visitor.answer(&app, page.into_response(&app)).await
        }
        Ok(None) => visitor.go(&app, &journey.link("/account/sign-in")).await,
        Err(failure) => failure.into_page(&app, visitor.words),
    }
}

/// Takes the code, or sends a new one.
pub async fn check_code(State(app): State<App>, mut sender: Sender) -> Response {
    let (journey, words) = (Journey::of(&sender.form), sender.visitor.words);
    let waiting = match waiting(&app, &sender.visitor).await {
        Ok(Some(waiting)) => waiting,
        Ok(None) => return sender.visitor.go(&app, &journey.link("/account/sign-in")).await,
        Err(failure) => return failure.into_page(&app, words),
    };
    let Waiting { begun, account, wanted } = &waiting;
    let outcome = match sender.field("again") {
        Some(_) => app.factors.send_code(account, *wanted).await.and(Err(FactorError::Missing)),
        None => {
            let code = sender.field("code").unwrap_or_default();
            let address = sender.visitor.meter.address();
            app.factors.check(account, (*wanted, code), address).await
        }
    };
    let (status, wrong) = match outcome {
        Ok(()) => {
            if let Err(error) = app.factors.end_sign_in(begun).await {
                return Failure::from(crate::http::XrpcError::from(error)).into_page(&app, words);
            }
            let keep = if begun.kept_at.is_some() { Keep::Yes } else { Keep::No };
            return enter(&app, &mut sender.visitor, (account, keep), &journey).await;
        }
        Err(FactorError::Missing) => (StatusCode::OK, words.say("email-code-sent")),
        Err(FactorError::Locked(_)) => (StatusCode::TOO_MANY_REQUESTS, words.say("too-many-tries")),
        Err(FactorError::Expired) => (StatusCode::BAD_REQUEST, words.say("code-expired")),
        Err(FactorError::MailOff) => (StatusCode::BAD_REQUEST, words.say("mail-off")),
        Err(FactorError::Wrong) => (StatusCode::BAD_REQUEST, words.say("factor-wrong")),
        Err(error) => {
            return Failure::from(crate::http::XrpcError::from(error)).into_page(&app, words);
        }
    };
    let visitor = &sender.visitor;
    let page = code_page(&app, visitor, (&journey, *wanted), Some(&wrong)).with_status(status);
    let page = with_way_back(&app, visitor, &journey, page).await;
    visitor.answer(&app, page.into_response(&app)).await
}

async fn waiting(app: &App, visitor: &Visitor) -> Result<Option<Waiting>, Failure> {
    let Some(begun) = app.factors.begun_sign_in(&visitor.browser.device.id).await? else {
        return Ok(None);
    };
    let Some(account) = accounts::find(&app.store.db, begun.account).await? else {
        return Ok(None);
    };
    let wanted = app.factors.wanted(account.id).await?;
    Ok(Some(Waiting { begun, account, wanted }))
}

fn code_page(
    app: &App,
    visitor: &Visitor,
    (journey, wanted): (&Journey, Wanted),
    wrong: Option<&str>,
) -> Page {
    let words: &'static Words = visitor.words;
    let title = words.say("factor-title");
    let body = html! {
        h1 { (title) }
        @match wanted {
            Wanted::Email => p { (words.say("factor-email-text")) },
            Wanted::Totp | Wanted::Nothing => p { (words.say("factor-totp-text")) },
        }
        (fault(wrong))
        form method="post" action=(PATH) {
            (visitor.form_token(app))
            (journey.fields())
            (Field {
                name: "code", kind: "text", label: words.say("code"),
                hint: Some(words.say("factor-hint")), value: None, autocomplete: "one-time-code",
            }.required())
            div.buttons { button type="submit" { (words.say("sign-in")) } }
        }
        @if wanted == Wanted::Email {
            form method="post" action=(PATH) {
                (visitor.form_token(app))
                (journey.fields())
                input type="hidden" name="again" value="yes";
                p.small { button.link type="submit" { (words.say("send-code-again")) } }
            }
        }
        p.small { a href=(journey.link("/account/sign-in")) { (words.say("another-account")) } }
    };
    Page::card(words, title, body)
}
