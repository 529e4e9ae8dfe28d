//! `/oauth/authorize`: an app's request, in front of the person it is about.
//!
//! Each answer is worked out anew from the request, from who is signed in and
//! from what was agreed to; what a page sends back is only a choice.
//!
//! Spec: <https://atproto.com/specs/oauth#authorization-interface>

mod consent;
mod send_back;

pub use consent::tell;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use maud::{Markup, html};

use super::entrance::{sign_in_page, sign_up_page};
use super::failure::Failure;
use super::journey::Journey;
use super::page::Page;
use super::visitor::{Sender, Visitor, is_navigation};
use super::words::Words;
use crate::http::App;
use crate::service::devices::{Fresh, SignedIn};
use crate::service::oauth::{Agreement, Asked, OAuthError, OpenError, Step};
use crate::store::accounts::Account;

const ALLOW: &str = "allow";

/// Shows what comes next for a request.
pub async fn show(State(app): State<App>, headers: HeaderMap, visitor: Visitor) -> Response {
    let words = visitor.words;
    let shown = match is_navigation(&headers) {
        true => next_page(&app, &visitor, &headers).await,
        false => Err(Failure::Framed),
    };
    let response = shown.unwrap_or_else(|failure| failure.into_page(&app, words));
    visitor.answer(&app, response).await
}

/// Takes somebody's answer to a request.
pub async fn decide(State(app): State<App>, headers: HeaderMap, sender: Sender) -> Response {
    let words = sender.visitor.words;
    let decided = decided(&app, &sender, &headers).await;
    let response = decided.unwrap_or_else(|failure| failure.into_page(&app, words));
    sender.visitor.answer(&app, response).await
}

async fn next_page(app: &App, visitor: &Visitor, headers: &HeaderMap) -> Result<Response, Failure> {
    let needed = |name: &'static str| {
        let missing = move || OAuthError::request(format!("{name} is missing"));
        visitor.asked(name).ok_or_else(missing)
    };
    let (client_id, request_uri) = (needed("client_id")?, needed("request_uri")?);
    let asked = match app.oauth.open(client_id, request_uri, &visitor.browser).await {
        Ok(asked) => asked,
        Err(OpenError::Here(error)) => return Err(error.into()),
        Err(OpenError::ToApp(asked, error)) => {
            let words = words_for(&asked, visitor, headers);
            return Ok(send_back::refusal(app, words, &asked, &error));
        }
    };
    let words = words_for(&asked, visitor, headers);
    let journey = Journey::of(&visitor.query);
    let signed_in = visitor.signed_in(app).await?;
    let chosen = visitor.asked("account");
    let page = match app.oauth.next(&asked, &signed_in, chosen).await? {
        Step::SignUp => sign_up_page(app, visitor, &journey, words),
        Step::SignIn(name) => {
            let name = name.as_deref().or(asked.parameters.login_hint.as_deref());
            // Whoever has just signed in is not who was meant.
            let is_signed_in = |did: &str| {
                signed_in
                    .iter()
                    .any(|one| one.account.did.as_str() == did && one.fresh == Fresh::Yes)
            };
            let other = chosen.is_some_and(is_signed_in) && name != chosen;
            let fault =
                other.then(|| words.say_with("wrong-account", &[("name", name.unwrap_or("?"))]));
            let shown = shown_name(&signed_in, name);
            sign_in_page(app, visitor, &journey, words).asking_for(shown).with_fault(fault).page()
        }
        Step::Choose(accounts) => choice(&journey, words, &asked, &accounts),
        Step::Consent(account) => {
            return consent::page(app, visitor, words, (&asked, &account)).await;
        }
        Step::Agreed(account) => {
            let all: Vec<String> = asked.parameters.scope.split(' ').map(str::to_owned).collect();
            return agree(app, words, visitor, (&asked, &account, &all)).await;
        }
        Step::Refuse(error) => {
            app.oauth.refuse(&asked).await?;
            return Ok(send_back::refusal(app, words, &asked, &error));
        }
    };
    Ok(page.leading_to(&asked.parameters.redirect_uri).into_response(app))
}

async fn decided(app: &App, sender: &Sender, headers: &HeaderMap) -> Result<Response, Failure> {
    let Sender { visitor, .. } = sender;
    let Journey::App { client_id, request_uri } = Journey::of(&sender.form) else {
        return Err(OAuthError::request("client_id or request_uri is missing").into());
    };
    let asked = match app.oauth.open(&client_id, &request_uri, &visitor.browser).await {
        Ok(asked) => asked,
        Err(OpenError::Here(error)) => return Err(error.into()),
        Err(OpenError::ToApp(asked, error)) => {
            return Ok(send_back::refusal(app, visitor.words, &asked, &error));
        }
    };
    let words = words_for(&asked, visitor, headers);
    let signed_in = visitor.signed_in(app).await?;
    let account = match app.oauth.next(&asked, &signed_in, sender.field("account")).await? {
        Step::Consent(account) | Step::Agreed(account) => account,
        // Somebody was signed out meanwhile: the page says what comes next.
        _ => {
            let journey = Journey::App { client_id, request_uri };
            return Ok(visitor.go(app, &journey.link("/oauth/authorize")).await);
        }
    };
    if sender.field("decision") != Some(ALLOW) {
        app.oauth.refuse(&asked).await?;
        let error = OAuthError::Denied("the account's owner said no");
        return Ok(send_back::refusal(app, words, &asked, &error));
    }
    let allowed = consent::allowed(&sender.form, &asked);
    agree(app, words, visitor, (&asked, &account, &allowed)).await
}

async fn agree(
    app: &App,
    words: &'static Words,
    visitor: &Visitor,
    (asked, account, scopes): (&Asked, &Account, &[String]),
) -> Result<Response, Failure> {
    let agreement = Agreement { asked, browser: &visitor.browser, account, scopes };
    let code = app.oauth.agree(&agreement).await?;
    Ok(send_back::code(app, words, asked, &code))
}

/// The words of the language that the app wishes for, then the browser.
fn words_for(asked: &Asked, visitor: &Visitor, headers: &HeaderMap) -> &'static Words {
    let Some(wished) = &asked.parameters.ui_locales else { return visitor.words };
    let browser = headers.get(http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Words::wished(&format!("{wished},{};q=0.5", browser.unwrap_or_default()))
}

/// The handle of who is meant, where it is known here.
fn shown_name(signed_in: &[SignedIn], name: Option<&str>) -> Option<String> {
    let name = name?;
    let known = signed_in.iter().find(|one| one.account.did.as_str() == name);
    Some(known.map_or_else(|| name.to_owned(), |one| one.account.handle.as_str().to_owned()))
}

/// Who is asking, above what is asked.
pub(super) fn asking(words: &Words, asked: &Asked) -> Markup {
    let host = asked.client.host();
    html! { p.quiet { (words.say_with("continue-to", &[("app", host)])) } }
}

fn choice(journey: &Journey, words: &'static Words, asked: &Asked, accounts: &[SignedIn]) -> Page {
    let title = words.say("choose-account");
    let body = html! {
        h1 { (title) }
        (asking(words, asked))
        ul.choices {
            @for one in accounts {
                li { a.button href=(journey.end(one.account.did.as_str())) {
                    span {
                        strong { "@" (one.account.handle.as_str()) }
                        @if one.fresh == Fresh::No { br; small { (words.say("signed-out")) } }
                    }
                } }
            }
            li { a.button href=(journey.link("/account/sign-in")) { (words.say("another-account")) } }
        }
    };
    Page::card(words, title, body)
}
