//! The model against the protocol's vectors, another codec, and hostile input.

use std::collections::BTreeMap;

use data_encoding::{BASE64_NOPAD, HEXLOWER};
use ipld_core::ipld::Ipld;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::atproto::{Cid, interop};

const BLOB: &str = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity";

fn check_fixture(fixture: &serde_json::Value) {
    let text = fixture["json"].to_string();
    let value = from_json(&text).expect("a fixture is valid");
    let cbor = value.encode();
    let expected = fixture["cbor_base64"].as_str();
    assert_eq!(Some(BASE64_NOPAD.encode(&cbor).as_str()), expected);
    let cid = fixture["cid"].as_str();
    assert_eq!(Some(Cid::of_dag_cbor(&cbor).to_string().as_str()), cid);

    assert_eq!(Value::decode(&cbor).as_ref(), Ok(&value));
    assert_eq!(value.to_json(), fixture["json"]);
    let mut text = String::new();
    cbor_to_json(&cbor, &mut text).expect("what was encoded");
    assert_eq!(from_json(&text), Ok(value));
}

fn check_vectors(fixtures: &serde_json::Value, valid: &serde_json::Value, bad: &serde_json::Value) {
    let list = |json: &serde_json::Value| json.as_array().cloned().expect("a list");
    list(fixtures).iter().for_each(check_fixture);
    for case in list(valid) {
        let value = from_json_value(&case["json"]);
        assert!(value.is_ok(), "{case}: {value:?}");
        assert_eq!(from_json(&case["json"].to_string()), value);
    }
    for case in list(bad) {
        assert!(from_json_value(&case["json"]).is_err(), "{case}");
        assert!(from_json(&case["json"].to_string()).is_err(), "{case}");
    }
}

#[test]
fn our_table_of_vectors() {
    let table = include_str!("../../../tests/vectors/data_model.json");
    let table: serde_json::Value = serde_json::from_str(table).expect("JSON");
    check_vectors(&table["fixtures"], &table["valid"], &table["invalid"]);
}

#[test]
fn the_public_vectors() {
    let [fixtures, valid, invalid] = ["fixtures", "valid", "invalid"].map(|name| {
        interop::read(&format!("data-model/data-model-{name}.json"))
            .map(|text| serde_json::from_str(&text).expect("JSON"))
            .unwrap_or_else(|| json!([]))
    });
    check_vectors(&fixtures, &valid, &invalid);
}

#[test]
fn json_numbers_are_whole_and_safe() {
    let read = |number: &str| {
        let value = from_json(&format!("{{\"n\":{number}}}"))?;
        Ok(value.get("n").and_then(Value::as_int))
    };
    for (number, expected) in [
        ("0", 0),
        ("-0.0", 0),
        ("123.0", 123),
        ("1e3", 1000),
        ("-1.5e1", -15),
        ("9007199254740991", JSON_INT_MAX),
        ("-9007199254740991", -JSON_INT_MAX),
        ("999999999999999.0", 999_999_999_999_999),
        ("1e15", 1_000_000_000_000_000),
    ] {
        assert_eq!(read(number), Ok(Some(expected)), "{number}");
    }
    for number in ["0.5", "123.456", "1e-3"] {
        let result = read(number);
        assert!(matches!(result, Err(DataError::Fraction(_))), "{number}");
    }
    for number in [
        "9007199254740992",
        "-9007199254740992",
        "9223372036854775808",
        "99999999999999999999999",
        "9007199254740991.0",
        "1e300",
    ] {
        let result = read(number);
        assert!(matches!(result, Err(DataError::IntRange(_))), "{number}");
    }
    for number in ["1e400", "NaN", "01", "+1"] {
        assert!(matches!(read(number), Err(DataError::Json(_))), "{number}");
    }
}

