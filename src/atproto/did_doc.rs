//! DID documents: reading the ones of others, writing those of our network.
//!
//! A document is other people's JSON: what the protocol names is picked out
//! by its rules, the rest is kept but never looked at, and one broken entry
//! does not spoil the others. Where a document comes from, and whether its
//! handle points back, is for the resolver to know.
//!
//! Spec: <https://atproto.com/specs/did#did-documents>

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    crypto::{Curve, PublicKey},
    plc::{self, State},
    syntax::{Did, Handle},
};

const SIGNING_KEY: &str = "atproto";
const PDS: &str = "atproto_pds";
const PDS_KIND: &str = "AtprotoPersonalDataServer";

/// A DID document, read by the protocol's rules.
#[derive(Clone, Debug)]
pub struct DidDocument {
    did: Did,
    handle: Option<Handle>,
    keys: Vec<(String, PublicKey)>,
    services: Vec<Service>,
    json: Value,
}

/// One service that a document names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The part of its id after `#`.
    pub id: String,
    /// What it does, such as `AtprotoPersonalDataServer`.
    pub kind: String,
    /// Where it is; any text that stood there.
    pub endpoint: String,
    origin: Option<String>,
}

/// A text is not the document of the DID that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    /// Not a JSON object.
    #[error("the DID document is not a JSON object")]
    NotAnObject,
    /// Another DID's document.
    #[error("the DID document has no id, or that of another DID")]
    OtherDid,
}

#[derive(Deserialize)]
struct MethodJson {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    controller: String,
    #[serde(rename = "publicKeyMultibase")]
    multibase: String,
}

#[derive(Deserialize)]
struct ServiceJson {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "serviceEndpoint")]
    endpoint: String,
}

impl DidDocument {
    /// Reads the document that was found for `did`.
    ///
    /// # Errors
    /// See [`InvalidDocument`]; everything else that is wrong in a document
    /// only means that it does not name that thing.
    pub fn parse(text: &str, did: &Did) -> Result<Self, InvalidDocument> {
        let json = serde_json::from_str(text).map_err(|_| InvalidDocument::NotAnObject)?;
        Self::from_json(json, did)
    }

    /// Reads a document that is JSON already; see [`DidDocument::parse`].
    ///
    /// # Errors
    /// See [`InvalidDocument`].
    pub fn from_json(json: Value, did: &Did) -> Result<Self, InvalidDocument> {
        if !json.is_object() {
            return Err(InvalidDocument::NotAnObject);
        }
        if json["id"].as_str() != Some(did.as_str()) {
            return Err(InvalidDocument::OtherDid);
        }
        let handle =
            entries(&json, "alsoKnownAs").find_map(|alias| plc::handle_of_alias(alias.as_str()?));
        let keys = entries(&json, "verificationMethod")
            .filter_map(|entry| read_key(entry, did))
            .collect();
        let services = entries(&json, "service")
            .filter_map(|entry| read_service(entry, did))
            .collect();
        let did = did.clone();
        Ok(Self {
            did,
            handle,
            keys,
            services,
            json,
        })
    }

    /// Renders the document of a `did:plc` as directories do: absolute ids
    /// for keys, relative ones for services.
    pub fn for_plc_state(did: &Did, state: &State) -> Self {
        let mut context = vec![
            "https://www.w3.org/ns/did/v1",
            "https://w3id.org/security/multikey/v1",
        ];
        let mut methods = Vec::with_capacity(state.verification_methods.len());
        for (name, key) in &state.verification_methods {
            match key.public_key().map(|key| suite(key.curve())) {
                Ok(suite) if !context.contains(&suite) => context.push(suite),
                _ => {}
            }
            methods.push(json!({
                "id": format!("{}#{name}", did.as_str()),
                "type": "Multikey",
                "controller": did.as_str(),
                "publicKeyMultibase": key.multibase(),
            }));
        }
        let service = |(name, service): (&String, &plc::Service)| {
            json!({
                "id": format!("#{name}"),
                "type": service.kind,
                "serviceEndpoint": service.endpoint,
            })
        };
        let json = json!({
            "@context": context,
            "id": did.as_str(),
            "alsoKnownAs": state.also_known_as,
            "verificationMethod": methods,
            "service": state.services.iter().map(service).collect::<Vec<_>>(),
        });
        Self::rendered(json, did)
    }

