//! Keys and signatures against the protocol's vectors and those of RFC 6979.

use data_encoding::{BASE64_NOPAD, HEXLOWER};
use serde_json::Value;

use super::{base58, *};

const VECTORS: &str = include_str!("../../../tests/vectors/crypto.json");

fn secret(hex: &str) -> [u8; SECRET_BYTES] {
    let bytes = HEXLOWER.decode(hex.to_ascii_lowercase().as_bytes());
    bytes.expect("hex").try_into().expect("32 bytes")
}

fn key(curve: Curve, hex: &str) -> SigningKey {
    SigningKey::from_secret(curve, &secret(hex)).expect("a secret")
}

/// The same table under the names of the protocol's own files, when a run
/// says where those are.
fn interop(file: &str) -> Option<Value> {
    let folder = std::env::var_os("FREEHOLD_INTEROP_DIR")?;
    let path = std::path::Path::new(&folder).join("crypto").join(file);
    let text = std::fs::read_to_string(&path).expect("the folder has this file");
    Some(serde_json::from_str(&text).expect("JSON"))
}

struct SignatureFact<'v> {
    message: &'v str,
    did_key: &'v str,
    legacy_type: &'v str,
    legacy_multibase: &'v str,
    signature: &'v str,
    valid: bool,
    high_s: bool,
}

fn check_signature(fact: &SignatureFact<'_>) {
    let message = BASE64_NOPAD.decode(fact.message.as_bytes()).expect("base64");
    let signature = BASE64_NOPAD.decode(fact.signature.as_bytes()).expect("base64");
    let key = PublicKey::from_did_key(fact.did_key).expect("a key");
    assert_eq!(key.did_key().as_str(), fact.did_key);
    let curve = match fact.legacy_type {
        "EcdsaSecp256r1VerificationKey2019" => Curve::P256,
        _ => Curve::K256,
    };
    let legacy = PublicKey::from_legacy_multibase(curve, fact.legacy_multibase);
    assert_eq!(legacy.as_ref(), Ok(&key));
    let strict = key.verify(&message, &signature, HighS::Refuse);
    assert_eq!(strict.is_ok(), fact.valid, "{}", fact.signature);
    let lenient = key.verify(&message, &signature, HighS::Accept);
    assert_eq!(lenient.is_ok(), fact.valid || fact.high_s, "{}", fact.signature);
}

fn check_key(curve: Curve, secret: &[u8], did_key: &str) {
    let secret: &[u8; SECRET_BYTES] = secret.try_into().expect("32 bytes");
    let key = SigningKey::from_secret(curve, secret).expect("a secret");
    assert_eq!(key.public().to_string(), did_key);
    assert_eq!(PublicKey::from_did_key(did_key).as_ref(), Ok(key.public()));
    assert_eq!(*key.to_secret(), *secret);
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().expect("a text")
}

#[test]
fn signatures_of_the_carried_table_are_judged_rightly() {
    let table: Value = serde_json::from_str(VECTORS).expect("JSON");
    let facts = table["signatures"].as_array().expect("a list");
    assert_eq!(facts.len(), 6);
    for fact in facts {
        check_signature(&SignatureFact {
            message: text(fact, "message_base64"),
            did_key: text(fact, "did_key"),
            legacy_type: text(fact, "legacy_type"),
            legacy_multibase: text(fact, "legacy_multibase"),
            signature: text(fact, "signature_base64"),
            valid: fact["valid"] == true,
            high_s: fact["why_not"] == "high-s",
        });
    }
}

#[test]
fn keys_of_the_carried_table_are_written_rightly() {
    let table: Value = serde_json::from_str(VECTORS).expect("JSON");
    let pair = |pair: &Value| (text_at(pair, 0).to_owned(), text_at(pair, 1).to_owned());
    fn text_at(pair: &Value, place: usize) -> &str {
        pair[place].as_str().expect("a text")
    }
    for (hex, did_key) in table["k256_keys"].as_array().expect("a list").iter().map(pair) {
        check_key(Curve::K256, &secret(&hex), &did_key);
    }
    for (base58, did_key) in table["p256_keys_base58"].as_array().expect("a list").iter().map(pair)
    {
        check_key(Curve::P256, &base58::decode(&base58).expect("base58"), &did_key);
    }
}

