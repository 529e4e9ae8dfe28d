//! Pages that say what went wrong, and what to do about it.

use std::fmt::Display;

use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::page::Page;
use super::words::Words;
use crate::http::error::{description_of, name_of};
use crate::http::{App, XrpcError};
use crate::service::oauth::OAuthError;
use crate::service::sessions::SessionError;
use crate::store::StoreError;

/// What went wrong, where no form can be shown again.
#[derive(Debug)]
pub enum Failure {
    /// A form came from another site.
    ForeignForm,
    /// A form came from an old page, or without the cookie.
    StaleForm,
    /// A form did not arrive whole.
    BrokenForm,
    /// Too many requests.
    TooMany,
    /// There is no such page.
    NotFound,
    /// A page was asked for from within another one.
    Framed,
    /// An app asked for something that cannot be.
    App(OAuthError),
    /// Our own fault; it has been logged.
    Internal,
}

impl Failure {
    /// Our own fault. The cause is logged and does not leave the server.
    pub fn internal(cause: impl Display) -> Self {
        tracing::error!("A page failed: {cause}.");
        Self::Internal
    }

    /// The page.
    pub fn into_page(self, app: &App, words: &'static Words) -> Response {
        let (status, title, text) = match &self {
            Self::ForeignForm => (
                StatusCode::FORBIDDEN,
                words.say("failure-foreign"),
                words.say("failure-foreign-text"),
            ),
            Self::StaleForm => {
                (StatusCode::FORBIDDEN, words.say("failure-stale"), words.say("failure-stale-text"))
            }
            Self::BrokenForm => (
                StatusCode::BAD_REQUEST,
                words.say("failure-broken"),
                words.say("failure-broken-text"),
            ),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                words.say("failure-too-many"),
                words.say("failure-too-many-text"),
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                words.say("failure-not-found"),
                words.say("failure-not-found-text"),
            ),
            Self::Framed => (
                StatusCode::FORBIDDEN,
                words.say("failure-framed"),
                words.say("failure-framed-text"),
            ),
            Self::App(_) => {
                (StatusCode::BAD_REQUEST, words.say("failure-app"), words.say("failure-app-text"))
            }
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                words.say("failure-internal"),
                words.say("failure-internal-text"),
            ),
        };
        let detail = match &self {
            Self::App(error) => Some(format!("{}: {}", name_of(error), description_of(error))),
            _ => None,
        };
        let body = html! {
            h1 { (title) }
            p { (text) }
            @if let Some(detail) = detail {
                p.hint { (words.say("failure-detail")) }
                pre { (detail) }
            }
            div.buttons { a.button.second href="/account" { (words.say("to-account")) } }
        };
        Page::card(words, title.clone(), body).with_status(status).into_response(app)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        match error {
            OAuthError::Store(error) => error.into(),
            error => Self::App(error),
        }
    }
}

impl From<XrpcError> for Failure {
    fn from(error: XrpcError) -> Self {
        match error.status() {
            StatusCode::TOO_MANY_REQUESTS => Self::TooMany,
            _ => Self::Internal,
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::from(XrpcError::from(error))
    }
}
