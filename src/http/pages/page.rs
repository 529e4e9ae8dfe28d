//! The frame of every page, and the rules that a browser must hold it to.
//!
//! Pages are whole without scripts. Nothing comes from another host; no other
//! page may frame one of these or send its forms.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use super::assets::{LOOK_PATH, STYLE_PATH};
use super::words::Words;
use crate::http::App;

/// A page, before it has a frame.
pub struct Page {
    /// The words of its language.
    pub words: &'static Words,
    /// What it is about.
    pub title: String,
    /// What is on it.
    pub body: Markup,
    /// How it is laid out.
    pub layout: Layout,
    /// With which status it answers.
    pub status: StatusCode,
    /// Where its forms lead beside this server, as sources of a policy.
    pub forms_lead_to: Option<String>,
}

/// How a page is laid out.
#[derive(Debug, Clone)]
pub enum Layout {
    /// One thing to do, in the middle.
    Card,
    /// A place among others, with the way to them.
    Account {
        /// The way to the others.
        navigation: Markup,
    },
}

const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCES: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

impl Page {
    /// A page with one thing to do.
    pub fn card(words: &'static Words, title: String, body: Markup) -> Self {
        let (layout, status) = (Layout::Card, StatusCode::OK);
        Self { words, title, body, layout, status, forms_lead_to: None }
    }

    /// Gives the page another status.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Lets forms of the page lead somewhere else in the end.
    pub fn leading_to(self, address: &str) -> Self {
        Self { forms_lead_to: source_of(address), ..self }
    }

    /// Puts the page into its frame.
    pub fn into_response(self, app: &App) -> Response {
        let policy = policy(self.forms_lead_to.as_deref());
        let status = self.status;
        let html = self.framed(app).into_string();
        let mut response = (status, Html(html)).into_response();
        let headers = response.headers_mut();
        let fixed = [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            // Not `no-referrer`: forms would say that they come from nowhere.
            (header::REFERRER_POLICY, "same-origin"),
            (header::CACHE_CONTROL, "no-store"),
            (header::VARY, "Cookie, Accept-Language"),
            (PERMISSIONS, "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
            (OPENER, "same-origin"),
            (RESOURCES, "same-origin"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }

    fn framed(self, app: &App) -> Markup {
        let Self { words, title, body, layout, .. } = self;
        let name = app.look.name.as_str();
        html! {
            (DOCTYPE)
            html lang=(words.language) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (title) " · " (name) }
                    link rel="stylesheet" href=(STYLE_PATH.as_str());
                    link rel="stylesheet" href=(LOOK_PATH);
                    link rel="icon" href="/favicon.svg" type="image/svg+xml";
                }
                body {
                    a.skip href="#main" { (words.say("skip-to-content")) }
                    header.site { (brand(app)) }
                    @match layout {
                        Layout::Card => main #main .card { (body) },
                        Layout::Account { navigation } => div.account {
                            (navigation)
                            main #main .wide { (body) }
                        },
                    }
                    footer.site { (footer(app, words)) }
                }
            }
        }
    }
}

fn brand(app: &App) -> Markup {
    let name = app.look.name.as_str();
    html! {
        a.brand href="/account" {
            @if app.look.logo.is_some() {
                img src="/branding/logo" alt="" width="32" height="32";
            }
            span { (name) }
        }
    }
}

fn footer(app: &App, words: &Words) -> Markup {
    let links = [
        (&app.about.terms_of_service_url, words.say("terms")),
        (&app.about.privacy_policy_url, words.say("privacy")),
        (&app.look.support_url, words.say("support")),
    ];
    html! {
        p {
            span { (app.host.hostname) }
            @for (url, text) in links {
                @if let Some(url) = url { " · " a href=(url) rel="noopener" { (text) } }
            }
        }
    }
}

/// What a browser may load, run and send from a page.
fn policy(forms_lead_to: Option<&str>) -> String {
    let forms = forms_lead_to.map(|source| format!(" {source}")).unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; \
         connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'{forms}"
    )
}

/// What a policy calls the place that an address leads to.
fn source_of(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    match url.scheme() {
        "http" | "https" => Some(url.origin().ascii_serialization()),
        scheme => Some(format!("{scheme}:")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_may_lead_to_the_app_that_asks_and_nowhere_else() {
        let check = |address: &str, expected: &str| {
            assert_eq!(source_of(address).as_deref(), Some(expected));
        };
        check("https://app.example.com/callback?x=1", "https://app.example.com");
        check("http://127.0.0.1:4000/", "http://127.0.0.1:4000");
        check("com.example.app:/callback", "com.example.app:");
        assert!(policy(None).ends_with("form-action 'self'"));
        assert!(policy(Some("https://a.test")).ends_with("form-action 'self' https://a.test"));
    }
}
