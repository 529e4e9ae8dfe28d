//! Logs against the official library's operations, and the rules one by one.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    log::{Accepted, Entry, RECOVERY_WINDOW, Refused, Standing, audit, standing, validate_next},
    *,
};
use crate::atproto::{
    Cid, Moment,
    crypto::{Curve, DidKey, SigningKey},
    syntax::{Did, Handle},
};

const VECTORS: &str = include_str!("../../../tests/vectors/plc.json");

fn key(number: u8) -> SigningKey {
    let curve = if number.is_multiple_of(2) { Curve::P256 } else { Curve::K256 };
    SigningKey::from_secret(curve, &[number; 32]).expect("a secret")
}

fn did_keys(numbers: &[u8]) -> Vec<DidKey> {
    numbers.iter().map(|number| key(*number).public().did_key()).collect()
}

fn handle(text: &str) -> Handle {
    Handle::new(text.to_owned()).expect("a handle")
}

/// The state of an account whose rotation keys are these.
fn state(rotation_keys: &[u8]) -> State {
    let signing_key = key(99).public().did_key();
    let handle = handle("alice.test");
    State::of_account(did_keys(rotation_keys), signing_key, &handle, "https://pds.example.com")
}

fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

/// A log under construction, and the moment it has reached.
struct Directory {
    did: Did,
    log: Vec<Entry>,
    now: Moment,
}

impl Directory {
    /// Creates an identity with these rotation keys, the last of which signs.
    fn with(rotation_keys: &[u8]) -> Self {
        let signer = key(*rotation_keys.last().expect("a key"));
        let genesis = Unsigned::Operation { state: state(rotation_keys), prev: None };
        let genesis = genesis.sign(&signer).expect("within the limits");
        let did = genesis.did().expect("a genesis");
        let now = Moment::from_unix_ms(1_700_000_000_000);
        let mut directory = Self { did, log: Vec::new(), now };
        directory.submit(&genesis).expect("a valid genesis");
        directory
    }

    fn cid(&self, place: usize) -> Cid {
        self.log[place].operation.cid()
    }

    /// Builds an operation that follows the one at `place`.
    fn follow(&self, place: usize, rotation_keys: &[u8], signer: u8) -> Operation {
        let (state, prev) = (state(rotation_keys), Some(self.cid(place)));
        let operation = Unsigned::Operation { state, prev };
        operation.sign(&key(signer)).expect("within the limits")
    }

    fn tombstone(&self, place: usize, signer: u8) -> Operation {
        let operation = Unsigned::Tombstone { prev: self.cid(place) };
        operation.sign(&key(signer)).expect("within the limits")
    }

    /// Submits an operation an hour after the one before.
    fn submit(&mut self, operation: &Operation) -> Result<Accepted, Refused> {
        self.submit_after(hours(1), operation)
    }

    fn submit_after(&mut self, wait: Duration, operation: &Operation) -> Result<Accepted, Refused> {
        let now = self.now.plus(wait);
        let accepted = validate_next(&self.did, &self.log, operation, now)?;
        for entry in &mut self.log {
            if accepted.nullified.contains(&entry.operation.cid()) {
                entry.nullified_at = Some(now);
            }
        }
        let operation = operation.clone();
        self.log.push(Entry { operation, created_at: now, nullified_at: None });
        self.now = now;
        assert_eq!(audit(&self.did, &self.log), Ok(()), "an auditor agrees");
        Ok(accepted)
    }
}

#[test]
fn logs_of_the_official_library_are_read_named_and_judged_alike() {
    let table: Value = serde_json::from_str(VECTORS).expect("JSON");
    for fact in table["logs"].as_array().expect("a list") {
        let did = Did::new(fact["did"].as_str().expect("a text").to_owned()).expect("a DID");
        let mut log = Vec::new();
        for (place, json) in fact["log"].as_array().expect("a list").iter().enumerate() {
            let operation = Operation::from_json(json.clone()).expect("an operation");
            assert_eq!(operation.to_json(), *json);
            assert_eq!(operation.cid().to_string(), fact["cids"][place]);
            let now = Moment::from_unix_ms(i64::try_from(place).expect("small"));
            validate_next(&did, &log, &operation, now).expect("a valid next operation");
            log.push(Entry { operation, created_at: now, nullified_at: None });
        }
        assert_eq!(log[0].operation.did(), Some(did));
    }
}

