//! Who is calling: from the `Authorization` header to an [`Actor`].
//!
//! The extractors here find out who calls and whether the method's [`Access`]
//! is open to them, before any body is read. What opens what is decided in
//! `service::grants`.
//!
//! Spec: <https://atproto.com/specs/xrpc#authentication>

use axum::extract::FromRequestParts;
use data_encoding::BASE64;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::limits::Meter;
use super::oauth::{proof, shown_url};
use super::row::Row;
use super::{App, XrpcError};
use crate::atproto::oauth::dpop::Request;
use crate::service::callers::Call;
use crate::service::grants::{Access, Actor};
use crate::service::oauth::Shown;
use crate::service::rates::{Bucket, Subject};
use crate::service::service_tokens::{Verified, is_service_token};
use crate::store::accounts::Status;

/// The administrator's name in HTTP Basic.
const ADMIN: &str = "admin";

/// The calling account. Refuses everybody whose grant does not open the
/// method's access, and accounts in a standing that the method does not serve.
pub struct Auth(pub Actor);

/// Whoever calls a public method: some of them show more to the owner of the
/// data and to the administrator.
pub enum Viewer {
    /// No credential was given.
    Anyone,
    /// An account.
    Account(Actor),
    /// The administrator.
    Admin,
}

/// The administrator, known by the password of HTTP Basic.
pub struct Admin;

/// Whoever moderates: the administrator, or the moderation service.
pub struct Moderator;

/// The text of a bearer token that the handler's service reads: a refresh
/// token, which is no proof of who calls but of which session goes on.
pub struct RefreshToken(pub String);

/// Somebody who moves in, by a token of the server where they live now; nobody
/// if there is no credential.
pub struct Newcomer(pub Option<Verified>);

/// What the header holds.
enum Credential {
    Bearer(String),
    /// A token that is bound to a key.
    Dpop(String),
    Basic {
        name: String,
        password: String,
    },
}

