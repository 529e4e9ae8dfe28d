//! Somebody who lives here and is signed in: whose account a page is about.
//!
//! A page is about the account that was signed in to last in this browser, or
//! about the one that the query names. Whoever is not signed in, or was long
//! ago, is sent to the sign-in and comes back. What could do harm asks for the
//! password anew after a while.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use maud::{Markup, html};

use crate::http::App;
use crate::http::pages::failure::Failure;
use crate::http::pages::page::{Layout, Page};
use crate::http::pages::visitor::{Sender, Visitor, is_navigation};
use crate::http::pages::words::Words;
use crate::service::devices::{Fresh, Keep, SignedIn};
use crate::service::grants::{Actor, Grant};
use crate::service::oauth::Form;
use crate::store::accounts::Account;

/// How long a password is good for what could do harm.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// The name of the account in queries and forms.
pub const ACCOUNT: &str = "account";

/// Somebody who lives here.
pub struct Resident {
    /// Their browser.
    pub visitor: Visitor,
    /// Their account.
    pub account: Account,
    /// Everybody who is signed in in this browser.
    pub others: Vec<SignedIn>,
    signed_in_at: crate::atproto::Moment,
    /// Which page it is.
    place: String,
}

/// Somebody who lives here and sends a form.
pub struct Submission {
    /// Who.
    pub resident: Resident,
    /// What.
    pub form: Form,
}

impl FromRequestParts<App> for Resident {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let navigation = is_navigation(&parts.headers);
        let place = place_of(parts);
        let visitor = Visitor::from_request_parts(parts, app).await?;
        if !navigation {
            return Err(Failure::Framed.into_page(app, visitor.words));
        }
        let wanted = visitor.asked(ACCOUNT).map(str::to_owned);
        Self::of(app, visitor, wanted.as_deref(), place).await
    }
}

impl FromRequest<App> for Submission {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let place = place_of(&parts);
        let sender = Sender::from_request(Request::from_parts(parts, body), app).await?;
        let wanted = sender.field(ACCOUNT).map(str::to_owned);
        let resident = Resident::of(app, sender.visitor, wanted.as_deref(), place).await?;
        Ok(Self { resident, form: sender.form })
    }
}

/// The part of the path behind `/account/`.
fn place_of(parts: &Parts) -> String {
    parts.uri.path().trim_start_matches("/account").trim_matches('/').to_owned()
}

impl Resident {
    async fn of(
        app: &App,
        visitor: Visitor,
        wanted: Option<&str>,
        place: String,
    ) -> Result<Self, Response> {
        let words = visitor.words;
        let others = visitor.signed_in(app).await.map_err(|error| error.into_page(app, words))?;
        let fits = |one: &&SignedIn| {
            one.fresh == Fresh::Yes && wanted.is_none_or(|did| one.account.did.as_str() == did)
        };
        let found = others.iter().find(fits).cloned();
        let Some(one) = found else { return Err(sign_in_first(app, &visitor, &place).await) };
        let signed_in_at = one.sign_in.signed_in_at;
        Ok(Self { visitor, account: one.account, others, signed_in_at, place })
    }

    /// The words of their language.
    pub fn words(&self) -> &'static Words {
        self.visitor.words
    }

    /// The account in the act of doing something, with everything that its owner
    /// may do.
    pub fn actor(&self) -> Actor {
        Actor {
            did: self.account.did.clone(),
            account: self.account.id,
            grant: Grant::Full,
            status: self.account.status(),
        }
    }

    /// Goes on only where the password was given a short while ago.
    ///
    /// # Errors
    /// The way to the sign-in, which leads back here.
    pub async fn recently(&self, app: &App) -> Result<(), Response> {
        if self.signed_in_at.plus(RECENT) > app.world.clock.now() {
            return Ok(());
        }
        let place = self.place.split('/').next().unwrap_or_default();
        Err(sign_in_first(app, &self.visitor, place).await)
    }

    /// Whether this browser is to keep them in mind.
    pub fn keeps(&self) -> Keep {
        let kept = self.others.iter().find(|one| one.account.id == self.account.id);
        match kept.is_some_and(|one| one.sign_in.kept_at.is_some()) {
            true => Keep::Yes,
            false => Keep::No,
        }
    }

    /// The fields that every form of this account has.
    pub fn fields(&self, app: &App) -> Markup {
        html! {
            (self.visitor.form_token(app))
            input type="hidden" name=(ACCOUNT) value=(self.account.did.as_str());
        }
    }

    /// An address of another page of this account.
    pub fn link(&self, path: &str) -> String {
        if self.others.len() < 2 {
            return path.to_owned();
        }
        let did = url::form_urlencoded::byte_serialize(self.account.did.as_str().as_bytes());
        let sign = if path.contains('?') { '&' } else { '?' };
        format!("{path}{sign}{ACCOUNT}={}", did.collect::<String>())
    }

    /// Shows a page of the account.
    pub async fn show(&self, app: &App, shown: Shown<'_>) -> Response {
        let navigation = super::navigation(self, shown.place);
        let body = html! {
            h1 { (shown.title) }
            @if let Some(text) = &shown.wrong { div.fault role="alert" { p { (text) } } }
            @if let Some(text) = &shown.done { div.done role="status" { p { (text) } } }
            (shown.body)
        };
        let status = if shown.wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let page = Page {
            words: self.words(),
            title: shown.title,
            body,
            layout: Layout::Account { navigation },
            status,
            forms_lead_to: None,
        };
        self.visitor.answer(app, page.into_response(app)).await
    }

    /// Sends them to a page of their account.
    pub async fn go(&self, app: &App, path: &str) -> Response {
        self.visitor.go(app, &self.link(path)).await
    }

    /// Shows a page of its own for what went wrong.
    pub fn fail(&self, app: &App, failure: impl Into<Failure>) -> Response {
        failure.into().into_page(app, self.words()).into_response()
    }
}

/// A page of the account, before it has a frame.
pub struct Shown<'s> {
    /// Which one.
    pub place: &'s str,
    /// What it is about.
    pub title: String,
    /// What was wrong with what was sent.
    pub wrong: Option<String>,
    /// What was done.
    pub done: Option<String>,
    /// What is on it.
    pub body: Markup,
}

impl Submission {
    /// A field of the form; nothing where it is empty.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

async fn sign_in_first(app: &App, visitor: &Visitor, place: &str) -> Response {
    let path = match place {
        "" => "/account/sign-in".to_owned(),
        place => format!("/account/sign-in?place={place}"),
    };
    visitor.go(app, &path).await
}