#[test]
fn the_official_library_signs_the_same_bytes_with_the_same_result() {
    let table: Value = serde_json::from_str(VECTORS).expect("JSON");
    let log = &table["logs"][0]["log"];
    let (recovery, rotation) = (
        SigningKey::from_secret(Curve::P256, &[0x22; 32]).expect("a secret"),
        SigningKey::from_secret(Curve::K256, &[0x11; 32]).expect("a secret"),
    );
    let signing = SigningKey::from_secret(Curve::K256, &[0x33; 32]).expect("a secret");
    let rotation_keys = vec![recovery.public().did_key(), rotation.public().did_key()];
    let genesis = State::of_account(
        rotation_keys,
        signing.public().did_key(),
        &handle("alice.test"),
        "https://pds.example.com/",
    );
    let renamed = genesis.clone().with_handle(&handle("alice.example.com"));
    let first = Unsigned::Operation { state: genesis, prev: None };
    let first = first.sign(&rotation).expect("within the limits");
    assert_eq!(first.to_json(), log[0]);
    let second = Unsigned::Operation { state: renamed, prev: Some(first.cid()) };
    let second = second.sign(&recovery).expect("within the limits");
    assert_eq!(second.to_json(), log[1]);
    let last = Unsigned::Tombstone { prev: second.cid() };
    assert_eq!(last.sign(&rotation).expect("within the limits").to_json(), log[2]);
}

#[test]
fn a_genesis_of_the_old_kind_says_what_a_new_one_says() {
    let table: Value = serde_json::from_str(VECTORS).expect("JSON");
    let json = table["logs"][1]["log"][0].clone();
    let operation = Operation::from_json(json).expect("an operation");
    let state = operation.state().expect("a state");
    assert_eq!(state.handle(), Some(handle("bob.test")));
    assert_eq!(state.pds().map(|pds| pds.endpoint.as_str()), Some("https://pds.example.com"));
    assert_eq!(state.rotation_keys[1], *state.signing_key().expect("a key"));
    assert_eq!(operation.check_incoming(), Err(InvalidOperation::Legacy));
}

#[test]
fn each_operation_follows_the_last_one() {
    let mut directory = Directory::with(&[1, 2]);
    let second = directory.follow(0, &[3], 1);
    let accepted = directory.submit(&second).expect("signed by a rotation key");
    assert_eq!(accepted.prev, Some(directory.cid(0)));
    assert_eq!(accepted.nullified, []);
    // The keys of the operation before decide, not those of the genesis.
    let third = directory.follow(1, &[3], 1);
    assert_eq!(directory.submit(&third), Err(Refused::Signature));
    let third = directory.follow(1, &[4, 3], 3);
    assert!(directory.submit(&third).is_ok());
    assert_eq!(standing(&directory.log), Standing::Active(&state(&[4, 3])));
}

#[test]
fn an_operation_again_or_of_elsewhere_is_refused() {
    let mut directory = Directory::with(&[1, 2]);
    let genesis = directory.log[0].operation.clone();
    assert_eq!(directory.submit(&genesis), Err(Refused::Registered));
    let second = directory.follow(0, &[1, 2], 2);
    directory.submit(&second).expect("valid");
    assert_eq!(directory.submit(&second), Err(Refused::Authority), "it would undo itself");
    let elsewhere = Directory::with(&[5]).follow(0, &[1], 1);
    assert_eq!(directory.submit(&elsewhere), Err(Refused::UnknownPrev));
}

#[test]
fn an_operation_is_newer_than_the_log() {
    let mut directory = Directory::with(&[1]);
    let second = directory.follow(0, &[1], 1);
    let same_moment = directory.submit_after(Duration::ZERO, &second);
    assert_eq!(same_moment, Err(Refused::NotNewer));
    assert!(directory.submit_after(Duration::from_millis(1), &second).is_ok());
}

#[test]
fn a_genesis_creates_the_did_of_its_own_hash() {
    let directory = Directory::with(&[1]);
    let genesis = &directory.log[0].operation;
    let other = Did::new("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".to_owned()).expect("a DID");
    let refused = validate_next(&other, &[], genesis, directory.now);
    assert_eq!(refused, Err(Refused::OtherDid(directory.did.as_str().to_owned())));
    for later in [directory.follow(0, &[1], 1), directory.tombstone(0, 1)] {
        let refused = validate_next(&directory.did, &[], &later, directory.now);
        assert_eq!(refused, Err(Refused::NotAGenesis));
    }
    let unsigned = Unsigned::Operation { state: state(&[1]), prev: None };
    let forged = unsigned.sign(&key(2)).expect("within the limits");
    let did = forged.did().expect("a genesis");
    assert_eq!(validate_next(&did, &[], &forged, directory.now), Err(Refused::Signature));
}

