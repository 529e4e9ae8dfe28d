//! The formats against the protocol's vectors.

use super::*;
use crate::atproto::interop;

type IsValid = fn(&str) -> bool;

/// Every format with how its texts are named in the vectors.
const FORMATS: [(&str, &str, IsValid); 11] = [
    ("at-identifier", "atidentifier", is::<AtIdentifier>),
    ("at-uri", "aturi", is::<AtUri>),
    ("cid", "cid", is::<CidText>),
    ("datetime", "datetime", is::<Datetime>),
    ("did", "did", is::<Did>),
    ("handle", "handle", is::<Handle>),
    ("language", "language", is::<Language>),
    ("nsid", "nsid", is::<Nsid>),
    ("record-key", "recordkey", is::<RecordKey>),
    ("tid", "tid", is::<Tid>),
    ("uri", "uri", is::<Uri>),
];

fn is<T: std::str::FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// Writes `<c*n>` out.
fn expand(text: &str) -> String {
    let Some((before, rest)) = text.split_once('<') else {
        return text.to_owned();
    };
    let (run, after) = rest.split_once('>').expect("a run ends with >");
    let (unit, count) = run.split_once('*').expect("a run has a count");
    let run = unit.repeat(count.parse().expect("a number"));
    format!("{before}{run}{}", expand(after))
}

#[test]
fn our_table_of_vectors() {
    let table = include_str!("../../../tests/vectors/syntax.txt");
    let mut checked = 0;
    for line in table.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let mut words = line.splitn(3, ' ');
        let (format, verdict) = (words.next(), words.next());
        let text = words.next().expect("a text");
        let text = expand(&serde_json::from_str::<String>(text).expect("a JSON string"));
        let (_, _, is_valid) =
            FORMATS.iter().find(|(name, _, _)| Some(*name) == format).expect("a known format");
        assert_eq!(is_valid(&text), verdict == Some("valid"), "{line}");
        checked += 1;
    }
    assert!(checked > 400, "only {checked} lines were read");
}

#[test]
fn the_public_vectors() {
    for (_, name, is_valid) in FORMATS {
        interop::lines(&format!("syntax/{name}_syntax_valid.txt"), |text| {
            assert!(is_valid(text), "{name}: {text:?} is valid");
        });
        interop::lines(&format!("syntax/{name}_syntax_invalid.txt"), |text| {
            assert!(!is_valid(text), "{name}: {text:?} is invalid");
        });
    }
    interop::lines("syntax/datetime_parse_invalid.txt", |text| {
        assert!(!is::<Datetime>(text), "{text:?} is no datetime");
    });
    interop::lines("syntax/language_parse_invalid.txt", |text| {
        assert!(!is::<Language>(text), "{text:?} is no language");
    });
}

#[test]
fn an_at_uri_comes_apart() {
    let uri: AtUri = "at://user.bsky.social/com.example.thing/self".parse().expect("valid");
    assert_eq!(uri.authority().as_ref(), "user.bsky.social");
    assert_eq!(uri.collection().as_deref(), Some("com.example.thing"));
    assert_eq!(uri.rkey().as_deref(), Some("self"));

    let uri: AtUri = "at://did:plc:asdf123".parse().expect("valid");
    assert_eq!(uri.authority().as_ref(), "did:plc:asdf123");
    assert_eq!((uri.collection(), uri.rkey()), (None, None));
}

#[test]
fn datetimes_keep_their_text_and_know_their_moment() {
    let datetime: Datetime = "1985-04-12T23:20:50.1239-10:00".parse().expect("valid");
    assert_eq!(datetime.as_str(), "1985-04-12T23:20:50.1239-10:00");
    assert_eq!(datetime.moment().to_string(), "1985-04-13T09:20:50.123Z");
    assert_eq!(Datetime::from(datetime.moment()).moment(), datetime.moment());
}

#[test]
fn handles_have_one_spelling() {
    let handle = normalize_handle("Alice.Example.COM").expect("valid");
    assert_eq!(handle.as_str(), "alice.example.com");
    assert_eq!(normalize_handle("@alice.example.com"), Err(HandleError));
    assert_eq!(normalize_handle("alice"), Err(HandleError));
}

#[test]
fn reserved_top_level_domains_are_known() {
    for (handle, expected) in [
        ("alice.example", true),
        ("alice.LOCALHOST", true),
        ("alice.onion", true),
        (INVALID_HANDLE, true),
        ("alice.test", false),
        ("alice.example.com", false),
        ("local.alice.org", false),
    ] {
        let handle = handle.parse().expect("a handle");
        assert_eq!(is_disallowed_tld(&handle), expected, "{handle:?}");
    }
}