    /// Renders the `did:web` document of a server that is reached at
    /// `origin`. It names no key: the server signs nothing in its own name.
    pub fn for_server(did: &Did, origin: &str) -> Self {
        let json = json!({
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": did.as_str(),
            "service": [{
                "id": format!("#{PDS}"),
                "type": PDS_KIND,
                "serviceEndpoint": origin,
            }],
        });
        Self::rendered(json, did)
    }

    /// Returns the DID.
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// Returns the handle that the document claims: the first `at://` alias
    /// that is a valid handle, in lower case. It is the account's only if it
    /// resolves back.
    // spec: did#did-documents
    pub fn handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }

    /// Returns the key that signs the repository (`#atproto`).
    pub fn signing_key(&self) -> Option<&PublicKey> {
        self.key(SIGNING_KEY)
    }

    /// Returns the key of this name (its id after `#`), the first if there
    /// are several.
    pub fn key(&self, name: &str) -> Option<&PublicKey> {
        self.keys
            .iter()
            .find(|(id, _)| id == name)
            .map(|(_, key)| key)
    }

    /// Returns the origin of the account's PDS, without a slash at the end.
    pub fn pds_endpoint(&self) -> Option<&str> {
        let pds = self
            .service(PDS)
            .filter(|service| service.kind == PDS_KIND)?;
        pds.origin()
    }

    /// Returns the service of this name (its id after `#`), the first if
    /// there are several.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.id == name)
    }

    /// Returns the document as it was read or rendered.
    pub fn to_json(&self) -> &Value {
        &self.json
    }

    fn rendered(json: Value, did: &Did) -> Self {
        Self::from_json(json, did).expect("a rendered document is an object with this id")
    }
}

impl Service {
    /// Returns the origin (scheme, host, port) of the endpoint if it is one of
    /// http or https and nothing more, without a slash at the end.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }
}

fn entries<'j>(json: &'j Value, field: &str) -> impl Iterator<Item = &'j Value> {
    json[field].as_array().into_iter().flatten()
}

fn read_key(entry: &Value, did: &Did) -> Option<(String, PublicKey)> {
    let method = MethodJson::deserialize(entry).ok()?;
    if method.controller != did.as_str() {
        return None;
    }
    let key = match method.kind.as_str() {
        "Multikey" => PublicKey::from_multibase(&method.multibase),
        "EcdsaSecp256r1VerificationKey2019" => {
            PublicKey::from_legacy_multibase(Curve::P256, &method.multibase)
        }
        "EcdsaSecp256k1VerificationKey2019" => {
            PublicKey::from_legacy_multibase(Curve::K256, &method.multibase)
        }
        _ => return None,
    };
    Some((name(&method.id, did)?, key.ok()?))
}

fn read_service(entry: &Value, did: &Did) -> Option<Service> {
    let service = ServiceJson::deserialize(entry).ok()?;
    Some(Service {
        id: name(&service.id, did)?,
        kind: service.kind,
        origin: origin(&service.endpoint),
        endpoint: service.endpoint,
    })
}

/// Ids are written `#name` or `did:...#name`; of another DID they are not ours.
fn name(id: &str, did: &Did) -> Option<String> {
    let (before, name) = id.split_once('#')?;
    (before.is_empty() || before == did.as_str()).then(|| name.to_owned())
}

fn origin(endpoint: &str) -> Option<String> {
    let url = url::Url::parse(endpoint).ok()?;
    let bare = url.username().is_empty() && url.password().is_none();
    let whole = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    (web && bare && whole).then(|| url.origin().ascii_serialization())
}

/// The context that directories name for a key of this curve.
fn suite(curve: Curve) -> &'static str {
    match curve {
        Curve::K256 => "https://w3id.org/security/suites/secp256k1-2019/v1",
        Curve::P256 => "https://w3id.org/security/suites/ecdsa-2019/v1",
    }
}
