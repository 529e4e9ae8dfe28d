//! Where somebody is on their way to while they sign in: to their account, or
//! back to an app. It is carried from page to page by the name of the app's
//! request, never as an address.

use maud::{Markup, html};
use url::form_urlencoded;

use crate::service::oauth::Form;

const CLIENT_ID: &str = "client_id";
const REQUEST_URI: &str = "request_uri";
/// Which page of the account is meant, by the last part of its path.
const PLACE: &str = "place";
/// Characters of a place.
const PLACE_CHARS_MAX: usize = 64;

/// Where somebody is on their way to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Journey {
    /// Their account, or one of its pages.
    Account(Option<String>),
    /// An app.
    App {
        /// The app.
        client_id: String,
        /// What it asked for.
        request_uri: String,
    },
}

impl Journey {
    /// Reads where somebody is on their way to from a query or a form.
    pub fn of(form: &Form) -> Self {
        match (form.get(CLIENT_ID), form.get(REQUEST_URI)) {
            (Some(client_id), Some(request_uri)) => {
                Self::App { client_id: client_id.clone(), request_uri: request_uri.clone() }
            }
            _ => {
                let plain = |place: &&String| {
                    let plain =
                        |byte: u8| byte.is_ascii_lowercase() || byte == b'-' || byte == b'/';
                    place.len() <= PLACE_CHARS_MAX && place.bytes().all(plain)
                };
                Self::Account(form.get(PLACE).filter(plain).cloned())
            }
        }
    }

    /// The fields by which a form carries it on.
    pub fn fields(&self) -> Markup {
        html! {
            @for (name, value) in self.pairs() {
                input type="hidden" name=(name) value=(value);
            }
        }
    }

    /// An address of another page, with it.
    pub fn link(&self, path: &str) -> String {
        let pairs = self.pairs();
        if pairs.is_empty() {
            return path.to_owned();
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("{path}?{query}")
    }

    /// Where it ends, for the account that somebody has signed in to.
    pub fn end(&self, did: &str) -> String {
        match self {
            Self::Account(None) => "/account".to_owned(),
            Self::Account(Some(place)) => format!("/account/{place}"),
            Self::App { .. } => {
                let link = self.link("/oauth/authorize");
                let did = form_urlencoded::byte_serialize(did.as_bytes()).collect::<String>();
                format!("{link}&account={did}")
            }
        }
    }

    fn pairs(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Account(None) => Vec::new(),
            Self::Account(Some(place)) => vec![(PLACE, place)],
            Self::App { client_id, request_uri } => {
                vec![(CLIENT_ID, client_id), (REQUEST_URI, request_uri)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journey_never_leads_to_another_host() {
        let end = |place: &str| {
            let form = Form::from([(PLACE.to_owned(), place.to_owned())]);
            Journey::of(&form).end("did:plc:alice")
        };
        assert_eq!(end("security"), "/account/security");
        for place in ["//evil.test", "https://evil.test", "\\evil.test", "a?b", "a%2f", "../x"] {
            assert!(end(place).starts_with("/account"), "{place}: {}", end(place));
            assert!(!end(place).contains(".."), "{place}");
        }
    }
}