#[test]
fn the_protocols_own_files_agree_where_a_run_names_them() {
    let Some(signatures) = interop("signature-fixtures.json") else {
        return;
    };
    for fact in signatures.as_array().expect("a list") {
        check_signature(&SignatureFact {
            message: text(fact, "messageBase64"),
            did_key: text(fact, "publicKeyDid"),
            legacy_type: text(fact, "didDocSuite"),
            legacy_multibase: text(fact, "publicKeyMultibase"),
            signature: text(fact, "signatureBase64"),
            valid: fact["validSignature"] == true,
            high_s: fact["tags"][0] == "high-s",
        });
    }
    for fact in interop("w3c_didkey_K256.json").iter().flat_map(|f| f.as_array()).flatten() {
        let secret = secret(text(fact, "privateKeyBytesHex"));
        check_key(Curve::K256, &secret, text(fact, "publicDidKey"));
    }
    for fact in interop("w3c_didkey_P256.json").iter().flat_map(|f| f.as_array()).flatten() {
        let secret = base58::decode(text(fact, "privateKeyBytesBase58")).expect("base58");
        check_key(Curve::P256, &secret, text(fact, "publicDidKey"));
    }
}

#[test]
fn signatures_are_deterministic_and_low() {
    // RFC 6979, A.2.5, with the lower s; and the vector that Bitcoin's
    // libraries share for secp256k1.
    for (curve, secret, message, signature) in [
        (
            Curve::P256,
            "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
            "sample",
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
             0834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9",
        ),
        (
            Curve::K256,
            "0000000000000000000000000000000000000000000000000000000000000001",
            "Satoshi Nakamoto",
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8\
             2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
        ),
    ] {
        let key = key(curve, secret);
        assert_eq!(HEXLOWER.encode(&key.sign(message.as_bytes())), signature);
    }
}

#[test]
fn every_signature_is_accepted_by_the_strict_check() {
    for curve in [Curve::K256, Curve::P256] {
        let key = key(curve, &"42".repeat(32));
        for number in 0..64u8 {
            let signature = key.sign(&[number]);
            assert_eq!(key.public().verify(&[number], &signature, HighS::Refuse), Ok(()));
            let other = key.public().verify(&[number, 0], &signature, HighS::Accept);
            assert_eq!(other, Err(BadSignature));
        }
    }
}

#[test]
fn a_signature_of_another_key_or_length_is_refused() {
    for curve in [Curve::K256, Curve::P256] {
        let (mine, other) = (key(curve, &"42".repeat(32)), key(curve, &"43".repeat(32)));
        let signature = mine.sign(b"bytes");
        for bad in [&signature[..63], &[&signature[..], &[0]].concat(), &[0; 64], &[0xff; 64], &[]]
        {
            let verdict = mine.public().verify(b"bytes", bad, HighS::Accept);
            assert_eq!(verdict, Err(BadSignature), "{bad:?}");
        }
        let verdict = other.public().verify(b"bytes", &signature, HighS::Accept);
        assert_eq!(verdict, Err(BadSignature));
    }
}

#[test]
fn the_lower_s_ends_at_half_of_the_order() {
    // The halves themselves and their successors: only the form is judged
    // here, such a signature matches nothing.
    let key = key(Curve::P256, &"42".repeat(32));
    let mut signature = key.sign(b"bytes");
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let s: Vec<u8> = negated(&secret(order), &signature[32..]);
    signature[32..].copy_from_slice(&s);
    assert_eq!(key.public().verify(b"bytes", &signature, HighS::Refuse), Err(BadSignature));
    assert_eq!(key.public().verify(b"bytes", &signature, HighS::Accept), Ok(()));
}