#[test]
fn reserved_keys_have_one_shape() {
    let check = |json: &str, expected: Result<Value, DataError>| {
        let value = from_json(&format!("{{\"x\":{json}}}"));
        let value = value.map(|value| value.get("x").cloned().expect("there"));
        assert_eq!(value, expected, "{json}");
    };
    let bytes = |bytes: &[u8]| Ok(Value::Bytes(bytes.to_vec()));
    check(r#"{"$bytes":"+/8"}"#, bytes(&[0xfb, 0xff]));
    check(r#"{"$bytes":"+/8="}"#, bytes(&[0xfb, 0xff]));
    check(r#"{"$bytes":""}"#, bytes(&[]));
    for json in [
        r#"{"$bytes":"-_8"}"#,
        r#"{"$bytes":"+/8=="}"#,
        r#"{"$bytes":"+/9"}"#,
        r#"{"$bytes":"+/8","$type":"x"}"#,
        r#"{"$bytes":["+/8"]}"#,
        r#"{"$bytes":null}"#,
    ] {
        check(json, Err(DataError::BytesShape));
    }
    let cid: Cid = BLOB.parse().expect("a CID");
    check(&format!(r#"{{"$link":"{BLOB}"}}"#), Ok(Value::from(cid)));
    for json in [
        format!(r#"{{"$link":"{}"}}"#, BLOB.to_uppercase()),
        format!(r#"{{"$link":"{BLOB}","other":1}}"#),
        r#"{"$link":"QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR"}"#.to_owned(),
        r#"{"$link":{}}"#.to_owned(),
    ] {
        check(&json, Err(DataError::LinkShape));
    }
    for json in [r#"{"$type":""}"#, r#"{"$type":7}"#, r#"{"$type":null}"#] {
        check(json, Err(DataError::TypeField));
    }
    // Unknown reserved keys are somebody's future and stay.
    let kept = Map::from_iter([("$later", Value::from(1))]);
    check(r#"{"$later":1}"#, Ok(Value::Map(kept)));
}

#[test]
fn blobs_have_one_shape() {
    let link = json!({ "$link": BLOB });
    let good = json!({"$type": "blob", "ref": link, "mimeType": "image/png", "size": 1});
    let value = from_json_value(&json!({ "a": [good], "b": good })).expect("two blobs");
    let blob =
        BlobRef { cid: BLOB.parse().expect("a CID"), mime_type: "image/png".to_owned(), size: 1 };
    assert_eq!(value.blobs(), [blob.clone(), blob.clone()]);
    assert_eq!(Value::from(blob.to_map()).to_json(), good);
    assert!(!value.has_legacy_blob());

    let not_raw = Cid::of_dag_cbor(b"").to_string();
    for (key, wrong) in [
        ("size", json!(0)),
        ("size", json!("1")),
        ("size", json!(null)),
        ("mimeType", json!("")),
        ("ref", json!(BLOB)),
        ("ref", json!({ "$link": not_raw })),
        ("more", json!(1)),
    ] {
        let mut blob = good.clone();
        blob[key] = wrong;
        let result = from_json_value(&json!({ "a": blob }));
        assert_eq!(result, Err(DataError::BlobShape), "{blob}");
    }
}

#[test]
fn blobs_of_the_old_shape_are_found() {
    let has = |json| from_json_value(&json).map(|value| value.has_legacy_blob());
    let old = json!({"cid": "QmX", "mimeType": "image/png"});
    assert_eq!(has(json!({ "embed": [{ "image": old }] })), Ok(true));
    assert_eq!(has(old), Ok(true));
    let with_more = json!({"cid": "QmX", "mimeType": "image/png", "alt": ""});
    assert_eq!(has(with_more), Ok(false));
    assert_eq!(has(json!({"cid": "QmX", "mimeType": 1})), Ok(false));
}

#[test]
fn of_equal_json_keys_the_last_counts() {
    let value = from_json(r#"{"a":1,"$type":"x","a":2,"$type":"y"}"#).expect("valid");
    assert_eq!(value.to_json(), json!({"a": 2, "$type": "y"}));
}

#[test]
fn limits_hold_in_both_languages() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(from_json(&nested(DEPTH_MAX - 1)).is_ok());
    assert_eq!(from_json(&nested(DEPTH_MAX)), Err(DataError::TooDeep));
    assert!(from_json(&nested(100_000)).is_err());

    let nested = |levels: usize| [vec![0x81; levels - 1], vec![0x80]].concat();
    assert!(Value::decode(&nested(DEPTH_MAX)).is_ok());
    let bomb = nested(DEPTH_MAX + 1);
    assert_eq!(Value::decode(&bomb), Err(DataError::TooDeep));
    assert_eq!(Value::decode(&nested(1_000_000)), Err(DataError::TooDeep));
    let mut out = String::new();
    assert_eq!(cbor_to_json(&bomb, &mut out), Err(DataError::TooDeep));

    let key = "k".repeat(KEY_BYTES_MAX);
    assert!(from_json(&format!("{{\"{key}\":1}}")).is_ok());
    let longer = format!("{{\"{key}k\":1}}");
    assert_eq!(from_json(&longer), Err(DataError::KeyLength));
    assert_eq!(from_json("{\"\":1}"), Err(DataError::KeyLength));

    let list = |length: usize| format!("{{\"a\":[{}0]}}", "0,".repeat(length - 1));
    let full = from_json(&list(CONTAINER_LEN_MAX)).expect("as long as allowed");
    assert_eq!(Value::decode(&full.encode()), Ok(full));
    let longer = list(CONTAINER_LEN_MAX + 1);
    assert_eq!(from_json(&longer), Err(DataError::TooLong));
    let longer = [&[0x9a, 0, 2, 0, 1], vec![0; 131_073].as_slice()].concat();
    assert_eq!(Value::decode(&longer), Err(DataError::TooLong));
}

#[test]
fn cbor_that_is_not_canonical_is_refused() {
    for (hex, why) in [
        ("", "nothing"),
        ("0000", "two values"),
        ("1800", "a long zero"),
        ("1817", "a long 23"),
        ("190018", "a long 24"),
        ("1a00000100", "a long 256"),
        ("1b0000000000010000", "a long 65536"),
        ("1b8000000000000000", "beyond 64 bits with a sign"),
        ("3b8000000000000000", "below 64 bits with a sign"),
        ("6261", "cut text"),
        ("780161", "a long head of text"),
        ("62c328", "text that is not UTF-8"),
        ("7f6161ff", "text in pieces"),
        ("5f4100ff", "bytes in pieces"),
        ("9f00ff", "an open list"),
        ("bf616100ff", "an open map"),
        ("a2616200616100", "keys out of order"),
        ("a262616100616200", "a long key before a short one"),
        ("a2616100616101", "a key twice"),
        ("a10000", "a key that is a number"),
        ("a1410000", "a key that is bytes"),
        ("a16161", "a map without its value"),
        ("f7", "undefined"),
        ("f0", "a simple value"),
        ("f818", "a long simple value"),
        ("f97e00", "half a float"),
        ("fa47c35000", "a float"),
        ("fb3ff199999999999a", "a double"),
        ("c000", "another tag"),
        ("d82a00", "a link that is a number"),
        ("d82a40", "a link without bytes"),
        ("d82a4100", "a link without a CID"),
        ("d82a450101550000", "a link without its leading zero"),
        ("ff", "a break"),
        ("1c", "a reserved head"),
        ("9b7fffffffffffffff", "a huge list"),
        ("bb7fffffffffffffff", "a huge map"),
        ("5b7fffffffffffffff", "huge bytes"),
        ("7bffffffffffffffff", "huge text"),
        ("9a0001ffff00", "a list of more than there is"),
    ] {
        let bytes = HEXLOWER.decode(hex.as_bytes()).expect(hex);
        assert!(Value::decode(&bytes).is_err(), "{why}: {hex}");
    }
}

#[test]
fn links_of_other_kinds_survive_in_cbor() {
    let identity = HEXLOWER.decode(b"d82a4600015500017a").expect("hex");
    let value = Value::decode(&identity).expect("a CID of version 1");
    assert_eq!(value.as_link().map(|link| link.blessed()), Some(None));
    assert_eq!(value.encode(), identity);
}

#[test]
fn json_text_is_escaped() {
    let nasty = "\"\\\u{0}\u{1f}\n\r\t\u{7f}é😀</script>\u{2028}";
    let mut out = String::new();
    write_json_text(nasty, &mut out);
    assert_eq!(serde_json::from_str::<String>(&out).ok().as_deref(), Some(nasty));
    assert_eq!(out, serde_json::to_string(nasty).expect("text"));
}

/// Values that JSON can say, so without links of other kinds.
fn values() -> impl Strategy<Value = Value> {
    let safe = -JSON_INT_MAX..=JSON_INT_MAX;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        safe.prop_map(Value::Int),
        (-70_000i64..70_000).prop_map(Value::Int),
        any::<String>().prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        any::<[u8; 4]>().prop_map(|seed| Value::from(Cid::of_raw(&seed))),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        let key = "[a-zA-Z é]{1,30}";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            proptest::collection::vec((key, inner), 0..8)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

/// Says the same with the types of another codec.
fn ipld(value: &Value) -> Ipld {
    match value {
        Value::Null => Ipld::Null,
        Value::Bool(value) => Ipld::Bool(*value),
        Value::Int(number) => Ipld::Integer(i128::from(*number)),
        Value::Text(text) => Ipld::String(text.clone()),
        Value::Bytes(bytes) => Ipld::Bytes(bytes.clone()),
        Value::Link(link) => {
            Ipld::Link(ipld_core::cid::Cid::try_from(link.as_bytes()).expect("a CID"))
        }
        Value::List(values) => Ipld::List(values.iter().map(ipld).collect()),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| (key.to_owned(), ipld(value)));
            Ipld::Map(entries.collect::<BTreeMap<_, _>>())
        }
    }
}

proptest! {
    #[test]
    fn encodings_agree_with_another_codec_and_come_back(value in values()) {
        let cbor = value.encode();
        let other = serde_ipld_dagcbor::to_vec(&ipld(&value)).expect("encodes");
        prop_assert_eq!(&cbor, &other);
        prop_assert_eq!(Value::decode(&cbor), Ok(value.clone()));

        let json = json!({ "value": value.to_json() });
        let wrapped = Value::Map([("value", value)].into_iter().collect());
        prop_assert_eq!(from_json_value(&json), Ok(wrapped.clone()));
        let mut text = String::new();
        cbor_to_json(&wrapped.encode(), &mut text).expect("what was encoded");
        prop_assert_eq!(from_json(&text), Ok(wrapped));
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(json));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(mut bytes in values().prop_map(|v| v.encode()),
                                              at: usize, flip: u8) {
        let at = at % bytes.len();
        bytes[at] ^= flip;
        let ours = Value::decode(&bytes);
        if let Ok(value) = &ours {
            prop_assert_eq!(&value.encode(), &bytes);
            let mut text = String::new();
            prop_assert!(cbor_to_json(&bytes, &mut text).is_ok());
        }
        // The other codec knows floats and is laxer about links; apart from
        // that whatever it takes and writes back unchanged is ours too.
        let other = serde_ipld_dagcbor::from_slice::<Ipld>(&bytes);
        if ours.is_ok() {
            prop_assert!(other.is_ok());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Value::decode(&bytes);
        let _ = cbor_to_json(&bytes, &mut String::new());
    }
}
