//! Schemas and values against the protocol's vectors and our table of them.

use serde_json::{Value as Json, json};

use super::*;
use crate::atproto::data::{self, Value};
use crate::atproto::interop;
use crate::atproto::syntax::{Nsid, RecordKey};

fn nsid(text: &str) -> Nsid {
    text.parse().expect("an NSID")
}

fn rkey(text: &str) -> RecordKey {
    text.parse().expect("a record key")
}

fn table(part: &str) -> Vec<Json> {
    let table = include_str!("../../../tests/vectors/lexicon.json");
    let mut table: Json = serde_json::from_str(table).expect("JSON");
    rows(table[part].take())
}

fn rows(json: Json) -> Vec<Json> {
    serde_json::from_value(json).expect("a list")
}

fn catalog_of(documents: &[Json]) -> Catalog {
    Catalog::from_documents(
        documents.iter().map(|json| Document::parse(&json.to_string()).expect("a valid document")),
    )
}

fn value_of(json: &Json) -> Value {
    data::from_json_value(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn our_table_of_fields() {
    for row in table("fields") {
        let catalog = catalog_of(&[json!({
            "lexicon": 1,
            "id": "example.lexicon.table",
            "defs": {
                "main": {
                    "type": "record",
                    "key": "any",
                    "record": { "type": "object", "properties": { "x": row[0] } },
                },
                "pair": {
                    "type": "object",
                    "properties": { "a": { "type": "integer" }, "b": { "type": "integer" } },
                },
                "other": { "type": "object" },
                "token": { "type": "token" },
            },
        })]);
        let mut record = json!({ "$type": "example.lexicon.table" });
        if row[1] != "ABSENT" {
            record["x"] = row[1].clone();
        }
        let collection = nsid("example.lexicon.table");
        let verdict = catalog.validate_record(&collection, &rkey("any"), &value_of(&record));
        let refusal = verdict.err().map(|invalid| invalid.to_string());
        assert_eq!(refusal.as_deref(), row[2].as_str(), "{row}");
    }
}

#[test]
fn our_table_of_definitions() {
    for row in table("definitions") {
        let name = row[0].as_str().expect("a name");
        let document = json!({
            "lexicon": 1, "id": "example.lexicon.table", "defs": { name: row[1] },
        });
        let refusal = Document::parse(&document.to_string()).err();
        let refusal = refusal.map(|error| error.to_string());
        // Serde adds where in the text it stopped.
        let refusal = refusal.as_deref().map(|text| text.split(" at line").next());
        assert_eq!(refusal.flatten(), row[2].as_str(), "{row}");
    }
}

#[test]
fn our_table_of_documents() {
    for row in table("documents") {
        let verdict = Document::parse(&row[0].to_string());
        assert_eq!(Some(verdict.is_ok()), row[1].as_bool(), "{row}: {verdict:?}");
    }
}

#[test]
fn our_table_of_params() {
    let catalog = catalog_of(&[json!({
        "lexicon": 1,
        "id": "example.lexicon.query",
        "defs": { "main": { "type": "query", "parameters": {
            "type": "params",
            "required": ["s"],
            "properties": {
                "s": { "type": "string" },
                "did": { "type": "string", "format": "did" },
                "flag": { "type": "boolean" },
                "limit": { "type": "integer", "minimum": 1, "maximum": 100, "default": 50 },
                "ids": { "type": "array", "maxLength": 2, "items": { "type": "integer" } },
            },
        } } },
    })]);
    for row in table("params") {
        let pairs: Vec<(String, String)> =
            serde_json::from_value(row[0].clone()).expect("pairs of text");
        let pairs = pairs.iter().map(|(name, text)| (&**name, &**text));
        let read = catalog.read_params(&nsid("example.lexicon.query"), pairs);
        match read {
            Ok(params) => assert_eq!(params.to_json(), row[1], "{row}"),
            Err(invalid) => assert_eq!(invalid.to_string(), row[1], "{row}"),
        }
    }
}

/// Two things in the schema vectors are refused by the data model's own
/// vectors: a blob that names structured data, and base64 with loose bits.
/// Here they are what they are meant to be.
fn mended(text: &str) -> String {
    let raw = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity";
    text.replace("bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq", raw)
        .replace(r#""$bytes": "123""#, r#""$bytes": "MTIz""#)
}

fn public_rows(file: &str) -> Vec<Json> {
    interop::read(&format!("lexicon/{file}"))
        .map(|text| rows(serde_json::from_str(&mended(&text)).expect("JSON")))
        .unwrap_or_default()
}

fn public_catalog() -> Catalog {
    let names = ["permission-set", "procedure", "query", "record", "subscription"];
    let texts = names.map(|name| interop::read(&format!("lexicon/catalog/{name}.json")));
    let documents = texts.into_iter().flatten();
    Catalog::from_documents(documents.map(|text| Document::parse(&text).expect("valid")))
}

#[test]
fn the_public_vectors_of_documents() {
    for (file, valid) in [("lexicon-valid.json", true), ("lexicon-invalid.json", false)] {
        for case in public_rows(file) {
            let verdict = Document::parse(&case["lexicon"].to_string());
            assert_eq!(verdict.is_ok(), valid, "{}: {verdict:?}", case["name"]);
        }
    }
}

#[test]
fn the_public_vectors_of_records() {
    let catalog = public_catalog();
    for (file, valid) in [("record-data-valid.json", true), ("record-data-invalid.json", false)] {
        for case in public_rows(file) {
            let record = value_of(&case["data"]);
            let collection = nsid(record.type_name().expect("a $type"));
            let key = rkey(case["rkey"].as_str().expect("a key"));
            let verdict = catalog.validate_record(&collection, &key, &record);
            assert_eq!(verdict.is_ok(), valid, "{}: {verdict:?}", case["name"]);
        }
    }
}

#[test]
fn every_bundled_document_is_valid_and_refers_to_known_ones() {
    let catalog = Catalog::bundled();
    let nsids: Vec<&str> = catalog.nsids().collect();
    assert!(nsids.len() > 300, "{} documents", nsids.len());
    for id in nsids {
        let document = catalog.document(&nsid(id)).expect("listed");
        assert_eq!(document.id().as_str(), id);
        for (name, definition) in document.definitions() {
            definition.clone().visit_schemas(&mut |schema| {
                let targets = match schema {
                    Schema::Ref(target) => std::slice::from_ref(&target.r#ref),
                    Schema::Union(union) => &union.refs[..],
                    _ => &[],
                };
                for target in targets {
                    assert!(catalog.resolve(target).is_some(), "{id}#{name} refers to {target}");
                }
            });
        }
    }
}

#[test]
fn the_bundle_lists_every_file_of_the_folder() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/lexicons");
    let files = std::fs::read_dir(folder).expect("the folder");
    let names = files.map(|file| file.expect("a file").file_name().into_string());
    let mut names: Vec<String> = names.map(|name| name.expect("text")).collect();
    names.retain(|name| name.ends_with(".json"));
    names.sort();
    let listed: Vec<String> =
        bundle::FILES.iter().map(|(name, _)| format!("{name}.json")).collect();
    assert_eq!(listed, names);
    assert!(bundle::FILES.is_sorted(), "looked up by binary search");
}

/// Checks a record of the bundled schema `app.bsky.feed.post`.
fn check_post(key: &str, record: Json, expected: Result<Validation, &str>) {
    let verdict = Catalog::bundled().validate_record(
        &nsid("app.bsky.feed.post"),
        &rkey(key),
        &value_of(&record),
    );
    let verdict = verdict.map_err(|invalid| invalid.to_string());
    assert_eq!(verdict, expected.map_err(str::to_owned));
}

#[test]
fn a_record_follows_its_collection_in_type_key_and_content() {
    let post = |text: &str| json!({ "$type": "app.bsky.feed.post", "text": text, "createdAt": "2026-01-01T00:00:00Z" });
    check_post("3kznmn7xqxl22", post("hello"), Ok(Validation::Valid));
    check_post("self", post("hello"), Err("rkey must be a TID"));
    check_post(
        "3kznmn7xqxl22",
        post(&"x".repeat(301)),
        Err("record.text must have at most 300 graphemes"),
    );
    check_post(
        "3kznmn7xqxl22",
        json!({ "$type": "app.bsky.feed.like" }),
        Err("record.$type must be app.bsky.feed.post"),
    );
    check_post(
        "3kznmn7xqxl22",
        json!({ "$type": "app.bsky.feed.post", "createdAt": "2026-01-01T00:00:00Z" }),
        Err("record.text is required"),
    );
    let mut post = post("pictures");
    post["embed"] = json!({
        "$type": "app.bsky.embed.images",
        "images": [{ "alt": "", "image": {
            "$type": "blob", "mimeType": "text/plain", "size": 1,
            "ref": { "$link": "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity" },
        } }],
    });
    check_post(
        "3kznmn7xqxl22",
        post,
        Err("record.embed.images[0].image.mimeType must be of type image/*"),
    );
}

#[test]
fn a_collection_without_a_schema_is_unknown_and_a_method_is_no_collection() {
    for collection in ["com.example.unheard.of", "com.atproto.repo.createRecord"] {
        let record = value_of(&json!({ "$type": collection }));
        let verdict = Catalog::bundled().validate_record(&nsid(collection), &rkey("any"), &record);
        assert_eq!(verdict, Ok(Validation::Unknown));
    }
}

#[test]
fn bodies_and_messages_follow_their_method() {
    let catalog = Catalog::bundled();
    let create = nsid("com.atproto.repo.createRecord");
    let text = |invalid: Invalid| invalid.to_string();

    let body = value_of(&json!({ "repo": "nobody", "collection": "a.b.c", "record": {} }));
    assert_eq!(
        catalog.validate_input(&create, &body).map_err(text),
        Err("input.repo must be a handle or a DID".to_owned())
    );
    let answer = value_of(&json!({ "uri": "at://did:web:a.test/a.b.c/d" }));
    assert_eq!(
        catalog.validate_output(&create, &answer).map_err(text),
        Err("output.cid is required".to_owned())
    );
    let upload = nsid("com.atproto.repo.uploadBlob");
    assert_eq!(catalog.validate_input(&upload, &value_of(&json!({}))), Ok(()));

    let firehose = nsid("com.atproto.sync.subscribeRepos");
    let identity = value_of(&json!({
        "seq": 1, "did": "did:web:a.test", "time": "2026-01-01T00:00:00Z",
    }));
    let verdict = |kind| catalog.validate_message(&firehose, kind, &identity);
    assert_eq!(verdict("#identity"), Ok(()));
    assert_eq!(verdict("#account").map_err(text), Err("message.active is required".to_owned()));
    assert_eq!(
        verdict("#gossip").map_err(text),
        Err("message must not be of type #gossip".to_owned())
    );
}
