//! Signing in, and out.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::{Field, fault};
use crate::http::pages::failure::Failure;
use crate::http::pages::journey::Journey;
use crate::http::pages::page::Page;
use crate::http::pages::visitor::{Sender, Visitor};
use crate::http::pages::words::Words;
use crate::http::{App, XrpcError};
use crate::service::devices::{Keep, kind_of};
use crate::service::factors::{FactorError, Wanted};
use crate::service::passwords::PasswordError;
use crate::service::rates::Bucket;
use crate::service::sessions::{Proof, SessionError};
use crate::store::accounts::Account;

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
            @if app.passkeys.are_available() {
                p.or { (words.say("or")) }
                div.buttons { a.button.second href=(journey.link(super::passkey::PATH)) { (words.say("passkey-use")) } }
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
            match asks_for_code(&app, visitor, &account, keep).await {
                Ok(true) => visitor.go(&app, &journey.link(super::code::PATH)).await,
                Ok(false) => enter(&app, visitor, (&account, keep), &journey).await,
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

/// Whether a code is to be shown, too. Then the sign-in is noted as begun, and
/// what is mailed is mailed.
async fn asks_for_code(
    app: &App,
    visitor: &Visitor,
    account: &Account,
    keep: Keep,
) -> Result<bool, Failure> {
    let (device, wanted) = (&visitor.browser.device.id, app.factors.wanted(account.id).await?);
    if wanted == Wanted::Nothing || app.factors.is_trusted(device, account.id).await? {
        return Ok(false);
    }
    let kept_at = (keep == Keep::Yes).then(|| app.world.clock.now());
    let begun = app.factors.begin_sign_in(device, account.id, kept_at).await;
    begun.map_err(XrpcError::from)?;
    // Where no mail leaves, recovery codes are still good.
    match app.factors.send_code(account, wanted).await {
        Ok(()) | Err(FactorError::MailOff) => Ok(true),
        Err(error) => Err(XrpcError::from(error).into()),
    }
}

/// Lets somebody in who has shown everything, and tells them if it is from a
/// browser that was not known.
pub async fn enter(
    app: &App,
    visitor: &mut Visitor,
    (account, keep): (&Account, Keep),
    journey: &Journey,
) -> Response {
    let known = match app.devices.of_account(account.id).await {
        Ok(known) => known,
        Err(error) => return Failure::from(error).into_page(app, visitor.words),
    };
    let device = visitor.browser.device.clone();
    if let Err(failure) = visitor.sign_in(app, account.id, keep).await {
        return failure.into_page(app, visitor.words);
    }
    if !known.iter().any(|(known, _)| known.id == device.id) {
        let kind = kind_of(&device.user_agent);
        if let Err(error) = app.factors.tell_of_device(account, kind, &device.address).await {
            return Failure::from(XrpcError::from(error)).into_page(app, visitor.words);
        }
    }
    visitor.go(app, &journey.end(account.did.as_str())).await
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

async fn prove(app: &App, sender: &Sender) -> Result<Account, Refusal> {
    let (visitor, words) = (&sender.visitor, sender.visitor.words);
    let identifier = sender.field("identifier").unwrap_or_default().trim().to_owned();
    let identifier = identifier.trim_start_matches('@').to_owned();
    let password = sender.field("password").unwrap_or_default();
    let subject = format!("{} {}", visitor.meter.address(), identifier.to_lowercase());
    if visitor.meter.spend(Bucket::LogIn, &subject, 1).is_err() {
        return Err(Refusal::Told(StatusCode::TOO_MANY_REQUESTS, words.say("too-many-tries")));
    }
    let (device, address) = (&*visitor.browser.device.id, visitor.meter.address());
    let proof = Proof { identifier: &identifier, password, device, address };
    match app.sessions.prove(&proof).await {
        Ok(account) => Ok(account),
        Err(SessionError::Wrong | SessionError::PasswordTooLong) => {
            Err(Refusal::Told(StatusCode::UNAUTHORIZED, words.say("wrong-password")))
        }
        Err(SessionError::Locked(_)) => {
            Err(Refusal::Told(StatusCode::TOO_MANY_REQUESTS, words.say("too-many-tries")))
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
