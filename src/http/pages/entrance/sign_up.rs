//! Signing up.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::kit::kit_page;
use super::sign_in::with_way_back;
use super::{Field, fault, handle_check};
use crate::atproto::crypto::SigningKey;
use crate::http::pages::assets::HANDLE_PATH;
use crate::http::pages::failure::Failure;
use crate::http::pages::journey::Journey;
use crate::http::pages::moving::IN_PATH;
use crate::http::pages::page::Page;
use crate::http::pages::visitor::{Sender, Visitor};
use crate::http::pages::words::Words;
use crate::http::{App, XrpcError};
use crate::service::accounts::{CreateError, InviteRule, OpenedBy, SignUp};
use crate::service::devices::Keep;
use crate::service::oauth::Form;
use crate::service::rates::Bucket;
use crate::store::accounts as stored;

/// By what an account that is being made is opened, in queries and forms.
const WITH: &str = "with";
const PASSKEY: &str = "passkey";

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
            (password_field(app, words, journey, filled))
            @if app.accounts.invites() == InviteRule::Required {
                (Field {
                    name: "invite", kind: "text", label: words.say("invite-code"),
                    hint: Some(words.say("invite-code-hint")), value: value("invite"), autocomplete: "off",
                }.required())
            }
            details {
                summary { (words.say("recovery-key")) }
                p.hint { (words.say("recovery-key-text")) }
                div.check {
                    input type="checkbox" id="field-make-key" name="make_key" value="yes"
                        checked[filled.contains_key("make_key")] aria-describedby="make-key-hint";
                    label for="field-make-key" { (words.say("recovery-key-make")) }
                    p.grant-detail id="make-key-hint" { (words.say("recovery-key-make-hint")) }
                }
                (Field {
                    name: "recovery_key", kind: "text", label: words.say("recovery-key-label"),
                    hint: Some(words.say("recovery-key-hint")), value: value("recovery_key"), autocomplete: "off",
                }.optional())
            }
            div.buttons { button type="submit" { (words.say("sign-up")) } }
        }
        p.small { (words.say("have-account")) " " a href=(journey.link("/account/sign-in")) { (words.say("sign-in")) } }
        script src=(HANDLE_PATH.as_str()) defer {}
        p.small { (words.say("move-elsewhere")) " " a href=(IN_PATH) { (words.say("move-in")) } }
    };
    Page::card(words, title, body)
}

/// With a passkey there is no password, and the passkey is added afterwards.
fn password_field(app: &App, words: &Words, journey: &Journey, filled: &Form) -> Markup {
    let way = |with: &str| {
        let path = journey.link("/account/sign-up");
        format!("{path}{}{WITH}={with}", if path.contains('?') { '&' } else { '?' })
    };
    html! {
        @if by_passkey(app, filled) {
            input type="hidden" name=(WITH) value=(PASSKEY);
            div.note { p { (words.say("sign-up-passkey-text")) } }
            p.small { a href=(way("password")) { (words.say("sign-up-password")) } }
        } @else {
            (Field {
                name: "password", kind: "password", label: words.say("password"),
                hint: Some(words.say("new-password-hint")), value: None, autocomplete: "new-password",
            }.required())
            @if app.passkeys.are_available() {
                p.small { a href=(way(PASSKEY)) { (words.say("sign-up-passkey")) } }
            }
        }
    }
}

fn by_passkey(app: &App, form: &Form) -> bool {
    app.passkeys.are_available() && form.get(WITH).is_some_and(|with| with == PASSKEY)
}