/// Returns `order - s`, both as bytes with the highest first.
fn negated(order: &[u8; 32], s: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut result = vec![0; 32];
    for place in (0..32).rev() {
        let digit = i16::from(order[place]) - i16::from(s[place]) - borrow;
        borrow = i16::from(digit < 0);
        result[place] = digit.rem_euclid(256) as u8;
    }
    result
}

#[test]
fn zero_and_numbers_not_below_the_order_are_no_secrets() {
    for curve in [Curve::K256, Curve::P256] {
        for secret in [[0; 32], [0xff; 32]] {
            assert_eq!(SigningKey::from_secret(curve, &secret).err(), Some(InvalidSecret));
        }
    }
}

#[test]
fn texts_that_are_no_keys_are_refused() {
    let k256 = key(Curve::K256, &"42".repeat(32));
    let multibase = k256.public().multibase();
    let bytes = base58::decode(&multibase[1..]).expect("base58");
    let with = |bytes: &[u8]| format!("did:key:z{}", base58::encode(bytes));
    let ed25519 = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    for (text, why) in [
        (String::new(), InvalidKey::Syntax),
        (multibase.clone(), InvalidKey::Syntax),
        (format!("did:key:{}", &multibase[1..]), InvalidKey::Syntax),
        (format!("did:key:z0{}", &multibase[2..]), InvalidKey::Syntax),
        (ed25519.to_owned(), InvalidKey::Kind),
        (with(&[]), InvalidKey::Kind),
        (with(&bytes[..34]), InvalidKey::Point),
        (with(&[&bytes[..], &[0]].concat()), InvalidKey::Point),
        // The compact form that drops the sign, and a point off the curve.
        (with(&[&bytes[..2], &[5], &bytes[3..]].concat()), InvalidKey::Point),
        (with(&[&bytes[..2], &[2], &[0xff; 32]].concat()), InvalidKey::Point),
        // A point of one curve under the name of the other is not on it, or
        // is another key; this one is not on it.
        (with(&[&[0x80, 0x24, 2][..], &[0; 31], &[1]].concat()), InvalidKey::Point),
    ] {
        assert_eq!(PublicKey::from_did_key(&text), Err(why), "{text}");
    }
    assert!(ed25519.parse::<DidKey>().is_ok(), "a text of any kind of key");
}

#[test]
fn uncompressed_legacy_keys_are_read() {
    for curve in [Curve::K256, Curve::P256] {
        let key = key(curve, &"42".repeat(32));
        let secret = key.to_secret();
        let point: Vec<u8> = match curve {
            Curve::K256 => k256::ecdsa::SigningKey::from_slice(&*secret)
                .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
            Curve::P256 => p256::ecdsa::SigningKey::from_slice(&*secret)
                .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
        }
        .expect("a secret");
        let multibase = format!("z{}", base58::encode(&point));
        let read = PublicKey::from_legacy_multibase(curve, &multibase);
        assert_eq!(read.as_ref(), Ok(key.public()));
    }
}

#[test]
fn a_secret_is_never_printed() {
    let key = key(Curve::K256, &"42".repeat(32));
    let printed = format!("{key:?}");
    assert_eq!(printed, format!("SigningKey({})", key.public()));
}

/// The figures follow from the multicodec table: 0x1301 and 0x1306, then 32 bytes.
#[test]
fn a_secret_is_written_as_tools_read_it() {
    let ones = "01".repeat(SECRET_BYTES);
    let check = |curve, expected: &str| {
        assert_eq!(key(curve, &ones).to_multibase().as_str(), expected);
    };
    check(Curve::K256, "z3vLU4oxmMuk5hntHbupuqenVWfFEwiUniigZDvuqdPViY4G");
    check(Curve::P256, "z42thxEN747cJ7eWPAEVgStE83Lq75QAM75hcQu9Yhyvjm7N");
}