impl FromRequestParts<App> for Auth {
    type Rejection = XrpcError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, XrpcError> {
        // A call that is passed on has no row; whoever passes it on says what
        // it asks for.
        let access = match parts.extensions.get::<Access>() {
            Some(access) => *access,
            None => Row::of(parts)?.access,
        };
        let actor = match credential(&parts.headers)? {
            None => return Err(missing()),
            Some(Credential::Bearer(token)) => actor(app, parts, &token, access).await?,
            Some(Credential::Dpop(token)) => bound_actor(app, parts, &token, access).await?,
            Some(Credential::Basic { .. }) => return Err(unexpected()),
        };
        count(parts, &actor)?;
        Ok(Auth(actor))
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = XrpcError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, XrpcError> {
        match credential(&parts.headers)? {
            None => Ok(Viewer::Anyone),
            Some(Credential::Bearer(token)) => {
                let actor = actor(app, parts, &token, Access::AnyoneOrOwner).await?;
                Ok(Viewer::Account(actor))
            }
            Some(Credential::Dpop(token)) => {
                let actor = bound_actor(app, parts, &token, Access::AnyoneOrOwner).await?;
                Ok(Viewer::Account(actor))
            }
            Some(Credential::Basic { name, password }) => {
                administrator(app, parts, &name, &password).map(|Admin| Viewer::Admin)
            }
        }
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = XrpcError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, XrpcError> {
        match credential(&parts.headers)? {
            None => Err(missing()),
            Some(Credential::Bearer(_) | Credential::Dpop(_)) => Err(unexpected()),
            Some(Credential::Basic { name, password }) => {
                administrator(app, parts, &name, &password)
            }
        }
    }
}

impl FromRequestParts<App> for Moderator {
    type Rejection = XrpcError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, XrpcError> {
        match credential(&parts.headers)? {
            None => Err(missing()),
            // The token of a session is none of a service, and is told so in
            // the words of sessions.
            Some(Credential::Bearer(token)) if is_service_token(&token) => {
                app.callers.moderator(&token, &Row::of(parts)?.nsid).await?;
                Ok(Moderator)
            }
            Some(Credential::Bearer(_) | Credential::Dpop(_)) => Err(unexpected()),
            Some(Credential::Basic { name, password }) => {
                administrator(app, parts, &name, &password).map(|Admin| Moderator)
            }
        }
    }
}

impl FromRequestParts<App> for RefreshToken {
    type Rejection = XrpcError;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, XrpcError> {
        bearer(&parts.headers)?.map(RefreshToken).ok_or_else(missing)
    }
}

impl FromRequestParts<App> for Newcomer {
    type Rejection = XrpcError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, XrpcError> {
        match bearer(&parts.headers)? {
            None => Ok(Newcomer(None)),
            Some(token) => {
                let nsid = &Row::of(parts)?.nsid;
                Ok(Newcomer(Some(app.callers.newcomer(&token, nsid).await?)))
            }
        }
    }
}

async fn actor(app: &App, parts: &Parts, token: &str, access: Access) -> Result<Actor, XrpcError> {
    // Only a method of the table can be named by a service token.
    let nsid = parts.extensions.get::<&'static Row>().map(|row| &row.nsid);
    Ok(app.callers.actor(token, Call { nsid, access }).await?)
}

/// The account behind a token of an app, with the proof that the app holds the
/// token's key.
async fn bound_actor(
    app: &App,
    parts: &Parts,
    token: &str,
    access: Access,
) -> Result<Actor, XrpcError> {
    let url = shown_url(app, &parts.uri);
    let request = Request { method: parts.method.as_str(), url: &url, token: Some(token) };
    let shown = Shown { proof: proof(&parts.headers), request };
    Ok(app.callers.app(token, &shown, access).await?)
}

/// Takes what the call costs the account.
fn count(parts: &Parts, actor: &Actor) -> Result<(), XrpcError> {
    let row = parts.extensions.get::<&'static Row>();
    let price = row.and_then(|row| row.price);
    let Some(price) = price.filter(|price| price.bucket.subject() == Subject::Account) else {
        return Ok(());
    };
    let bucket = match (price.bucket, actor.status) {
        (Bucket::Upload, Status::Deactivated) => Bucket::ImportUpload,
        (bucket, _) => bucket,
    };
    Meter::of(&parts.extensions).spend(bucket, actor.did.as_str(), price.points)
}

fn administrator(app: &App, parts: &Parts, name: &str, password: &str) -> Result<Admin, XrpcError> {
    let meter = Meter::of(&parts.extensions);
    meter.admits_address(Bucket::AdminPassword)?;
    if name == ADMIN && app.callers.is_admin(password) {
        Ok(Admin)
    } else {
        meter.spend_by_address(Bucket::AdminPassword, 1)?;
        Err(XrpcError::unauthorized("AuthenticationRequired", "Authentication Required"))
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<String>, XrpcError> {
    match credential(headers)? {
        None => Ok(None),
        Some(Credential::Bearer(token)) => Ok(Some(token)),
        Some(Credential::Basic { .. } | Credential::Dpop(_)) => Err(unexpected()),
    }
}

/// Reads the header: a scheme in any case, one space, the rest.
fn credential(headers: &HeaderMap) -> Result<Option<Credential>, XrpcError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, rest) = text.split_once(' ').ok_or_else(malformed)?;
    if values.next().is_some() || rest.is_empty() || rest.contains(' ') {
        return Err(malformed());
    }
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Ok(Some(Credential::Bearer(rest.to_owned()))),
        "dpop" => Ok(Some(Credential::Dpop(rest.to_owned()))),
        "basic" => basic(rest).map(Some).ok_or_else(malformed),
        _ => Err(unexpected()),
    }
}

fn basic(encoded: &str) -> Option<Credential> {
    let decoded = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some(Credential::Basic { name: name.to_owned(), password: password.to_owned() })
}

fn missing() -> XrpcError {
    XrpcError::unauthorized("AuthMissing", "Authentication Required")
}

fn malformed() -> XrpcError {
    XrpcError::named("InvalidToken", "Malformed authorization header")
}

fn unexpected() -> XrpcError {
    XrpcError::named("InvalidToken", "Unexpected authorization type")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// What becomes of the header: `bearer …`, `basic …`, nothing, or the
    /// name of the error.
    fn read(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
        }
        match credential(&headers) {
            Ok(None) => String::new(),
            Ok(Some(Credential::Bearer(token))) => format!("bearer {token}"),
            Ok(Some(Credential::Dpop(token))) => format!("dpop {token}"),
            Ok(Some(Credential::Basic { name, password })) => format!("basic {name} {password}"),
            Err(error) => error.name().to_owned(),
        }
    }

    #[test]
    fn a_scheme_has_no_case_and_is_followed_by_one_space() {
        let check = |values: &[&str], expected: &str| assert_eq!(read(values), expected);
        check(&[], "");
        check(&["Bearer abc"], "bearer abc");
        check(&["bEARER abc"], "bearer abc");
        check(&["DPoP abc"], "dpop abc");
        check(&["Basic YWRtaW46YTpi"], "basic admin a:b");
        check(&["Bearer"], "InvalidToken");
        check(&["Bearer "], "InvalidToken");
        check(&["Bearer  abc"], "InvalidToken");
        check(&["Bearer abc def"], "InvalidToken");
        check(&["abc"], "InvalidToken");
        check(&["Digest abc"], "InvalidToken");
        check(&["Basic !!"], "InvalidToken");
        check(&["Basic YWRtaW4="], "InvalidToken");
        check(&["Bearer abc", "Bearer def"], "InvalidToken");
    }
}
