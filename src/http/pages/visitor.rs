//! Who looks at a page: the browser, its language, and what it sends.
//!
//! A form is taken only from a page of this server, in the browser that the page
//! was made for. The browser's secret travels in one cookie that no script and
//! no other site can read or send.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Redirect, Response};
use cookie::{Cookie, SameSite};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use maud::{Markup, html};

use super::failure::Failure;
use super::words::Words;
use crate::http::App;
use crate::http::limits::Meter;
use crate::http::oauth::{of_pairs, read_form};
use crate::service::devices::{Browser, KEPT_LIFE, Keep, SignedIn, Visit};
use crate::service::oauth::Form;
use crate::service::rates::Bucket;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// The field of a form that shows which browser it was made for.
const FORM_TOKEN: &str = "form_token";

/// Somebody who looks at a page.
pub struct Visitor {
    /// The words of their language.
    pub words: &'static Words,
    /// Their browser.
    pub browser: Browser,
    /// The query of the address, each name once.
    pub query: Form,
    /// Counts what they ask.
    pub meter: Meter,
    /// Whether the browser knows its secret already.
    known: Known,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
}

/// Somebody who sends a form of one of our pages.
pub struct Sender {
    /// Who.
    pub visitor: Visitor,
    /// What.
    pub form: Form,
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let words = words(&parts.headers);
        let fail = |failure: Failure| failure.into_page(app, words);
        let meter = Meter::of(&parts.extensions);
        meter.spend_by_address(Bucket::Requests, 1).map_err(|error| fail(error.into()))?;
        let query = of_pairs(parts.uri.query().unwrap_or_default().as_bytes());
        let query = query.map_err(|error| fail(error.into()))?;
        let visit = visit(app, &parts.headers, &meter);
        let browser = app.devices.find_or_create(&visit).await;
        let browser = browser.map_err(|error| fail(error.into()))?;
        let same = visit.secret.as_ref() == Some(&browser.secret);
        let known = if same { Known::Yes } else { Known::No };
        Ok(Self { words, browser, query, meter, known })
    }
}

impl FromRequest<App> for Sender {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let fail = |failure: Failure| failure.into_page(app, visitor.words);
        if !comes_from_here(app, &parts.headers) {
            return Err(fail(Failure::ForeignForm));
        }
        let bytes = read_form(body).await.map_err(|_| fail(Failure::BrokenForm))?;
        let form = of_pairs(&bytes).map_err(|error| fail(error.into()))?;
        let token = form.get(FORM_TOKEN).map(String::as_str).unwrap_or_default();
        // A browser that got its secret just now cannot have had a page for it.
        if visitor.known == Known::No || !app.devices.is_form_token(&visitor.browser, token) {
            return Err(fail(Failure::StaleForm));
        }
        Ok(Self { visitor, form })
    }
}

impl Visitor {
    /// Who is signed in in this browser.
    ///
    /// # Errors
    /// The store's, as a page.
    pub async fn signed_in(&self, app: &App) -> Result<Vec<SignedIn>, Failure> {
        Ok(app.devices.signed_in(&self.browser).await?)
    }

    /// What each form must carry.
    pub fn form_token(&self, app: &App) -> Markup {
        let token = app.devices.form_token(&self.browser);
        html! { input type="hidden" name=(FORM_TOKEN) value=(token); }
    }

    /// Signs somebody in here; their answer must go through [`Visitor::answer`].
    ///
    /// # Errors
    /// The store's.
    pub async fn sign_in(
        &mut self,
        app: &App,
        account: crate::store::AccountId,
        keep: Keep,
    ) -> Result<(), Failure> {
        self.browser = app.devices.sign_in(&self.browser, account, keep).await?;
        self.known = Known::No;
        Ok(())
    }

    /// Gives an answer the cookie that it needs.
    pub async fn answer(&self, app: &App, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        if self.known == Known::Yes {
            return response;
        }
        let signed_in = match self.signed_in(app).await {
            Ok(signed_in) => signed_in,
            Err(failure) => return failure.into_page(app, self.words),
        };
        let kept = signed_in.iter().any(|one| one.sign_in.kept_at.is_some());
        let cookie = cookie(app, &self.browser.secret, kept.then_some(KEPT_LIFE));
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    /// Sends the browser to another page of this server.
    pub async fn go(&self, app: &App, path: &str) -> Response {
        self.answer(app, Redirect::to(path)).await
    }

    /// A field of the query.
    pub fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl Sender {
    /// A field of the form; nothing where it is empty.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The words of the language that a request wishes for.
pub fn words(headers: &HeaderMap) -> &'static Words {
    let wishes = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Words::wished(wishes.unwrap_or_default())
}

/// Whether a page may be shown in answer to this request: it must fill a window,
/// and no script of another site may read it.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get(FETCH_MODE).is_none_or(|mode| mode == "navigate")
        && headers.get("sec-fetch-dest").is_none_or(|place| place == "document")
}

fn visit(app: &App, headers: &HeaderMap, meter: &Meter) -> Visit {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let cookies = headers.get_all(header::COOKIE).iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(';'));
    let name = cookie_name(app);
    let secret = cookies
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned());
    Visit {
        secret,
        user_agent: text(header::USER_AGENT).unwrap_or_default().to_owned(),
        address: meter.address().to_owned(),
    }
}

/// Whether a form was sent by a page of this server, as far as browsers say so.
fn comes_from_here(app: &App, headers: &HeaderMap) -> bool {
    let site = headers.get(FETCH_SITE).is_none_or(|site| site == "same-origin");
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let origin = origin.is_none_or(|origin| origin == app.host.public_url.as_bytes());
    site && origin
}

/// The prefix has browsers keep the cookie to this very host and to https.
fn cookie_name(app: &App) -> &'static str {
    if is_secure(app) { "__Host-freehold" } else { "freehold" }
}

fn is_secure(app: &App) -> bool {
    app.host.public_url.starts_with("https:")
}

fn cookie(app: &App, secret: &str, life: Option<Duration>) -> String {
    let cookie = Cookie::build((cookie_name(app), secret))
        .path("/")
        .http_only(true)
        .secure(is_secure(app))
        // Lax: an app that sends a browser here finds it signed in.
        .same_site(SameSite::Lax)
        .to_string();
    match life {
        Some(life) => format!("{cookie}; Max-Age={}", life.as_secs()),
        None => cookie,
    }
}
