//! What an identity says about itself: its keys, its names, its services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::atproto::{
    crypto::DidKey,
    syntax::{Handle, normalize_handle},
};

/// The name of the key that signs the repository.
const SIGNING_KEY: &str = "atproto";
/// The name and the type of the service that holds the repository.
const PDS: &str = "atproto_pds";
const PDS_KIND: &str = "AtprotoPersonalDataServer";

/// A service in an identity's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What it does.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is.
    pub endpoint: String,
}

/// What an identity says about itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Who may change the identity, the highest authority first.
    pub rotation_keys: Vec<DidKey>,
    /// Keys by name; `atproto` signs the repository.
    pub verification_methods: BTreeMap<String, DidKey>,
    /// Names; a handle is written `at://` and the handle.
    pub also_known_as: Vec<String>,
    /// Services by name; `atproto_pds` holds the repository.
    pub services: BTreeMap<String, Service>,
}

impl State {
    /// Returns the state of an account whose repository is kept at `pds`, an
    /// origin such as `https://pds.example.com`.
    pub fn of_account(
        rotation_keys: Vec<DidKey>,
        signing_key: DidKey,
        handle: &Handle,
        pds: &str,
    ) -> Self {
        Self {
            rotation_keys,
            verification_methods: BTreeMap::from([(SIGNING_KEY.to_owned(), signing_key)]),
            also_known_as: vec![alias(handle)],
            services: BTreeMap::from([(PDS.to_owned(), Service::pds(pds))]),
        }
    }

    /// Returns the handle: the first `at://` alias that is a valid one.
    pub fn handle(&self) -> Option<Handle> {
        self.also_known_as.iter().find_map(|alias| handle_of_alias(alias))
    }

    /// Returns the key that signs the repository.
    pub fn signing_key(&self) -> Option<&DidKey> {
        self.verification_methods.get(SIGNING_KEY)
    }

    /// Returns where the repository is kept.
    pub fn pds(&self) -> Option<&Service> {
        self.services.get(PDS).filter(|s| s.kind == PDS_KIND)
    }

    /// Replaces the handle, which is the first `at://` alias, and keeps the
    /// other aliases; without one the handle comes first.
    #[must_use]
    pub fn with_handle(mut self, handle: &Handle) -> Self {
        let aliases = &mut self.also_known_as;
        match aliases.iter().position(|a| a.starts_with("at://")) {
            Some(place) => aliases[place] = alias(handle),
            None => aliases.insert(0, alias(handle)),
        }
        self
    }

    /// Replaces the place of the repository and the key that signs it.
    #[must_use]
    pub fn with_pds(mut self, pds: &str, signing_key: DidKey) -> Self {
        self.services.insert(PDS.to_owned(), Service::pds(pds));
        self.verification_methods.insert(SIGNING_KEY.to_owned(), signing_key);
        self
    }
}

impl Service {
    fn pds(origin: &str) -> Self {
        Self { kind: PDS_KIND.to_owned(), endpoint: origin.trim_end_matches('/').to_owned() }
    }
}

/// Returns the handle that an alias of the form `at://handle` names.
pub(in crate::atproto) fn handle_of_alias(alias: &str) -> Option<Handle> {
    normalize_handle(alias.strip_prefix("at://")?).ok()
}

fn alias(handle: &Handle) -> String {
    format!("at://{}", handle.as_str())
}
