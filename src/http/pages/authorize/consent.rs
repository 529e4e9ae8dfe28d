//! The question whether an app may do what it asks, in plain words.
//!
//! What could do harm comes first and is marked. Each permission can be
//! unticked; to be known is the least. Nothing that an app says about itself is
//! shown as if it were true: its host is who it is.

use axum::response::Response;
use maud::{Markup, html};

use super::ALLOW;
use crate::atproto::scope::{
    AccountAction, AccountAttribute, Any, Audience, BlobPermission, IdentityPermission, Include,
    PermissionSet, RepoAction, RepoPermission, RpcPermission, Scope, Transition,
};
use crate::atproto::syntax::Nsid;
use crate::http::App;
use crate::http::pages::failure::Failure;
use crate::http::pages::journey::Journey;
use crate::http::pages::page::Page;
use crate::http::pages::visitor::Visitor;
use crate::http::pages::words::Words;
use crate::service::oauth::clients::Trust;
use crate::service::oauth::{Asked, Form, OAuthError};
use crate::store::accounts::Account;

/// How the field of a permission begins; the rest is its place in the request.
const FIELD: &str = "permission-";

/// One permission, in words.
pub struct Told {
    /// What it lets the app do.
    pub title: String,
    /// In detail.
    pub details: Vec<String>,
    /// Whether it could do harm.
    pub risk: Risk,
}

/// How much harm a permission could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risk {
    /// The account could be lost, or what is private be read.
    High,
    /// What apps usually need.
    Usual,
}

/// The page that asks.
///
/// # Errors
/// The store's.
pub async fn page(
    app: &App,
    visitor: &Visitor,
    words: &'static Words,
    (asked, account): (&Asked, &Account),
) -> Result<Response, Failure> {
    let sets = app.oauth.sets.included(&asked.parameters.scopes()).await;
    let sets = sets.map_err(OAuthError::from)?;
    let before = app.oauth.agreed_before(asked, account).await?;
    let title = words.say_with("consent-title", &[("app", asked.client.host())]);
    let journey = Journey::of(&visitor.query);
    let body = html! {
        h1 { (title) }
        (client(words, asked))
        div.who { div { div.name { "@" (account.handle.as_str()) } small.quiet { (account.did.as_str()) } } }
        form method="post" action="/oauth/authorize" {
            (visitor.form_token(app))
            (journey.fields())
            input type="hidden" name="account" value=(account.did.as_str());
            p { (words.say("consent-lead")) }
            (permissions(words, asked, &sets))
            @if !before.is_empty() { p.hint { (words.say("consent-before")) } }
            p.hint { (words.say("consent-later")) }
            div.buttons.equal {
                button type="submit" name="decision" value="deny" class="second" { (words.say("deny")) }
                button type="submit" name="decision" value=(ALLOW) class="second" { (words.say("allow")) }
            }
        }
        p.small { a href=(journey.link("/account/sign-in")) { (words.say("another-account")) } }
    };
    let page = Page::card(words, title, body).leading_to(&asked.parameters.redirect_uri);
    Ok(page.into_response(app))
}

/// The scopes whose fields were sent: those that somebody left ticked.
pub fn allowed(form: &Form, asked: &Asked) -> Vec<String> {
    let scopes = asked.parameters.scope.split(' ').enumerate();
    let ticked = scopes.filter(|(at, scope)| {
        *scope == crate::atproto::scope::ATPROTO || form.contains_key(&format!("{FIELD}{at}"))
    });
    ticked.map(|(_, scope)| scope.to_owned()).collect()
}

