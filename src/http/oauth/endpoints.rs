//! The addresses that apps talk to: requests in, tokens out.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde::Serialize;

use super::FormBody;
use super::nonce::{proof, shown_url};
use crate::atproto::oauth::dpop::Request;
use crate::atproto::syntax::Did;
use crate::http::App;
use crate::http::error::OAuthReply;
use crate::http::limits::Meter;
use crate::service::oauth::Shown;
use crate::service::rates::Bucket;

/// How a token must be shown.
const TOKEN_TYPE: &str = "DPoP";

type Answer = Result<Response, OAuthReply>;

#[derive(Serialize)]
struct Pushed {
    request_uri: String,
    expires_in: u64,
}

#[derive(Serialize)]
struct Tokens {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: String,
    sub: Did,
}

/// What is known of a request beside its body.
pub struct Sent {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl FromRequestParts<App> for Sent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Infallible> {
        let Parts { method, uri, headers, .. } = parts;
        Ok(Self { method: method.clone(), uri: uri.clone(), headers: headers.clone() })
    }
}

impl Sent {
    fn shown<'s>(&'s self, url: &'s str) -> Shown<'s> {
        let request = Request { method: self.method.as_str(), url, token: None };
        Shown { proof: proof(&self.headers), request }
    }
}

/// `/oauth/par`: takes what an app asks for.
pub async fn par(
    State(app): State<App>,
    meter: Meter,
    sent: Sent,
    FormBody(form): FormBody,
) -> Answer {
    meter.spend_by_address(Bucket::Requests, 1)?;
    let url = shown_url(&app, &sent.uri);
    let pushed = app.oauth.push(&form, &sent.shown(&url)).await?;
    let expires_in = pushed.expires_in.as_secs();
    let pushed = Pushed { request_uri: pushed.request_uri, expires_in };
    Ok(private((StatusCode::CREATED, Json(pushed)).into_response()))
}

/// `/oauth/token`: takes a code or a refresh token, and gives tokens.
pub async fn token(
    State(app): State<App>,
    meter: Meter,
    sent: Sent,
    FormBody(form): FormBody,
) -> Answer {
    meter.spend_by_address(Bucket::Requests, 1)?;
    let url = shown_url(&app, &sent.uri);
    let tokens = app.oauth.token(&form, &sent.shown(&url)).await?;
    let tokens = Tokens {
        access_token: tokens.access,
        token_type: TOKEN_TYPE,
        expires_in: tokens.expires_in.as_secs(),
        refresh_token: tokens.refresh,
        scope: tokens.scope,
        sub: tokens.did,
    };
    Ok(private(Json(tokens).into_response()))
}

/// `/oauth/revoke`: ends what a token belongs to.
pub async fn revoke(State(app): State<App>, meter: Meter, FormBody(form): FormBody) -> Answer {
    meter.spend_by_address(Bucket::Requests, 1)?;
    app.oauth.revoke(&form).await?;
    Ok(private(StatusCode::OK.into_response()))
}

fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