#[test]
fn a_higher_key_undoes_what_lower_keys_signed() {
    let mut directory = Directory::with(&[1, 2, 3]);
    let theft = directory.follow(0, &[3], 3);
    directory.submit(&theft).expect("the lowest key may sign");
    let more = directory.follow(1, &[3], 3);
    directory.submit(&more).expect("and go on");
    let recovery = directory.follow(0, &[1, 2], 2);
    let accepted = directory.submit(&recovery).expect("a higher key undoes it");
    assert_eq!(accepted.nullified, [directory.cid(1), directory.cid(2)]);
    assert_eq!(standing(&directory.log), Standing::Active(&state(&[1, 2])));
    // What is void is not there any more, for following and for forking.
    let revived = directory.follow(2, &[3], 3);
    assert_eq!(directory.submit(&revived), Err(Refused::UnknownPrev));
    // The highest key may still undo the recovery.
    let again = directory.follow(0, &[1], 1);
    let accepted = directory.submit(&again).expect("a still higher key");
    assert_eq!(accepted.nullified, [directory.cid(3)]);
}

#[test]
fn equal_and_lower_keys_undo_nothing() {
    for signer in [2, 3] {
        let mut directory = Directory::with(&[1, 2, 3]);
        let second = directory.follow(0, &[1, 2, 3], 2);
        directory.submit(&second).expect("valid");
        let fork = directory.follow(0, &[3], signer);
        assert_eq!(directory.submit(&fork), Err(Refused::Authority), "key {signer}");
    }
}

#[test]
fn authority_is_of_the_keys_at_the_fork() {
    let mut directory = Directory::with(&[1, 2]);
    let second = directory.follow(0, &[2, 1], 2);
    directory.submit(&second).expect("valid");
    // Under the new order key 2 is higher, but the fork goes back before it.
    let fork = directory.follow(0, &[2], 2);
    assert_eq!(directory.submit(&fork), Err(Refused::Authority));
    let fork = directory.follow(0, &[1], 1);
    assert!(directory.submit(&fork).is_ok());
    // A key that is nowhere in the state before the fork signs nothing.
    let fork = directory.follow(0, &[7], 7);
    assert_eq!(directory.submit(&fork), Err(Refused::Signature));
}

#[test]
fn a_recovery_ends_with_the_seventy_second_hour() {
    let late = RECOVERY_WINDOW + Duration::from_millis(1);
    for (wait, result) in [(RECOVERY_WINDOW, Ok(())), (late, Err(Refused::TooLate))] {
        let mut directory = Directory::with(&[1, 2]);
        let second = directory.follow(0, &[2], 2);
        directory.submit(&second).expect("valid");
        let recovery = directory.follow(0, &[1], 1);
        assert_eq!(directory.submit_after(wait, &recovery).map(|_| ()), result);
    }
}

#[test]
fn the_window_counts_from_the_first_operation_undone() {
    let mut directory = Directory::with(&[1, 2]);
    let second = directory.follow(0, &[2], 2);
    directory.submit(&second).expect("valid");
    let third = directory.follow(1, &[2], 2);
    directory.submit_after(hours(71), &third).expect("valid");
    let recovery = directory.follow(0, &[1], 1);
    assert_eq!(directory.submit_after(hours(2), &recovery), Err(Refused::TooLate));
}

#[test]
fn a_tombstone_ends_an_identity_unless_it_is_undone_in_time() {
    let mut directory = Directory::with(&[1, 2]);
    let tombstone = directory.tombstone(0, 2);
    directory.submit(&tombstone).expect("valid");
    assert_eq!(standing(&directory.log), Standing::Tombstoned);
    let after = directory.follow(1, &[1], 1);
    assert_eq!(directory.submit(&after), Err(Refused::Tombstoned));
    let recovery = directory.follow(0, &[1], 1);
    let accepted = directory.submit(&recovery).expect("a higher key within 72 hours");
    assert_eq!(accepted.nullified, [directory.cid(1)]);
    assert_eq!(standing(&directory.log), Standing::Active(&state(&[1])));
}

