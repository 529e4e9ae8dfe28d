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
        let keys =
            entries(&json, "verificationMethod").filter_map(|entry| read_key(entry, did)).collect();
        let services =
            entries(&json, "service").filter_map(|entry| read_service(entry, did)).collect();
        let did = did.clone();
        Ok(Self { did, handle, keys, services, json })
    }

    /// Renders the document of a `did:plc` as directories do: absolute ids
    /// for keys, relative ones for services.
    pub fn for_plc_state(did: &Did, state: &State) -> Self {
        let mut context =
            vec!["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"];
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
        self.keys.iter().find(|(id, _)| id == name).map(|(_, key)| key)
    }

    /// Returns the origin of the account's PDS, without a slash at the end.
    pub fn pds_endpoint(&self) -> Option<&str> {
        let pds = self.service(PDS).filter(|service| service.kind == PDS_KIND)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atproto::crypto::SigningKey;

    const DID: &str = "did:plc:44ybard66vv44zksje25o7dz";

    fn did() -> Did {
        Did::new(DID.to_owned()).expect("a DID")
    }

    fn key(number: u8) -> PublicKey {
        let secret = [number; 32];
        let key = SigningKey::from_secret(Curve::K256, &secret).expect("a secret");
        key.public().clone()
    }

    fn method(id: &str, number: u8) -> Value {
        json!({
            "id": id,
            "type": "Multikey",
            "controller": DID,
            "publicKeyMultibase": key(number).multibase(),
        })
    }

    fn pds(id: &str, endpoint: &str) -> Value {
        json!({ "id": id, "type": PDS_KIND, "serviceEndpoint": endpoint })
    }

    fn document(field: &str, entries: Value) -> DidDocument {
        let json = json!({ "id": DID, field: entries });
        DidDocument::parse(&json.to_string(), &did()).expect("a document")
    }

    #[test]
    fn the_handle_is_the_first_alias_that_is_one() {
        for (aliases, handle) in [
            (json!(["at://alice.test", "at://bob.test"]), Some("alice.test")),
            (json!(["https://x.test", "at://Alice.Test"]), Some("alice.test")),
            (json!([7, "at://no handle", "at://a", "at://bob.test"]), Some("bob.test")),
            (json!(["at://alice.test/path"]), None),
            (json!("at://alice.test"), None),
            (json!([]), None),
        ] {
            let read = document("alsoKnownAs", aliases.clone());
            assert_eq!(read.handle().map(|handle| handle.as_str()), handle, "{aliases}");
        }
    }

    #[test]
    fn the_signing_key_is_the_first_of_its_name() {
        let absolute = format!("{DID}#atproto");
        for (methods, expected) in [
            (json!([method("#atproto", 1), method("#atproto", 2)]), Some(1)),
            (json!([method(&absolute, 1)]), Some(1)),
            (json!([method("did:web:other.test#atproto", 1), method("#atproto", 2)]), Some(2)),
            (json!([method("#atproto_label", 1)]), None),
            (json!([method("atproto", 1)]), None),
            (json!([{ "id": "#atproto" }, "#atproto", method("#atproto", 2)]), Some(2)),
            (json!([]), None),
        ] {
            let read = document("verificationMethod", methods.clone());
            assert_eq!(read.signing_key().cloned(), expected.map(key), "{methods}");
        }
    }

    #[test]
    fn a_key_of_somebody_else_or_of_another_type_is_none() {
        for (field, value) in [
            ("controller", "did:web:other.test"),
            ("type", "JsonWebKey2020"),
            ("type", "EcdsaSecp256k1VerificationKey2019"),
            ("publicKeyMultibase", "zQ3sh"),
        ] {
            let mut method = method("#atproto", 1);
            method[field] = json!(value);
            let read = document("verificationMethod", json!([method]));
            assert_eq!(read.signing_key(), None, "{field} {value}");
        }
    }

    #[test]
    fn keys_of_the_two_older_types_are_read() {
        // From the protocol's signature fixtures.
        for (kind, multibase, did_key) in [
            (
                "EcdsaSecp256r1VerificationKey2019",
                "zxdM8dSstjrpZaRUwBmDvjGXweKuEMVN95A9oJBFjkWMh",
                "did:key:zDnaembgSGUhZULN2Caob4HLJPaxBh92N7rtH21TErzqf8HQo",
            ),
            (
                "EcdsaSecp256k1VerificationKey2019",
                "z25z9DTpsiYYJKGsWmSPJK2NFN8PcJtZig12K59UgW7q5t",
                "did:key:zQ3shqwJEJyMBsBXCWyCBpUBMqxcon9oHB7mCvx4sSpMdLJwc",
            ),
        ] {
            let mut method = method("#atproto", 1);
            method["type"] = json!(kind);
            method["publicKeyMultibase"] = json!(multibase);
            let read = document("verificationMethod", json!([method]));
            assert_eq!(read.signing_key().map(ToString::to_string).as_deref(), Some(did_key));
        }
    }

    #[test]
    fn the_pds_is_an_origin_and_nothing_more() {
        for (endpoint, origin) in [
            ("https://pds.example.com", Some("https://pds.example.com")),
            ("https://pds.example.com/", Some("https://pds.example.com")),
            ("https://pds.example.com:443", Some("https://pds.example.com")),
            ("http://localhost:2583", Some("http://localhost:2583")),
            ("https://pds.example.com/path", None),
            ("https://pds.example.com?query", None),
            ("https://pds.example.com#part", None),
            ("https://user@pds.example.com", None),
            ("https://user:word@pds.example.com", None),
            ("ftp://pds.example.com", None),
            ("pds.example.com", None),
            ("", None),
        ] {
            let read = document("service", json!([pds("#atproto_pds", endpoint)]));
            assert_eq!(read.pds_endpoint(), origin, "{endpoint}");
        }
        let mut other = pds("#atproto_pds", "https://pds.example.com");
        other["type"] = json!("Other");
        assert_eq!(document("service", json!([other])).pds_endpoint(), None);
    }

    #[test]
    fn services_are_found_by_either_form_of_their_id() {
        let entry = |id: &str| json!({ "id": id, "type": "BskyAppView", "serviceEndpoint": "https://api.test/x" });
        for id in ["#bsky_appview", &format!("{DID}#bsky_appview")] {
            let read = document("service", json!([{ "serviceEndpoint": {} }, entry(id)]));
            let service = read.service("bsky_appview").expect("a service");
            assert_eq!(service.kind, "BskyAppView");
            assert_eq!(service.endpoint, "https://api.test/x");
            assert_eq!(service.origin(), None);
        }
    }

    #[test]
    fn a_document_is_an_object_of_the_did_that_was_asked_for() {
        let read = |text: &str| DidDocument::parse(text, &did()).map(|_| ());
        for text in ["", "[]", "null", "\"x\"", "{"] {
            assert_eq!(read(text), Err(InvalidDocument::NotAnObject), "{text}");
        }
        for text in ["{}", r#"{"id":7}"#, r#"{"id":"did:plc:other"}"#] {
            assert_eq!(read(text), Err(InvalidDocument::OtherDid), "{text}");
        }
    }

    #[test]
    fn a_rendered_plc_document_has_the_directorys_form() {
        let handle = Handle::new("alice.test".to_owned()).expect("a handle");
        let signing_key = key(1).did_key();
        let mut state = State::of_account(
            vec![key(2).did_key()],
            signing_key,
            &handle,
            "https://pds.example.com",
        );
        let ed25519 = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
        state.verification_methods.insert("other".to_owned(), ed25519.parse().expect("a key"));
        let rendered = DidDocument::for_plc_state(&did(), &state);
        let expected = json!({
            "@context": [
                "https://www.w3.org/ns/did/v1",
                "https://w3id.org/security/multikey/v1",
                "https://w3id.org/security/suites/secp256k1-2019/v1",
            ],
            "id": DID,
            "alsoKnownAs": ["at://alice.test"],
            "verificationMethod": [
                {
                    "id": format!("{DID}#atproto"),
                    "type": "Multikey",
                    "controller": DID,
                    "publicKeyMultibase": key(1).multibase(),
                },
                {
                    "id": format!("{DID}#other"),
                    "type": "Multikey",
                    "controller": DID,
                    "publicKeyMultibase": &ed25519[8..],
                },
            ],
            "service": [{
                "id": "#atproto_pds",
                "type": "AtprotoPersonalDataServer",
                "serviceEndpoint": "https://pds.example.com",
            }],
        });
        assert_eq!(*rendered.to_json(), expected);
        assert_eq!(rendered.handle(), Some(&handle));
        assert_eq!(rendered.signing_key(), Some(&key(1)));
        assert_eq!(rendered.pds_endpoint(), Some("https://pds.example.com"));
    }

    #[test]
    fn a_server_names_itself() {
        let did = Did::new("did:web:pds.example.com".to_owned()).expect("a DID");
        let rendered = DidDocument::for_server(&did, "https://pds.example.com");
        assert_eq!(rendered.pds_endpoint(), Some("https://pds.example.com"));
        assert_eq!(rendered.to_json()["id"], "did:web:pds.example.com");
    }
}
