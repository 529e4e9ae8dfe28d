//! Signing up.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::sign_in::with_way_back;
use super::{Field, fault};
use crate::http::pages::failure::Failure;
use crate::http::pages::journey::Journey;
use crate::http::pages::moving::IN_PATH;
use crate::http::pages::page::Page;
use crate::http::pages::visitor::{Sender, Visitor};
use crate::http::pages::words::Words;
use crate::http::{App, XrpcError};
use crate::service::accounts::{CreateError, InviteRule, SignUp};
use crate::service::devices::Keep;
use crate::service::oauth::Form;
use crate::service::rates::Bucket;
use crate::store::accounts as stored;

/// A page on which somebody signs up.
pub fn sign_up_page(
    app: &App,
    visitor: &Visitor,
    journey: &Journey,
    words: &'static Words,
) -> Page {
    form_page(app, visitor, (journey, words), (&Form::new(), None))
}

fn form_page(
    app: &App,
    visitor: &Visitor,
    (journey, words): (&Journey, &'static Words),
    (filled, wrong): (&Form, Option<&str>),
) -> Page {
    let title = words.say("sign-up-title");
    let value = |name: &str| filled.get(name).map(String::as_str);
    let body = html! {
        h1 { (title) }
        (fault(wrong))
        form method="post" action="/account/sign-up" {
            (visitor.form_token(app))
            (journey.fields())
            (handle_field(app, words, filled))
            (Field {
                name: "email", kind: "email", label: words.say("email"),
                hint: Some(words.say("email-hint")), value: value("email"), autocomplete: "email",
            }.required())
            (Field {
                name: "password", kind: "password", label: words.say("password"),
                hint: Some(words.say("new-password-hint")), value: None, autocomplete: "new-password",
            }.required())
            @if app.accounts.invites() == InviteRule::Required {
                (Field {
                    name: "invite", kind: "text", label: words.say("invite-code"),
                    hint: Some(words.say("invite-code-hint")), value: value("invite"), autocomplete: "off",
                }.required())
            }
            details {
                summary { (words.say("recovery-key")) }
                p.hint { (words.say("recovery-key-text")) }
                (Field {
                    name: "recovery_key", kind: "text", label: words.say("recovery-key-label"),
                    hint: None, value: value("recovery_key"), autocomplete: "off",
                }.optional())
            }
            div.buttons { button type="submit" { (words.say("sign-up")) } }
        }
        p.small { (words.say("have-account")) " " a href=(journey.link("/account/sign-in")) { (words.say("sign-in")) } }
        p.small { (words.say("move-elsewhere")) " " a href=(IN_PATH) { (words.say("move-in")) } }
    };
    Page::card(words, title, body)
}

fn handle_field(app: &App, words: &Words, filled: &Form) -> Markup {
    let value = filled.get("name").map(String::as_str);
    let domains = &app.host.handle_domains;
    html! {
        (Field {
            name: "name", kind: "text", label: words.say("handle"),
            hint: Some(words.say_with("handle-hint", &[("domain", domains.first().map_or("", |d| d))])),
            value, autocomplete: "username",
        }.required())
        @if domains.len() > 1 {
            div.field {
                label for="field-domain" { (words.say("handle-domain")) }
                select id="field-domain" name="domain" {
                    @for domain in domains {
                        option value=(domain) selected[filled.get("domain") == Some(domain)] { (domain) }
                    }
                }
            }
        }
    }
}

/// `/account/sign-up`
pub async fn show_sign_up(State(app): State<App>, visitor: Visitor) -> Response {
    let journey = Journey::of(&visitor.query);
    let page = sign_up_page(&app, &visitor, &journey, visitor.words);
    let page = with_way_back(&app, &visitor, &journey, page).await;
    visitor.answer(&app, page.into_response(&app)).await
}

/// Takes what somebody gives who wants an account.
pub async fn sign_up(State(app): State<App>, mut sender: Sender) -> Response {
    let (journey, words) = (Journey::of(&sender.form), sender.visitor.words);
    let wrong = match create(&app, &sender).await {
        Ok(account) => {
            let visitor = &mut sender.visitor;
            return match visitor.sign_in(&app, account.id, Keep::No).await {
                Ok(()) => visitor.go(&app, &journey.end(account.did.as_str())).await,
                Err(failure) => failure.into_page(&app, words),
            };
        }
        Err(Wrong::Told(text)) => text,
        Err(Wrong::Failed(failure)) => return failure.into_page(&app, words),
    };
    let visitor = &sender.visitor;
    let page = form_page(&app, visitor, (&journey, words), (&sender.form, Some(&wrong)));
    let page = page.with_status(StatusCode::BAD_REQUEST);
    let page = with_way_back(&app, visitor, &journey, page).await;
    visitor.answer(&app, page.into_response(&app)).await
}

enum Wrong {
    /// It is said above the form.
    Told(String),
    /// It is a page of its own.
    Failed(Failure),
}

async fn create(app: &App, sender: &Sender) -> Result<stored::Account, Wrong> {
    let (visitor, words) = (&sender.visitor, sender.visitor.words);
    if visitor.meter.spend_by_address(Bucket::NewAccount, 1).is_err() {
        return Err(Wrong::Failed(Failure::TooMany));
    }
    let text = |name: &str| sender.field(name).map(|text| text.trim().to_owned());
    let sign_up = SignUp {
        handle: handle(app, &text("name").unwrap_or_default(), sender.field("domain")),
        email: text("email"),
        password: sender.field("password").map(str::to_owned),
        invite_code: text("invite"),
        recovery_key: text("recovery_key"),
    };
    let created = app.accounts.create(&sign_up).await.map_err(|error| told(words, error))?;
    let found = stored::find_by_did(&app.store.db, &created.did).await;
    let found = found.map_err(|error| Wrong::Failed(error.into()))?;
    found.ok_or(Wrong::Failed(Failure::Internal))
}

/// The whole handle, of a name that may be whole already.
fn handle(app: &App, name: &str, domain: Option<&str>) -> String {
    let name = name.trim_start_matches('@').to_lowercase();
    let domains = &app.host.handle_domains;
    if name.contains('.') {
        return name;
    }
    let domain = domain.filter(|domain| domains.iter().any(|known| known == domain));
    let domain = domain.or(domains.first().map(String::as_str)).unwrap_or_default();
    format!("{name}{domain}")
}

/// What somebody reads who gets no account.
fn told(words: &Words, error: CreateError) -> Wrong {
    Wrong::Told(match error {
        CreateError::EmailMissing | CreateError::EmailInvalid => words.say("bad-email"),
        CreateError::Password => words.say("bad-password"),
        CreateError::InviteMissing | CreateError::InviteUnavailable => words.say("bad-invite"),
        CreateError::Handle(_) | CreateError::UnsupportedDomain | CreateError::HandleElsewhere => {
            words.say("bad-handle")
        }
        CreateError::HandleTaken(_) => words.say("taken-handle"),
        CreateError::RecoveryKey => words.say("bad-recovery-key"),
        CreateError::Directory(_) => words.say("directory-away"),
        error => return Wrong::Failed(XrpcError::from(error).into()),
    })
}