#[test]
fn an_audit_finds_wrong_marks_and_forged_entries() {
    let mut directory = Directory::with(&[1, 2]);
    let second = directory.follow(0, &[2], 2);
    directory.submit(&second).expect("valid");
    let recovery = directory.follow(0, &[1], 1);
    directory.submit(&recovery).expect("valid");
    let mut unmarked = directory.log.clone();
    unmarked[1].nullified_at = None;
    assert!(audit(&directory.did, &unmarked).is_err());
    let mut backdated = directory.log.clone();
    backdated[2].created_at = backdated[1].created_at;
    assert_eq!(audit(&directory.did, &backdated), Err((2, Refused::NotNewer)));
    assert_eq!(standing(&[]), Standing::Unknown);
}

#[test]
fn a_signature_has_one_spelling() {
    let genesis = Directory::with(&[1]).log[0].operation.to_json();
    let sig = genesis["sig"].as_str().expect("a text").to_owned();
    let with = |sig: &str| {
        let mut json = genesis.clone();
        json["sig"] = json!(sig);
        Operation::from_json(json).map(|_| ())
    };
    assert_eq!(with(&sig), Ok(()));
    // 64 bytes leave four bits of the last character unused.
    let last = sig.chars().last().expect("not empty");
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).expect("base64url");
    let bits = &alphabet[place + 1..place + 2];
    for bad in [
        format!("{sig}=="),
        format!("{sig}\n"),
        format!("{}{bits}", &sig[..sig.len() - 1]),
        format!("{}+", &sig[..sig.len() - 1]),
        sig[..sig.len() - 4].to_owned(),
        String::new(),
    ] {
        assert_eq!(with(&bad), Err(InvalidOperation::Signature), "{bad}");
    }
}

#[test]
fn what_is_not_an_operation_is_refused_with_the_field() {
    let genesis = Directory::with(&[1]).log[0].operation.to_json();
    let refused = |change: fn(&mut Value)| {
        let mut json = genesis.clone();
        change(&mut json);
        Operation::from_json(json).expect_err("not an operation")
    };
    let field = |change| match refused(change) {
        InvalidOperation::Field { field, .. } => field,
        other => panic!("{other}"),
    };
    assert_eq!(field(|json| json["rotationKeys"] = json!("did:key:z")), "rotationKeys");
    assert_eq!(field(|json| json["rotationKeys"][0] = json!("did:web:x")), "rotationKeys");
    assert_eq!(field(|json| json["prev"] = json!("bafy")), "prev");
    assert_eq!(field(|json| json["prev"] = json!(0)), "prev");
    assert_eq!(
        field(|json| {
            json.as_object_mut().expect("an object").remove("prev");
        }),
        "prev"
    );
    assert_eq!(field(|json| json["services"]["x"] = json!({"type": "x"})), "services");
    assert_eq!(field(|json| json["alsoKnownAs"] = Value::Null), "alsoKnownAs");
    assert_eq!(refused(|json| json["type"] = json!("plc_other")), InvalidOperation::Type);
    assert_eq!(Operation::from_json(json!([])), Err(InvalidOperation::NotAnObject));
}

#[test]
fn unknown_fields_are_read_in_logs_and_refused_from_clients() {
    let genesis = Directory::with(&[1]).log[0].operation.to_json();
    let changes: [fn(&mut Value); 2] = [
        |json| json["note"] = json!("x"),
        |json| json["services"]["atproto_pds"]["note"] = json!("x"),
    ];
    for change in changes {
        let mut json = genesis.clone();
        change(&mut json);
        let operation = Operation::from_json(json.clone()).expect("an operation");
        assert_eq!(operation.to_json(), json);
        assert_eq!(operation.check_incoming(), Err(InvalidOperation::UnknownField));
        assert_eq!(operation.signer(&did_keys(&[1])), None, "the field is signed with");
    }
}

/// Changes a state so that one limit is broken.
type Break = fn(&mut State);

