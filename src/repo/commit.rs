//! Signed commits: the root of a repository at one moment.
//!
//! A commit binds a DID, a tree root and a `rev`; `rev` only grows. This
//! module signs, writes, reads and checks commits; it never asks the time (the
//! rev is given) and never touches storage.
//!
//! The tricky bits: `prev` is always present and null in what we write; the
//! signature is over the encoding without `sig`, the CID over the one with it.
//!
//! Spec: <https://atproto.com/specs/repository#commit-objects>

use bytes::Bytes;
use ipld_core::cid::Cid as AnyCid;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::atproto::{
    Cid,
    crypto::{BadSignature, HighS, PublicKey, SIGNATURE_BYTES, SigningKey},
    syntax::{Did, Tid},
};

/// The version of commits that the protocol uses.
const VERSION: u64 = 3;

/// What a commit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedCommit {
    /// Whose repository.
    pub did: Did,
    /// The root of its tree.
    pub data: Cid,
    /// The revision, greater than any before it.
    pub rev: Tid,
    /// The commit before; old repositories name it, new commits never do.
    pub prev: Option<Cid>,
}

/// A signed commit and its encoding, which is never made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    content: UnsignedCommit,
    sig: Vec<u8>,
    bytes: Bytes,
    cid: Cid,
}

/// Bytes are not a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Not a map of the commit's fields.
    #[error("not a commit: {0}")]
    Malformed(String),
    /// A commit, but not encoded canonically, or with fields that nobody knows.
    #[error("not the canonical encoding of a commit")]
    NotCanonical,
    /// A commit of another version.
    #[error("a commit of version {0}, not {VERSION}")]
    Version(u64),
    /// A field has a value that it cannot have.
    #[error("a commit whose {0} is not valid")]
    Field(&'static str),
}

/// The fields as they are encoded; the encoder puts them in canonical order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    did: String,
    rev: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<ByteBuf>,
    data: AnyCid,
    prev: Option<AnyCid>,
    version: u64,
}

impl UnsignedCommit {
    /// Says that the repository of `did` has the tree `data` at `rev`.
    pub fn new(did: Did, data: Cid, rev: Tid) -> Self {
        Self { did, data, rev, prev: None }
    }

    /// Signs the commit.
    pub fn sign(self, key: &SigningKey) -> Commit {
        let sig = key.sign(&self.signed_bytes()).to_vec();
        let bytes = self.encode(Some(&sig));
        Commit { cid: Cid::of_dag_cbor(&bytes), content: self, sig, bytes: bytes.into() }
    }

    /// The bytes that the signature is over.
    fn signed_bytes(&self) -> Vec<u8> {
        self.encode(None)
    }

    // spec: repository#commit-objects
    fn encode(&self, sig: Option<&[u8]>) -> Vec<u8> {
        let wire = Wire {
            did: self.did.as_str().to_owned(),
            rev: self.rev.as_str().to_owned(),
            sig: sig.map(|sig| ByteBuf::from(sig.to_vec())),
            data: any_cid(&self.data),
            prev: self.prev.as_ref().map(any_cid),
            version: VERSION,
        };
        serde_ipld_dagcbor::to_vec(&wire).expect("strings, links and numbers always encode")
    }
}

impl Commit {
    /// Reads a commit, which must be in its one encoding.
    ///
    /// The signature is not checked here: [`Commit::verify`] does that.
    ///
    /// # Errors
    /// [`CommitError`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommitError> {
        let wire: Wire = serde_ipld_dagcbor::from_slice(bytes)
            .map_err(|error| CommitError::Malformed(error.to_string()))?;
        if wire.version != VERSION {
            return Err(CommitError::Version(wire.version));
        }
        let sig = wire.sig.ok_or(CommitError::Field("sig"))?.into_vec();
        if sig.len() != SIGNATURE_BYTES {
            return Err(CommitError::Field("sig"));
        }
        let content = UnsignedCommit {
            did: Did::new(wire.did).map_err(|_| CommitError::Field("did"))?,
            data: blessed(&wire.data).ok_or(CommitError::Field("data"))?,
            rev: Tid::new(wire.rev).map_err(|_| CommitError::Field("rev"))?,
            prev: match wire.prev {
                Some(prev) => Some(blessed(&prev).ok_or(CommitError::Field("prev"))?),
                None => None,
            },
        };
        if content.encode(Some(&sig)) != bytes {
            return Err(CommitError::NotCanonical);
        }
        Ok(Self {
            content,
            sig,
            bytes: Bytes::copy_from_slice(bytes),
            cid: Cid::of_dag_cbor(bytes),
        })
    }

    /// Checks that `key` signed this commit.
    ///
    /// # Errors
    /// [`BadSignature`] if not, or if the signature has the higher `s`.
    pub fn verify(&self, key: &PublicKey) -> Result<(), BadSignature> {
        key.verify(&self.content.signed_bytes(), &self.sig, HighS::Refuse)
    }

    /// Returns the encoding.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the commit's name.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns whose repository it is.
    pub fn did(&self) -> &Did {
        &self.content.did
    }

    /// Returns the root of the tree.
    pub fn data(&self) -> Cid {
        self.content.data
    }

    /// Returns the revision.
    pub fn rev(&self) -> &Tid {
        &self.content.rev
    }
}

