//! DID documents: reading the ones of others, writing those of our network.
//!
//! Spec: <https://atproto.com/specs/did>

use super::{
    crypto::PublicKey,
    plc::State,
    syntax::{Did, Handle},
};

/// A DID document, read by the protocol's rules.
#[derive(Clone, Debug)]
pub struct DidDocument {
    json: serde_json::Value,
    did: Did,
}

/// One service that a document names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The part of its id after `#`.
    pub id: String,
    /// What it does, such as `AtprotoPersonalDataServer`.
    pub kind: String,
    /// Where it is.
    pub endpoint: String,
}

/// A text is not the document of the DID that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDocument {
    /// Not a JSON object.
    #[error("the DID document is not a JSON object")]
    NotAnObject,
    /// Another DID's document.
    #[error("the DID document has another id: {0}")]
    OtherDid(String),
}

impl DidDocument {
    /// Reads the document that was found for `did`.
    ///
    /// # Errors
    /// See [`InvalidDocument`].
    pub fn parse(json: &str, did: &Did) -> Result<Self, InvalidDocument> {
        let json = serde_json::from_str(json).map_err(|_| InvalidDocument::NotAnObject)?;
        Ok(Self {
            json,
            did: did.clone(),
        })
    }

    /// Renders the document of a `did:plc` as directories do.
    pub fn for_plc_state(_did: &Did, _state: &State) -> Self {
        unreachable!("being written")
    }

    /// Renders the `did:web` document of a server at `origin`.
    pub fn for_server(_did: &Did, _origin: &str) -> Self {
        unreachable!("being written")
    }

    /// Returns the DID.
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// Returns the handle that the document claims: the first `at://` alias
    /// that is a valid handle. It is true only if it resolves back.
    pub fn handle(&self) -> Option<&Handle> {
        unreachable!("being written")
    }

    /// Returns the key that signs the repository (`#atproto`).
    pub fn signing_key(&self) -> Option<&PublicKey> {
        self.key("atproto")
    }

    /// Returns the key of this name (the id after `#`).
    pub fn key(&self, _id: &str) -> Option<&PublicKey> {
        unreachable!("being written")
    }

    /// Returns the origin of the account's PDS, without a trailing slash.
    pub fn pds_endpoint(&self) -> Option<&str> {
        unreachable!("being written")
    }

    /// Returns the service of this name (the id after `#`).
    pub fn service(&self, _id: &str) -> Option<&Service> {
        unreachable!("being written")
    }

    /// Returns the document as it was read or rendered.
    pub fn to_json(&self) -> &serde_json::Value {
        &self.json
    }
}
