//! Scopes as the specification and the official library read them.

use serde_json::json;

use super::*;

fn nsid(text: &str) -> Nsid {
    Nsid::new(text.to_owned()).expect("an NSID")
}

fn scopes(text: &str) -> Scopes {
    Scopes::parse(text)
}

#[test]
fn a_scope_has_one_usual_form() {
    let check = |text: &str, expected: &str| {
        let scope = Scope::parse(text).unwrap_or_else(|| panic!("{text} is a scope"));
        assert_eq!(scope.to_string(), expected, "{text}");
        assert_eq!(Scope::parse(expected), Some(scope), "{text}");
    };
    check("atproto", "atproto");
    check("transition:generic", "transition:generic");
    check("repo:*", "repo:*");
    check("repo:com.example.a?action=create&action=update&action=delete", "repo:com.example.a");
    check(
        "repo?collection=com.example.b&collection=com.example.a&action=delete&action=create",
        "repo?collection=com.example.a&collection=com.example.b&action=create&action=delete",
    );
    check("repo?collection=com.example.a&collection=*", "repo:*");
    check(
        "rpc?lxm=com.example.get&aud=did%3Aweb%3Aapi.test%23svc",
        "rpc:com.example.get?aud=did:web:api.test%23svc",
    );
    check("rpc:com.example.get?aud=*", "rpc:com.example.get?aud=*");
    check("rpc:*?aud=did:web:api.test%23svc", "rpc:*?aud=did:web:api.test%23svc");
    check("blob:*/*", "blob:*/*");
    check("blob:image%2F*", "blob:image/*");
    check(
        "blob?accept=image/PNG&accept=image/*&accept=video/mp4",
        "blob?accept=image/*&accept=video/mp4",
    );
    check("blob:image/svg+xml", "blob:image/svg+xml");
    check("account:email", "account:email");
    check("account:email?action=read", "account:email");
    check("account?attr=repo&action=manage", "account:repo?action=manage");
    check("account:repo?action=read&action=manage", "account:repo?action=manage");
    check("identity:handle", "identity:handle");
    check("identity:*", "identity:*");
    check("include:com.example.basic", "include:com.example.basic");
    check(
        "include:com.example.basic?aud=did:web:api.test%23svc",
        "include:com.example.basic?aud=did:web:api.test%23svc",
    );
}

#[test]
fn what_is_not_understood_is_no_scope() {
    for text in [
        "",
        "openid",
        "Atproto",
        "transition:other",
        "repo",
        "repo:",
        "repo:not-an-nsid",
        "repo:com.example.*",
        "repo:com.example.a?action=read",
        "repo:com.example.a?collection=com.example.b",
        "repo:com.example.a?other=1",
        "repo:com.example.a%2",
        "rpc:com.example.get",
        "rpc:com.example.get?aud=did:web:api.test",
        "rpc:*?aud=*",
        "rpc:com.example.get?aud=*&aud=*",
        "blob",
        "blob:*",
        "blob:*/png",
        "blob:image",
        "account",
        "account:name",
        "account:email?action=delete",
        "identity:email",
        "identity:handle?action=manage",
        "include:example",
        "include:com.example.basic?aud=*",
        "space:com.example.a",
        "repo:com.example.a\u{e9}",
        "repo:com.example.\"a",
    ] {
        assert_eq!(Scope::parse(text), None, "{text}");
    }
}

#[test]
fn a_need_is_met_by_what_allows_it() {
    let (post, like) = (nsid("app.bsky.feed.post"), nsid("app.bsky.feed.like"));
    let (get, chat) = (nsid("app.bsky.feed.getFeed"), nsid("chat.bsky.convo.getLog"));
    let view = "did:web:api.test#view";
    let write = |collection, action| Need::Write { collection, action };
    let call = |method, audience| Need::Call { method, audience };
    let email =
        |action| Need::Account(AccountPermission { attribute: AccountAttribute::Email, action });
    let check = |text: &str, need: &Need<'_>, allowed: bool| {
        assert_eq!(scopes(text).allow(need), allowed, "{text}: {need:?}");
    };
    check("atproto repo:*", &write(&post, RepoAction::Create), true);
    check("repo:app.bsky.feed.post?action=create", &write(&post, RepoAction::Create), true);
    check("repo:app.bsky.feed.post?action=create", &write(&post, RepoAction::Update), false);
    check("repo:app.bsky.feed.post", &write(&like, RepoAction::Create), false);
    check("transition:generic", &write(&like, RepoAction::Delete), true);
    check("transition:chat.bsky", &write(&like, RepoAction::Delete), false);
    check("blob:image/*", &Need::Upload { media_type: "image/PNG" }, true);
    check("blob:image/png", &Need::Upload { media_type: "image/jpeg" }, false);
    check("blob:*/*", &Need::Upload { media_type: "text/plain" }, true);
    check("transition:generic", &Need::Upload { media_type: "text/plain" }, true);
    check("rpc:app.bsky.feed.getFeed?aud=did:web:api.test%23view", &call(Some(&get), view), true);
    check("rpc:app.bsky.feed.getFeed?aud=did:web:api.test%23view", &call(None, view), false);
    check("rpc:*?aud=did:web:api.test%23view", &call(None, view), true);
    check("rpc:*?aud=did:web:api.test%23view", &call(Some(&get), "did:web:api.test#other"), false);
    check("rpc:app.bsky.feed.getFeed?aud=*", &call(Some(&get), view), true);
    check("rpc:app.bsky.feed.getFeed?aud=*", &call(Some(&chat), view), false);
    check("transition:generic", &call(Some(&get), view), true);
    check("transition:generic", &call(None, view), false);
    check("transition:generic transition:chat.bsky", &call(None, view), true);
    let shouted = nsid("chat.BSKY.convo.getLog");
    check("transition:generic", &call(Some(&shouted), view), false);
    check("transition:generic", &call(Some(&chat), view), false);
    check("transition:generic transition:chat.bsky", &call(Some(&chat), view), true);
    check("account:email", &email(AccountAction::Read), true);
    check("account:email", &email(AccountAction::Manage), false);
    check("account:email?action=manage", &email(AccountAction::Read), true);
    check("transition:email", &email(AccountAction::Read), true);
    check("transition:email", &email(AccountAction::Manage), false);
    check("account:repo?action=manage", &email(AccountAction::Read), false);
    check("identity:*", &Need::Identity(IdentityPermission::Handle), true);
    check("identity:handle", &Need::Identity(IdentityPermission::Everything), false);
    check("transition:generic", &Need::Identity(IdentityPermission::Handle), false);
    check("include:app.bsky.basic", &write(&post, RepoAction::Create), false);
}