fn any_cid(cid: &Cid) -> AnyCid {
    AnyCid::try_from(cid.as_bytes().as_slice()).expect("a Cid is a CID of version 1")
}

fn blessed(cid: &AnyCid) -> Option<Cid> {
    Cid::from_bytes(&cid.to_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        atproto::{
            crypto::Curve,
            data::{Map, Value},
        },
        repo::Tree,
    };

    fn key(curve: Curve) -> SigningKey {
        SigningKey::from_secret(curve, &[7; 32]).expect("a valid secret")
    }

    fn unsigned() -> UnsignedCommit {
        let did = Did::new("did:plc:ewvi7nxzyoun6zhxrhs64oiz".to_owned()).expect("valid");
        let rev = Tid::new("3l4qf2k5xlk22".to_owned()).expect("valid");
        UnsignedCommit::new(did, Tree::empty().root(), rev)
    }

    /// Encodes a commit with one field replaced or, without a value, left out.
    fn with(field: &str, value: Option<Value>) -> Vec<u8> {
        let commit = unsigned().sign(&key(Curve::K256));
        let mut map = Value::decode(commit.bytes()).expect("canonical");
        let map: &mut Map = map.as_map_mut().expect("a map");
        match value {
            Some(value) => map.insert(field, value),
            None => map.remove(field),
        };
        Value::Map(map.clone()).encode()
    }

    #[test]
    fn both_curves_sign_and_verify() {
        for curve in [Curve::K256, Curve::P256] {
            let commit = unsigned().sign(&key(curve));
            let read = Commit::decode(commit.bytes()).expect("our own encoding");
            assert_eq!(read, commit);
            assert_eq!(read.cid(), Cid::of_dag_cbor(commit.bytes()));
            assert_eq!(read.verify(key(curve).public()), Ok(()));
            let stranger = SigningKey::from_secret(curve, &[8; 32]).expect("valid");
            assert_eq!(read.verify(stranger.public()), Err(BadSignature));
        }
    }

    #[test]
    fn the_fields_stand_in_the_one_order_with_prev_null() {
        let commit = unsigned().sign(&key(Curve::K256));
        let value = Value::decode(commit.bytes()).expect("canonical");
        let map = value.as_map().expect("a map");
        let keys: Vec<&str> = map.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["did", "rev", "sig", "data", "prev", "version"]);
        assert_eq!(map.get("prev"), Some(&Value::Null));
        assert_eq!(map.get("version"), Some(&Value::Int(3)));
    }

    #[test]
    fn a_changed_commit_does_not_verify() {
        let bytes = with("rev", Some(Value::from("3l4qf2k5xlk23")));
        let commit = Commit::decode(&bytes).expect("well formed");
        assert_eq!(commit.verify(key(Curve::K256).public()), Err(BadSignature));
    }

    #[test]
    fn what_is_no_commit_is_refused() {
        for (field, value) in [
            ("did", Some(Value::from("nobody"))),
            ("did", None),
            ("rev", Some(Value::from("now"))),
            ("rev", None),
            ("data", Some(Value::Null)),
            ("data", None),
            ("prev", None),
            ("prev", Some(Value::from(1))),
            ("sig", Some(Value::Bytes(vec![0; 63]))),
            ("sig", None),
            ("version", Some(Value::from(2))),
            ("version", None),
            ("extra", Some(Value::Null)),
        ] {
            let bytes = with(field, value.clone());
            assert!(Commit::decode(&bytes).is_err(), "{field} = {value:?}");
        }
        assert_eq!(
            Commit::decode(&with("version", Some(Value::from(2)))),
            Err(CommitError::Version(2))
        );
        assert_eq!(Commit::decode(&with("prev", None)), Err(CommitError::NotCanonical));
        let mut longer = unsigned().sign(&key(Curve::K256)).bytes().to_vec();
        longer.push(0);
        assert!(Commit::decode(&longer).is_err());
    }
}