#[test]
fn we_sign_within_the_narrower_limits() {
    let cases: [(&str, Break); 10] = [
        ("no rotation key", |s| s.rotation_keys.clear()),
        ("six rotation keys", |s| s.rotation_keys = did_keys(&[1, 2, 3, 4, 5, 6])),
        ("a rotation key twice", |s| s.rotation_keys = did_keys(&[1, 2, 1])),
        ("a rotation key of another kind", |s| {
            let ed25519 = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
            s.rotation_keys.push(ed25519.parse().expect("a did:key"));
        }),
        ("eleven aliases", |s| {
            s.also_known_as = (0..11).map(|number| format!("at://a{number}.test")).collect();
        }),
        ("an alias twice", |s| s.also_known_as.push("at://alice.test".to_owned())),
        ("a long alias", |s| s.also_known_as.push(format!("at://{}", "a".repeat(254)))),
        ("a long endpoint", |s| {
            let pds = s.services.get_mut("atproto_pds").expect("a service");
            pds.endpoint = format!("https://{}", "a".repeat(512));
        }),
        ("a long name of a key", |s| {
            s.verification_methods.insert("k".repeat(33), did_keys(&[1]).remove(0));
        }),
        ("all in all too large", |s| {
            for number in 0..9 {
                let service = s.services["atproto_pds"].clone();
                let endpoint = "e".repeat(500);
                s.services.insert(number.to_string(), Service { endpoint, ..service });
            }
        }),
    ];
    for (what, break_limit) in cases {
        let mut state = state(&[1, 2]);
        break_limit(&mut state);
        let signed = Unsigned::Operation { state, prev: None }.sign(&key(1));
        assert!(matches!(signed, Err(InvalidOperation::Limit(_))), "{what}: {signed:?}");
    }
}

#[test]
fn a_directory_takes_what_the_networks_directory_takes() {
    // Ten rotation keys, one of them twice, and none at all.
    for keys in [&[1, 2, 3, 4, 5, 6, 7, 8, 9, 1][..], &[]] {
        let mut json = Directory::with(&[1]).log[0].operation.to_json();
        json["rotationKeys"] = json!(did_keys(keys));
        let operation = Operation::from_json(json).expect("an operation");
        assert_eq!(operation.check_incoming(), Ok(()));
    }
    let mut json = Directory::with(&[1]).log[0].operation.to_json();
    json["rotationKeys"] = json!(did_keys(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]));
    let operation = Operation::from_json(json).expect("an operation");
    let limit = LimitBroken::Entries { field: "rotationKeys", found: 11, max: 10 };
    assert_eq!(operation.check_incoming(), Err(limit.into()));
}

#[test]
fn keys_of_other_kinds_may_verify() {
    let mut json = Directory::with(&[1]).log[0].operation.to_json();
    let ed25519 = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    json["verificationMethods"]["other"] = json!(ed25519);
    let operation = Operation::from_json(json).expect("an operation");
    assert_eq!(operation.check_incoming(), Ok(()));
}

#[test]
fn a_new_handle_takes_the_place_of_the_old_one() {
    let names = |state: State| state.also_known_as;
    let mut state = state(&[1]);
    let new = handle("new.test");
    state.also_known_as =
        ["https://x", "at://alice.test", "at://second.test"].map(str::to_owned).to_vec();
    let renamed = names(state.clone().with_handle(&new));
    assert_eq!(renamed, ["https://x", "at://new.test", "at://second.test"]);
    state.also_known_as = vec!["https://x".to_owned()];
    assert_eq!(names(state.with_handle(&new)), ["at://new.test", "https://x"]);
}

/// The audit logs that the method's own project tests with, where a run names
/// their folder (`interop_tests/audit_log` of did-method-plc).
#[test]
fn the_methods_own_audit_logs_are_judged_rightly_where_a_run_names_them() {
    let Some(folder) = std::env::var_os("FREEHOLD_PLC_INTEROP_DIR") else {
        return;
    };
    for (verdict, count) in [("valid", 8), ("invalid", 10)] {
        let files = std::path::Path::new(&folder).join(verdict).read_dir().expect("a folder");
        let paths: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
        assert!(paths.len() >= count, "{} files", paths.len());
        for path in paths {
            let text = std::fs::read_to_string(&path).expect("a file");
            let json: Vec<Value> = serde_json::from_str(&text).expect("JSON");
            let judged = audit_of_json(&json);
            assert_eq!(judged.is_ok(), verdict == "valid", "{}: {judged:?}", path.display());
        }
    }
}

fn audit_of_json(json: &[Value]) -> Result<(), String> {
    let mut log = Vec::new();
    for entry in json {
        let operation = Operation::from_json(entry["operation"].clone());
        let operation = operation.map_err(|error| error.to_string())?;
        if operation.cid().to_string() != entry["cid"] {
            return Err("another CID".to_owned());
        }
        let created_at = entry["createdAt"].as_str().expect("a text");
        let created_at: Moment = created_at.parse().expect("a moment");
        let nullified_at = (entry["nullified"] == true).then_some(created_at);
        log.push(Entry { operation, created_at, nullified_at });
    }
    let did = json[0]["did"].as_str().expect("a text");
    let did = Did::new(did.to_owned()).map_err(str::to_owned)?;
    audit(&did, &log).map_err(|(place, refused)| format!("entry {place}: {refused}"))
}