fn handle_field(app: &App, words: &Words, filled: &Form) -> Markup {
    let value = filled.get("name").map(String::as_str);
    let domains = &app.host.handle_domains;
    let hint = words.say_with("handle-hint", &[("domain", domains.first().map_or("", |d| d))]);
    html! {
        div.field {
            label for="field-name" { (words.say("handle")) }
            p.hint id="field-name-hint" { (hint) }
            input id="field-name" name="name" type="text" value=[value] autocomplete="username"
                required autocapitalize="none" spellcheck="false"
                aria-describedby="field-name-hint" data-check=(handle_check::PATH);
            p.hint data-check-told="" role="status" {}
        }
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
    let words = visitor.words;
    let page = form_page(&app, &visitor, (&journey, words), (&visitor.query, None));
    let page = with_way_back(&app, &visitor, &journey, page).await;
    visitor.answer(&app, page.into_response(&app)).await
}

/// Takes what somebody gives who wants an account.
pub async fn sign_up(State(app): State<App>, sender: Sender) -> Response {
    let (journey, words) = (Journey::of(&sender.form), sender.visitor.words);
    let wrong = match create(&app, &sender).await {
        Ok(new) => return enter_new(&app, sender, (&journey, new)).await,
        Err(Wrong::Told(text)) => text,
        Err(Wrong::Failed(failure)) => return failure.into_page(&app, words),
    };
    let visitor = &sender.visitor;
    let page = form_page(&app, visitor, (&journey, words), (&sender.form, Some(&wrong)));
    let page = page.with_status(StatusCode::BAD_REQUEST);
    let page = with_way_back(&app, visitor, &journey, page).await;
    visitor.answer(&app, page.into_response(&app)).await
}

/// An account that was just made.
struct New {
    account: stored::Account,
    /// The recovery key that was made with it, for its owner alone.
    key: Option<SigningKey>,
}

/// Signs somebody in who has just signed up, and shows what is shown once.
async fn enter_new(app: &App, mut sender: Sender, (journey, new): (&Journey, New)) -> Response {
    let by_passkey = by_passkey(app, &sender.form);
    let visitor = &mut sender.visitor;
    if let Err(failure) = visitor.sign_in(app, new.account.id, Keep::No).await {
        return failure.into_page(app, visitor.words);
    }
    let onward = match by_passkey {
        true => "/account/passkeys".to_owned(),
        false => journey.end(new.account.did.as_str()),
    };
    match &new.key {
        Some(key) => {
            let page = kit_page(visitor.words, (&new.account, key), &onward);
            visitor.answer(app, page.into_response(app)).await
        }
        None => visitor.go(app, &onward).await,
    }
}

enum Wrong {
    /// It is said above the form.
    Told(String),
    /// It is a page of its own.
    Failed(Failure),
}

async fn create(app: &App, sender: &Sender) -> Result<New, Wrong> {
    let (visitor, words) = (&sender.visitor, sender.visitor.words);
    if visitor.meter.spend_by_address(Bucket::NewAccount, 1).is_err() {
        return Err(Wrong::Failed(Failure::TooMany));
    }
    let text = |name: &str| sender.field(name).map(|text| text.trim().to_owned());
    let key = sender.field("make_key").map(|_| app.keys.generate());
    let made = key.as_ref().map(|key| key.public().did_key().as_str().to_owned());
    let sign_up = SignUp {
        handle: whole_handle(app, &text("name").unwrap_or_default(), sender.field("domain")),
        email: text("email"),
        password: sender.field("password").map(str::to_owned),
        invite_code: text("invite"),
        recovery_key: made.or(text("recovery_key")),
        opened_by: match by_passkey(app, &sender.form) {
            true => OpenedBy::Passkey,
            false => OpenedBy::Password,
        },
    };
    let created = app.accounts.create(&sign_up).await.map_err(|error| told(words, error))?;
    let found = stored::find_by_did(&app.store.db, &created.did).await;
    let found = found.map_err(|error| Wrong::Failed(error.into()))?;
    let account = found.ok_or(Wrong::Failed(Failure::Internal))?;
    Ok(New { account, key })
}

/// The whole handle, of a name that may be whole already.
pub(super) fn whole_handle(app: &App, name: &str, domain: Option<&str>) -> String {
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
