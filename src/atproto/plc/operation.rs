//! Operations: how they are read, signed and named.
//!
//! What is signed is the canonical CBOR of the JSON object without `sig`, so
//! an operation keeps the object that it was read from: a field that we do
//! not know still counts for its signature and its name.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{LimitBroken, Service, State, limits};
use crate::atproto::{
    Cid,
    crypto::{DidKey, HighS, SIGNATURE_BYTES, SigningKey},
    syntax::Did,
};

/// Characters of a `did:plc` after its prefix.
const IDENTIFIER_CHARS: usize = 24;

const OPERATION: &str = "plc_operation";
const TOMBSTONE: &str = "plc_tombstone";
const LEGACY_CREATE: &str = "create";

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

/// A signed operation of any of the three kinds: a state, a tombstone, and
/// the genesis of the first months (`create`), which is read but not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    json: Map<String, Value>,
    cid: Cid,
    signature: [u8; SIGNATURE_BYTES],
    prev: Option<Cid>,
    /// `None` in a tombstone.
    state: Option<State>,
    fields: Fields,
}

/// Whether the object is one that a directory takes from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fields {
    Known,
    /// It has a field that the method does not have.
    Unknown,
    /// It is a genesis of the old kind.
    Legacy,
}

/// Why a JSON value is not an operation, or not one that may be posted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOperation {
    /// It is not an object.
    #[error("an operation is a JSON object")]
    NotAnObject,
    /// The kind is none of the three.
    #[error("the type of an operation is plc_operation or plc_tombstone")]
    Type,
    /// A field is missing or has another form.
    #[error("the field {field} is missing or has another form: {reason}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is a field that the method does not have.
    #[error("the operation has a field that the method does not have")]
    UnknownField,
    /// The old kind of genesis is read in logs, but no longer accepted.
    #[error("operations of the type create are no longer accepted")]
    Legacy,
    /// The signature is not 64 bytes in base64url without padding.
    #[error("sig is not a signature of 64 bytes in base64url without padding")]
    Signature,
    /// It is too large in one way or another.
    #[error(transparent)]
    Limit(#[from] LimitBroken),
}

impl Unsigned {
    /// Signs with `key`, which should be one of the rotation keys in force.
    ///
    /// # Errors
    /// [`InvalidOperation::Limit`] if the state is larger than the method or
    /// the network's directory allows.
    pub fn sign(self, key: &SigningKey) -> Result<Operation, InvalidOperation> {
        let mut json = match self {
            Self::Operation { state, prev } => {
                limits::check_signed(&state)?;
                json!({
                    "type": OPERATION,
                    "rotationKeys": state.rotation_keys,
                    "verificationMethods": state.verification_methods,
                    "alsoKnownAs": state.also_known_as,
                    "services": state.services,
                    "prev": prev,
                })
            }
            Self::Tombstone { prev } => json!({ "type": TOMBSTONE, "prev": prev }),
        };
        let signature = key.sign(&cbor(&json));
        json["sig"] = Value::String(BASE64URL_NOPAD.encode(&signature));
        let operation = Operation::from_json(json)?;
        limits::check_incoming(&operation)?;
        Ok(operation)
    }
}

impl Operation {
    /// Reads an operation, as a log may hold it: nothing is verified, and the
    /// limits for new ones do not count.
    ///
    /// # Errors
    /// See [`InvalidOperation`].
    pub fn from_json(json: Value) -> Result<Self, InvalidOperation> {
        let Value::Object(json) = json else {
            return Err(InvalidOperation::NotAnObject);
        };
        let kind: String = field(&json, "type")?;
        let (state, prev, names): (_, _, &[&str]) = match kind.as_str() {
            OPERATION => {
                let names = &[
                    "type",
                    "prev",
                    "sig",
                    "rotationKeys",
                    "verificationMethods",
                    "alsoKnownAs",
                    "services",
                ];
                (Some(read_state(&json)?), field(&json, "prev")?, names)
            }
            TOMBSTONE => (None, Some(field(&json, "prev")?), &["type", "prev", "sig"]),
            LEGACY_CREATE => {
                let names =
                    &["type", "prev", "sig", "signingKey", "recoveryKey", "handle", "service"];
                (Some(read_legacy(&json)?), field(&json, "prev")?, names)
            }
            _ => return Err(InvalidOperation::Type),
        };
        let fields = match kind.as_str() {
            LEGACY_CREATE => Fields::Legacy,
            _ if has_only(&json, names) => Fields::Known,
            _ => Fields::Unknown,
        };
        let signature = read_signature(&field::<String>(&json, "sig")?)?;
        let cid = Cid::of_dag_cbor(&cbor(&json));
        Ok(Self { json, cid, signature, prev, state, fields })
    }