/// Who asks: the host, which is certain, and the name, which is not.
fn client(words: &Words, asked: &Asked) -> Markup {
    let client = &asked.client;
    let localhost = client.host().starts_with("localhost");
    html! {
        @match (asked.trust, localhost) {
            (Trust::FirstParty, _) => p { span.tag.good { (words.say("client-first-party")) } },
            (Trust::Unknown, true) => div.note { p { (words.say("client-localhost")) } },
            (Trust::Unknown, false) => p.quiet { (words.say("client-unknown")) },
        }
        @if !localhost {
            details {
                summary { (words.say("client-details")) }
                dl.facts {
                    @if let Some(name) = &client.name { dt { (words.say("client-name")) } dd { (name) } }
                    dt { (words.say("client-id")) } dd.mono { (client.id) }
                    @for (name, link) in [
                        (words.say("client-home"), &client.home),
                        (words.say("terms"), &client.terms),
                        (words.say("privacy"), &client.privacy),
                    ] {
                        @if let Some(link) = link {
                            dt { (name) }
                            dd { a href=(link.as_str()) rel="noopener noreferrer nofollow" target="_blank" { (link.as_str()) } }
                        }
                    }
                    dt { (words.say("client-redirect")) } dd.mono { (asked.parameters.redirect_uri) }
                }
            }
        }
    }
}

fn permissions(words: &Words, asked: &Asked, sets: &[(Include, PermissionSet)]) -> Markup {
    let mut told: Vec<(usize, Told)> = Vec::new();
    for (at, text) in asked.parameters.scope.split(' ').enumerate() {
        if let Some(scope) = Scope::parse(text)
            && scope != Scope::Atproto
        {
            told.push((at, tell(words, &scope, sets)));
        }
    }
    let (high, usual): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|(_, told)| told.risk == Risk::High);
    html! {
        @if !high.is_empty() {
            fieldset.risky { legend { (words.say("consent-risky")) } @for (at, told) in &high { (tick(*at, told)) } }
        }
        fieldset {
            legend { (words.say("consent-usual")) }
            ul.plain { li { (words.say("scope-atproto")) } }
            @for (at, told) in &usual { (tick(*at, told)) }
        }
    }
}

fn tick(at: usize, told: &Told) -> Markup {
    let (id, about) = (format!("{FIELD}{at}"), format!("about-{at}"));
    html! {
        div.check {
            input type="checkbox" id=(id) name=(id) value="yes" checked aria-describedby=[(!told.details.is_empty()).then_some(&about)];
            label for=(id) { (told.title) }
            @if !told.details.is_empty() {
                p.grant-detail id=(about) { (told.details.join(" · ")) }
            }
        }
    }
}

/// Says what a scope lets an app do.
pub fn tell(words: &Words, scope: &Scope, sets: &[(Include, PermissionSet)]) -> Told {
    let say = |risk: Risk, title: String, details: Vec<String>| Told { title, details, risk };
    match scope {
        Scope::Atproto => say(Risk::Usual, words.say("scope-atproto"), vec![]),
        Scope::Transition(Transition::Generic) => {
            say(Risk::Usual, words.say("scope-generic"), vec![words.say("scope-generic-detail")])
        }
        Scope::Transition(Transition::ChatBsky) => {
            say(Risk::High, words.say("scope-chat"), vec![words.say("scope-chat-detail")])
        }
        Scope::Transition(Transition::Email) => say(Risk::Usual, words.say("scope-email"), vec![]),
        Scope::Repo(permission) => repo(words, permission),
        Scope::Rpc(permission) => rpc(words, permission),
        Scope::Blob(BlobPermission { accept }) => match &**accept {
            [all] if all == "*/*" => say(Risk::Usual, words.say("scope-blob-any"), vec![]),
            some => say(Risk::Usual, words.say("scope-blob"), some.to_vec()),
        },
        Scope::Account(permission) => match (permission.attribute, permission.action) {
            (AccountAttribute::Email, AccountAction::Read) => {
                say(Risk::Usual, words.say("scope-email"), vec![])
            }
            (AccountAttribute::Email, AccountAction::Manage) => {
                say(Risk::High, words.say("scope-email-manage"), vec![])
            }
            (AccountAttribute::Repo, AccountAction::Read) => {
                say(Risk::Usual, words.say("scope-repo-read"), vec![])
            }
            (AccountAttribute::Repo, AccountAction::Manage) => {
                say(Risk::High, words.say("scope-repo-manage"), vec![])
            }
            (AccountAttribute::Status, _) => say(Risk::Usual, words.say("scope-status"), vec![]),
        },
        Scope::Identity(IdentityPermission::Handle) => {
            say(Risk::High, words.say("scope-handle"), vec![])
        }
        Scope::Identity(IdentityPermission::Everything) => {
            say(Risk::High, words.say("scope-identity"), vec![words.say("scope-identity-detail")])
        }
        Scope::Include(include) => included(words, include, sets),
    }
}