#[test]
fn a_need_names_the_scope_that_would_meet_it() {
    let post = nsid("app.bsky.feed.post");
    let needs = [
        Need::Write { collection: &post, action: RepoAction::Create },
        Need::Upload { media_type: "image/png" },
        Need::Call { method: Some(&post), audience: "did:web:api.test#view" },
        Need::Call { method: None, audience: "did:web:api.test#view" },
        Need::Identity(IdentityPermission::Handle),
        Need::Account(AccountPermission {
            attribute: AccountAttribute::Repo,
            action: AccountAction::Manage,
        }),
    ];
    for need in needs {
        assert!(scopes(&need.scope()).allow(&need), "{need:?}: {}", need.scope());
    }
}

#[test]
fn a_list_keeps_its_order_and_each_scope_once() {
    let list = scopes("atproto  repo:* openid repo:*?action=create&action=update&action=delete");
    assert_eq!(list.to_string(), "atproto repo:*");
    assert!(list.is_atproto());
    assert!(!scopes("repo:*").is_atproto());
}

#[test]
fn a_permission_set_gives_what_its_authority_covers() {
    let name = nsid("com.example.calendar.basic");
    let entry = |entry: serde_json::Value| {
        let document = json!({
            "lexicon": 1,
            "id": "com.example.calendar.basic",
            "defs": { "main": { "type": "permission-set", "permissions": [entry] } },
        });
        let set = PermissionSet::read(&name, &document).expect("a set");
        let include =
            Include { nsid: name.clone(), audience: Some("did:web:api.test#calendar".to_owned()) };
        set.scopes(&include).into_iter().map(|scope| scope.to_string()).collect::<Vec<_>>()
    };
    let check = |given: serde_json::Value, expected: &[&str]| {
        assert_eq!(entry(given.clone()), expected, "{given}");
    };
    check(
        json!({ "type": "permission", "resource": "repo",
            "collection": ["com.example.calendar.event", "com.example.calendar.sub.rsvp"] }),
        &["repo?collection=com.example.calendar.event&collection=com.example.calendar.sub.rsvp"],
    );
    check(
        json!({ "type": "permission", "resource": "repo", "action": ["create"],
            "collection": ["com.example.calendar.event"] }),
        &["repo:com.example.calendar.event?action=create"],
    );
    check(json!({ "resource": "repo", "collection": ["com.example.other"] }), &[]);
    check(json!({ "resource": "repo", "collection": ["com.example.calendarx.event"] }), &[]);
    check(json!({ "resource": "repo", "collection": ["*"] }), &[]);
    check(
        json!({ "resource": "rpc", "lxm": ["com.example.calendar.list"], "inheritAud": true }),
        &["rpc:com.example.calendar.list?aud=did:web:api.test%23calendar"],
    );
    check(
        json!({ "resource": "rpc", "lxm": ["com.example.calendar.list"], "aud": "*" }),
        &["rpc:com.example.calendar.list?aud=*"],
    );
    check(
        json!({ "resource": "rpc", "lxm": ["com.example.calendar.list"],
            "aud": "did:web:evil.test#calendar" }),
        &[],
    );
    check(json!({ "resource": "rpc", "lxm": ["*"], "inheritAud": true }), &[]);
    check(json!({ "resource": "rpc", "lxm": ["com.example.calendar.list"] }), &[]);
    check(json!({ "resource": "blob", "accept": ["*/*"] }), &[]);
    check(json!({ "resource": "identity", "attr": "*" }), &[]);
    check(json!({ "resource": "repo", "collection": [1] }), &[]);
}

#[test]
fn a_lexicon_of_another_name_or_kind_is_no_set() {
    let name = nsid("com.example.basic");
    let document = |id: &str, kind: &str| {
        json!({ "lexicon": 1, "id": id, "defs": { "main": {
            "type": kind, "title": "Basic", "title:lang": { "de": "Einfach" }, "permissions": [] } } })
    };
    let set = PermissionSet::read(&name, &document("com.example.basic", "permission-set"));
    let set = set.expect("a set");
    assert_eq!((set.title("de"), set.title("fr")), (Some("Einfach"), Some("Basic")));
    assert_eq!(set.detail("en"), None);
    assert!(PermissionSet::read(&name, &document("com.example.other", "permission-set")).is_err());
    assert!(PermissionSet::read(&name, &document("com.example.basic", "record")).is_err());
}
