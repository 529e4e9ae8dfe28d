//! Signing in, and out.

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
use crate::service::devices::Keep;
use crate::service::passwords::PasswordError;
use crate::service::rates::Bucket;
use crate::service::sessions::SessionError;

/// A page on which somebody signs in.
pub struct SignInPage<'p> {
    app: &'p App,
    visitor: &'p Visitor,
    journey: &'p Journey,
    words: &'static Words,
    name: Option<String>,
    fault: Option<String>,
}

/// Begins a page on which somebody signs in.
pub fn sign_in_page<'p>(
    app: &'p App,
    visitor: &'p Visitor,
    journey: &'p Journey,
    words: &'static Words,
) -> SignInPage<'p> {
    SignInPage { app, visitor, journey, words, name: None, fault: None }
}

impl SignInPage<'_> {
    /// Fills in who is meant.
    pub fn asking_for(self, name: Option<String>) -> Self {
        Self { name, ..self }
    }

    /// Says what was wrong.
    pub fn with_fault(self, fault: Option<String>) -> Self {
        Self { fault, ..self }
    }

    /// The page.
    pub fn page(self) -> Page {
        let Self { app, visitor, journey, words, name, fault: wrong } = self;
        let title = words.say("sign-in");
        let body = html! {
            h1 { (title) }
            @if let Journey::App { client_id, .. } = journey {
                p.quiet { (words.say_with("continue-to", &[("app", host_of(client_id))])) }
            }
            (fault(wrong.as_deref()))
            form method="post" action="/account/sign-in" {
                (visitor.form_token(app))
                (journey.fields())
                (Field {
                    name: "identifier", kind: "text", label: words.say("identifier"),
                    hint: Some(words.say("identifier-hint")), value: name.as_deref(),
                    autocomplete: "username",
                }.required())
                (Field {
                    name: "password", kind: "password", label: words.say("password"),
                    hint: None, value: None, autocomplete: "current-password",
                }.required())
                div.check {
                    input type="checkbox" id="field-keep" name="keep" value="yes";
                    label for="field-keep" { (words.say("keep")) }
                }
                div.buttons { button type="submit" { (words.say("sign-in")) } }
            }
            p.small { a href=(journey.link("/account/reset-password")) { (words.say("forgot-password")) } }
            p.small { (words.say("no-account")) " " a href=(journey.link("/account/sign-up")) { (words.say("sign-up")) } }
        };
        Page::card(words, title, body)
    }
}

fn host_of(client_id: &str) -> &str {
    let rest = client_id.split_once("://").map_or(client_id, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

/// `/account/sign-in`
pub async fn show_sign_in(State(app): State<App>, visitor: Visitor) -> Response {
    let journey = Journey::of(&visitor.query);
    let page = sign_in_page(&app, &visitor, &journey, visitor.words).page();
    let page = with_way_back(&app, &visitor, &journey, page).await;
    visitor.answer(&app, page.into_response(&app)).await
}

/// Takes a password.
pub async fn sign_in(State(app): State<App>, mut sender: Sender) -> Response {
    let journey = Journey::of(&sender.form);
    match prove(&app, &sender).await {
        Ok(account) => {
            let keep = if sender.field("keep").is_some() { Keep::Yes } else { Keep::No };
            let visitor = &mut sender.visitor;
            match visitor.sign_in(&app, account.id, keep).await {
                Ok(()) => visitor.go(&app, &journey.end(account.did.as_str())).await,
                Err(failure) => failure.into_page(&app, visitor.words),
            }
        }
        Err(Refusal::Told(status, text)) => {
            let (visitor, name) = (&sender.visitor, sender.field("identifier"));
            let page = sign_in_page(&app, visitor, &journey, visitor.words)
                .asking_for(name.map(str::to_owned))
                .with_fault(Some(text))
                .page()
                .with_status(status);
            let page = with_way_back(&app, visitor, &journey, page).await;
            visitor.answer(&app, page.into_response(&app)).await
        }
        Err(Refusal::Failed(failure)) => failure.into_page(&app, sender.visitor.words),
    }
}

/// `/account/sign-out`: signs one of those who are signed in here out.
pub async fn sign_out(State(app): State<App>, sender: Sender) -> Response {
    let visitor = &sender.visitor;
    let signed_in = match visitor.signed_in(&app).await {
        Ok(signed_in) => signed_in,
        Err(failure) => return failure.into_page(&app, visitor.words),
    };
    let did = sender.field("account");
    for one in signed_in.iter().filter(|one| did == Some(one.account.did.as_str())) {
        let out = app.devices.sign_out(&visitor.browser.device.id, one.account.id).await;
        if let Err(error) = out {
            return Failure::from(error).into_page(&app, visitor.words);
        }
    }
    visitor.go(&app, "/account").await
}

/// Why nobody is signed in.
enum Refusal {
    /// It is said above the form.
    Told(StatusCode, String),
    /// It is a page of its own.
    Failed(Failure),
}

async fn prove(app: &App, sender: &Sender) -> Result<crate::store::accounts::Account, Refusal> {
    let (visitor, words) = (&sender.visitor, sender.visitor.words);
    let identifier = sender.field("identifier").unwrap_or_default().trim().to_owned();
    let identifier = identifier.trim_start_matches('@').to_owned();
    let password = sender.field("password").unwrap_or_default();
    let subject = format!("{} {}", visitor.meter.address(), identifier.to_lowercase());
    if visitor.meter.spend(Bucket::LogIn, &subject, 1).is_err() {
        return Err(Refusal::Told(StatusCode::TOO_MANY_REQUESTS, words.say("too-many-tries")));
    }
    match app.sessions.prove(&identifier, password).await {
        Ok(account) => Ok(account),
        Err(SessionError::Wrong | SessionError::PasswordTooLong) => {
            Err(Refusal::Told(StatusCode::UNAUTHORIZED, words.say("wrong-password")))
        }
        Err(SessionError::TakenDown) => {
            Err(Refusal::Told(StatusCode::FORBIDDEN, words.say("account-taken-down")))
        }
        Err(SessionError::Password(PasswordError::Busy)) => {
            Err(Refusal::Told(StatusCode::SERVICE_UNAVAILABLE, words.say("busy")))
        }
        Err(error) => Err(Refusal::Failed(error.into())),
    }
}

/// Lets the forms of a page lead back to the app that somebody comes from.
pub async fn with_way_back(app: &App, visitor: &Visitor, journey: &Journey, page: Page) -> Page {
    let Journey::App { client_id, request_uri } = journey else { return page };
    match app.oauth.open(client_id, request_uri, &visitor.browser).await {
        Ok(asked) => page.leading_to(&asked.parameters.redirect_uri),
        Err(_) => page,
    }
}
