//! `[services]`: the servers that answer what this one does not.
//!
//! On a public server the defaults are those of the Bluesky network, so that
//! its apps work from the first minute; on `localhost` there are none.

use url::Url;

use crate::atproto::syntax::Did;
use crate::config::parsed::Parsed;
use crate::config::reader::{Reader, Section};

use super::server::ServerConfig;

/// Section `[services]`.
#[derive(Clone, Debug)]
pub struct ServicesConfig {
    /// Answers `app.bsky.*` for this server's accounts.
    pub appview: Option<ServiceAddress>,
    /// Moderators who may act on this server.
    pub moderation: Option<ServiceAddress>,
    /// Takes reports; the moderation service where none is named.
    pub report: Option<ServiceAddress>,
}

/// A service that is known by its address and its DID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAddress {
    /// Where it is.
    pub url: Url,
    /// Who it is: the audience of tokens that are made for it.
    pub did: Did,
}

const APPVIEW: (&str, &str) = ("https://api.bsky.app", "did:web:api.bsky.app");
const REPORT: (&str, &str) = ("https://mod.bsky.app", "did:plc:ar7c4by46qjdydhdevvrndac");

impl ServicesConfig {
    pub(in crate::config) fn read(
        reader: &mut Reader,
        server: &ServerConfig,
        own_defaults: OwnDefaults,
    ) -> Self {
        let network = own_defaults == OwnDefaults::Hold && server.is_public();
        let mut section = reader.section("services");
        let moderation = address(&mut section, "moderation_url", "moderation_did", None);
        Self {
            appview: address(
                &mut section,
                "appview_url",
                "appview_did",
                network.then_some(APPVIEW),
            ),
            report: address(&mut section, "report_url", "report_did", network.then_some(REPORT))
                .or_else(|| moderation.clone()),
            moderation,
        }
    }
}

/// Whether our own defaults for the network hold: not where an official
/// environment says by its silence that there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum OwnDefaults {
    Hold,
    Yield,
}

fn address(
    section: &mut Section<'_>,
    url_key: &str,
    did_key: &str,
    default: Option<(&str, &str)>,
) -> Option<ServiceAddress> {
    let url = section.or_none(url_key, default.and_then(|(url, _)| Url::parse(url).ok()));
    // A default DID belongs to the default address and to no other.
    let default_did = default.filter(|(text, _)| url == Url::parse(text).ok());
    let did = section.or_none(did_key, default_did.and_then(|(_, did)| Did::parse(did)));
    match (url, did) {
        (Some(url), Some(did)) => Some(ServiceAddress { url, did }),
        (Some(_), None) => {
            section.fault(did_key, None, format!("wanted, since {url_key} is set"));
            None
        }
        (None, Some(_)) => {
            section.fault(url_key, None, format!("wanted, since {did_key} is set"));
            None
        }
        (None, None) => None,
    }
}