    /// Checks what a directory asks of an operation that is posted to it,
    /// before it looks at the log.
    ///
    /// # Errors
    /// See [`InvalidOperation`].
    pub fn check_incoming(&self) -> Result<(), InvalidOperation> {
        match self.fields {
            Fields::Known => Ok(limits::check_incoming(self)?),
            Fields::Unknown => Err(InvalidOperation::UnknownField),
            Fields::Legacy => Err(InvalidOperation::Legacy),
        }
    }

    /// Returns the operation as it travels.
    pub fn to_json(&self) -> Value {
        Value::Object(self.json.clone())
    }

    /// Returns its identifier, which the next operation names as `prev`.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns the operation that this one follows; `None` for a genesis.
    pub fn prev(&self) -> Option<Cid> {
        self.prev
    }

    /// Returns the DID that this operation creates; `None` unless it is a
    /// genesis.
    pub fn did(&self) -> Option<Did> {
        if self.prev.is_some() {
            return None;
        }
        let digest = Sha256::digest(self.signed_bytes());
        let identifier = BASE32_NOPAD.encode(&digest)[..IDENTIFIER_CHARS].to_ascii_lowercase();
        Did::new(format!("did:plc:{identifier}")).ok()
    }

    /// Returns the state that the operation sets; `None` for a tombstone.
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Returns the place of the first of `keys` that signed this operation,
    /// or nothing if none did.
    pub fn signer(&self, keys: &[DidKey]) -> Option<usize> {
        let mut unsigned = self.json.clone();
        unsigned.remove("sig");
        let bytes = cbor(&unsigned);
        keys.iter().position(|key| {
            key.public_key()
                .is_ok_and(|key| key.verify(&bytes, &self.signature, HighS::Refuse).is_ok())
        })
    }

    /// Returns the canonical bytes, `sig` included.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        cbor(&self.json)
    }
}

fn read_state(json: &Map<String, Value>) -> Result<State, InvalidOperation> {
    Ok(State {
        rotation_keys: field(json, "rotationKeys")?,
        verification_methods: field(json, "verificationMethods")?,
        also_known_as: field(json, "alsoKnownAs")?,
        services: field(json, "services")?,
    })
}

/// Says in today's form what a genesis of the old kind says.
fn read_legacy(json: &Map<String, Value>) -> Result<State, InvalidOperation> {
    let signing_key: DidKey = field(json, "signingKey")?;
    let recovery_key: DidKey = field(json, "recoveryKey")?;
    let handle: String = field(json, "handle")?;
    let service: String = field(json, "service")?;
    let bare = handle.replacen("http://", "", 1).replacen("https://", "", 1);
    let is_url = service.starts_with("http://") || service.starts_with("https://");
    let endpoint = if is_url { service } else { format!("https://{service}") };
    let kind = "AtprotoPersonalDataServer".to_owned();
    Ok(State {
        rotation_keys: vec![recovery_key, signing_key.clone()],
        verification_methods: [("atproto".to_owned(), signing_key)].into(),
        also_known_as: vec![match handle.starts_with("at://") {
            true => handle,
            false => format!("at://{bare}"),
        }],
        services: [("atproto_pds".to_owned(), Service { kind, endpoint })].into(),
    })
}

fn field<T: DeserializeOwned>(
    json: &Map<String, Value>,
    field: &'static str,
) -> Result<T, InvalidOperation> {
    let Some(value) = json.get(field) else {
        let reason = "it is missing".to_owned();
        return Err(InvalidOperation::Field { field, reason });
    };
    T::deserialize(value)
        .map_err(|error| InvalidOperation::Field { field, reason: error.to_string() })
}

/// Says whether the object has these fields and no other, and its services
/// theirs.
fn has_only(json: &Map<String, Value>, names: &[&str]) -> bool {
    let services = json.get("services").and_then(Value::as_object);
    json.keys().all(|name| names.contains(&name.as_str()))
        && services
            .into_iter()
            .flat_map(Map::values)
            .all(|service| service.as_object().is_some_and(|fields| fields.len() == 2))
}

/// Any other spelling of the same 64 bytes is refused: it would give the
/// operation a second name without breaking its signature.
fn read_signature(text: &str) -> Result<[u8; SIGNATURE_BYTES], InvalidOperation> {
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(InvalidOperation::Signature)
}

fn cbor(json: &impl serde::Serialize) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(json).expect("JSON in memory has a CBOR form")
}
