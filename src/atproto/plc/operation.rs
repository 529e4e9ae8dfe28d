//! Operations: what is signed, how it is written, what it names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::atproto::{
    Cid,
    crypto::{DidKey, SigningKey},
    syntax::{Did, Handle},
};

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
    /// Names; `at://` and a handle.
    pub also_known_as: Vec<String>,
    /// Services by name; `atproto_pds` holds the repository.
    pub services: BTreeMap<String, Service>,
}

/// An operation before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// Creates the identity (no `prev`) or changes its state.
    Operation {
        /// The whole new state.
        state: State,
        /// The operation that this one follows.
        prev: Option<Cid>,
    },
    /// Ends the identity.
    Tombstone {
        /// The operation that this one follows.
        prev: Cid,
    },
}

/// A signed operation of any of the three kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    json: serde_json::Value,
}

/// Why a JSON value is not an operation that may be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOperation {
    /// A field is missing or has another form.
    #[error("not an operation: {0}")]
    Form(String),
}

impl State {
    /// Returns the state of a fresh account.
    pub fn of_account(
        _rotation_keys: Vec<DidKey>,
        _signing_key: DidKey,
        _handle: &Handle,
        _pds: &str,
    ) -> Self {
        unreachable!("being written")
    }

    /// Returns the handle: the first `at://` alias that is valid.
    pub fn handle(&self) -> Option<Handle> {
        unreachable!("being written")
    }

    /// Replaces the handle and keeps the other aliases.
    #[must_use]
    pub fn with_handle(self, _handle: &Handle) -> Self {
        unreachable!("being written")
    }
}

impl Unsigned {
    /// Signs with `key`, which must be one of the rotation keys.
    ///
    /// # Errors
    /// [`InvalidOperation`] if a limit of the network is broken.
    pub fn sign(self, _key: &SigningKey) -> Result<Operation, InvalidOperation> {
        unreachable!("being written")
    }
}

impl Operation {
    /// Reads an operation from JSON.
    ///
    /// # Errors
    /// See [`InvalidOperation`].
    pub fn from_json(json: serde_json::Value) -> Result<Self, InvalidOperation> {
        Ok(Self { json })
    }

    /// Returns the operation as it travels.
    pub fn to_json(&self) -> serde_json::Value {
        self.json.clone()
    }

    /// Returns its identifier, which the next operation names as `prev`.
    pub fn cid(&self) -> Cid {
        unreachable!("being written")
    }

    /// Returns the operation that this one follows; `None` for a genesis.
    pub fn prev(&self) -> Option<Cid> {
        unreachable!("being written")
    }

    /// Returns the DID that this operation creates; `None` unless it is a genesis.
    pub fn did(&self) -> Option<Did> {
        unreachable!("being written")
    }

    /// Returns the state that the operation sets; `None` for a tombstone.
    pub fn state(&self) -> Option<&State> {
        unreachable!("being written")
    }

    /// Returns the place of the first of `keys` that signed this operation.
    pub fn signer(&self, _keys: &[DidKey]) -> Option<usize> {
        unreachable!("being written")
    }
}