fn repo(words: &Words, permission: &RepoPermission) -> Told {
    let title = match (&permission.collections, &*permission.actions) {
        (Any::All, _) => words.say("scope-write-all"),
        (Any::Some(_), _) => words.say("scope-write"),
    };
    let verbs = permission.actions.iter().map(|action| match action {
        RepoAction::Create => words.say("action-create"),
        RepoAction::Update => words.say("action-update"),
        RepoAction::Delete => words.say("action-delete"),
    });
    let mut details = vec![verbs.collect::<Vec<_>>().join(", ")];
    if let Any::Some(collections) = &permission.collections {
        details.extend(collections.iter().map(|nsid| named(words, nsid)));
    }
    Told { title, details, risk: Risk::Usual }
}

fn rpc(words: &Words, permission: &RpcPermission) -> Told {
    let chat = |nsid: &Nsid| nsid.as_str().to_ascii_lowercase().starts_with("chat.bsky.");
    let risk = match &permission.methods {
        Any::All => Risk::High,
        Any::Some(methods) if methods.iter().any(chat) => Risk::High,
        Any::Some(_) => Risk::Usual,
    };
    let title = match &permission.audience {
        Audience::Any => words.say("scope-rpc-any"),
        Audience::Service(service) => {
            let did = service.split('#').next().unwrap_or(service);
            let host = did.strip_prefix("did:web:").unwrap_or(did);
            words.say_with("scope-rpc", &[("service", host)])
        }
    };
    let details = match &permission.methods {
        Any::All => vec![words.say("scope-rpc-every-method")],
        Any::Some(methods) => methods.iter().map(|nsid| nsid.as_str().to_owned()).collect(),
    };
    Told { title, details, risk }
}

/// A permission set is told by its own words, and by what it holds.
fn included(words: &Words, include: &Include, sets: &[(Include, PermissionSet)]) -> Told {
    let found = sets.iter().find(|(known, _)| known == include);
    let Some((_, set)) = found else {
        let title = include.nsid.as_str().to_owned();
        return Told { title, details: vec![], risk: Risk::High };
    };
    let held: Vec<Told> = set.scopes(include).iter().map(|scope| tell(words, scope, &[])).collect();
    let risky = held.iter().any(|told| told.risk == Risk::High);
    let mut details: Vec<String> =
        set.detail(words.language).map(str::to_owned).into_iter().collect();
    for told in held {
        details.push(format!("{}: {}", told.title, told.details.join(", ")));
    }
    let title = set.title(words.language).unwrap_or(include.nsid.as_str()).to_owned();
    Told { title, details, risk: if risky { Risk::High } else { Risk::Usual } }
}

/// What a collection is called, where people know it.
fn named(words: &Words, nsid: &Nsid) -> String {
    match nsid.as_str() {
        "app.bsky.feed.post" => words.say("collection-post"),
        "app.bsky.feed.like" => words.say("collection-like"),
        "app.bsky.feed.repost" => words.say("collection-repost"),
        "app.bsky.graph.follow" => words.say("collection-follow"),
        "app.bsky.graph.block" => words.say("collection-block"),
        "app.bsky.graph.list" | "app.bsky.graph.listitem" => words.say("collection-list"),
        "app.bsky.actor.profile" => words.say("collection-profile"),
        other => other.to_owned(),
    }
}
