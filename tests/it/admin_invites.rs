//! Invite codes: listed, disabled, given to accounts.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Town};

const CODES: &str = "com.atproto.admin.getInviteCodes";
const OWN: &str = "com.atproto.server.getAccountInviteCodes";
const DISABLE: &str = "com.atproto.admin.disableInviteCodes";

async fn made(admin: &Client, uses: u32, account: Option<&str>) -> String {
    let mut input = json!({ "useCount": uses });
    if let Some(account) = account {
        input["forAccount"] = json!(account);
    }
    let made = admin.procedure("com.atproto.server.createInviteCode", &input).await.ok();
    made["code"].as_str().expect("a code").to_owned()
}

async fn sign_up(town: &Town, name: &str, code: &str) -> Answer {
    let input = json!({
        "handle": format!("{name}.pds.test"),
        "email": format!("{name}@mail.test"),
        "password": "a password",
        "inviteCode": code,
    });
    town.visitor().procedure("com.atproto.server.createAccount", &input).await
}

fn names(page: &Value) -> Vec<&str> {
    let codes = page["codes"].as_array().expect("a list");
    codes.iter().map(|code| code["code"].as_str().expect("a code")).collect()
}

on_both_engines! {
    /// An account earns a code for each interval that it stays, five at most
    /// unless it gives some away, and none while it is banned.
    async fn accounts_earn_codes_by_staying(town) {
        let alice = town.owner("alice").await;
        let day = std::time::Duration::from_secs(24 * 60 * 60);
        town.restart_with(&[
            ("FREEHOLD_ACCOUNTS_INVITE_REQUIRED", "true"),
            ("FREEHOLD_ACCOUNTS_INVITE_INTERVAL_MS", "86400000"),
        ])
        .await;
        let own = async |params: &[(&str, &str)]| {
            let alice = town.log_in(&alice.on(town)).await;
            let codes = alice.client.query(OWN, params).await.ok();
            names(&codes).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(own(&[]).await.len(), 0);
        town.world.clock.advance(2 * day);
        assert_eq!(own(&[("createAvailable", "false")]).await.len(), 0);
        let two = own(&[]).await;
        assert_eq!((two.len(), own(&[]).await), (2, two.clone()));
        sign_up(town, "bob", &two[0]).await.ok();
        town.world.clock.advance(30 * day);
        assert_eq!(own(&[]).await.len(), 6);
        assert_eq!(own(&[("includeUsed", "false")]).await.len(), 5);
        let ban = json!({ "account": alice.did });
        let admin = town.admin();
        admin.procedure("com.atproto.admin.disableAccountInvites", &ban).await.ok_bytes();
        sign_up(town, "carol", &two[1]).await.ok();
        assert_eq!(own(&[]).await.len(), 6);
    }

    /// All codes are listed, by age or by use, page by page, with who used them.
    async fn the_operator_lists_codes(town) {
        town.restart_with(&[("FREEHOLD_ACCOUNTS_INVITE_REQUIRED", "true")]).await;
        let admin = town.admin();
        let first = made(&admin, 3, None).await;
        town.world.clock.advance(std::time::Duration::from_secs(1));
        let second = made(&admin, 1, None).await;
        let alice = sign_up(town, "alice", &first).await.ok();
        let recent = admin.query(CODES, &[("limit", "1")]).await.ok();
        assert_eq!(names(&recent), [&second]);
        let cursor = recent["cursor"].as_str().expect("there is more").to_owned();
        let next = admin.query(CODES, &[("cursor", &cursor)]).await.ok();
        assert_eq!(names(&next), [&first]);
        assert_eq!((&next["codes"][0]["available"], &next["codes"][0]["disabled"]), (&json!(3), &json!(false)));
        assert_eq!(next["codes"][0]["uses"][0]["usedBy"], alice["did"]);
        let usage = admin.query(CODES, &[("sort", "usage"), ("limit", "1")]).await.ok();
        assert_eq!(names(&usage), [&first]);
        let cursor = usage["cursor"].as_str().expect("there is more").to_owned();
        let next = admin.query(CODES, &[("sort", "usage"), ("cursor", &cursor)]).await.ok();
        assert_eq!(names(&next), [&second]);
        admin.query(CODES, &[("cursor", "nonsense")]).await.refused(400, "InvalidRequest");
        admin.query(CODES, &[("sort", "beauty")]).await.refused(400, "InvalidRequest");
    }

    /// A code that was disabled lets nobody in; those of the operator cannot be
    /// disabled all at once by mistake.
    async fn a_disabled_code_lets_nobody_in(town) {
        town.restart_with(&[("FREEHOLD_ACCOUNTS_INVITE_REQUIRED", "true")]).await;
        let admin = town.admin();
        let (bad, good) = (made(&admin, 5, None).await, made(&admin, 5, None).await);
        admin.procedure(DISABLE, &json!({ "codes": [bad] })).await.ok_bytes();
        sign_up(town, "alice", &bad).await.refused(400, "InvalidInviteCode");
        sign_up(town, "alice", &good).await.ok();
        admin.procedure(DISABLE, &json!({ "accounts": ["admin"] })).await.refused(400, "InvalidRequest");
        sign_up(town, "bob", &good).await.ok();
    }

    /// An account sees its own codes, and loses them when the operator says so.
    async fn an_account_sees_its_codes(town) {
        let (alice, admin) = (town.owner("alice").await, town.admin());
        let code = made(&admin, 1, Some(&alice.did)).await;
        made(&admin, 1, None).await;
        let own = alice.client.query(OWN, &[]).await.ok();
        assert_eq!(names(&own), [&code]);
        admin.procedure(DISABLE, &json!({ "accounts": [alice.did] })).await.ok_bytes();
        assert_eq!(names(&alice.client.query(OWN, &[]).await.ok()), Vec::<&str>::new());
        let whose = json!({ "account": alice.did, "note": "gave codes to robots" });
        admin.procedure("com.atproto.admin.disableAccountInvites", &whose).await.ok_bytes();
        let params = [("did", alice.did.as_str())];
        let view = admin.query("com.atproto.admin.getAccountInfo", &params).await.ok();
        assert_eq!((&view["invitesDisabled"], &view["inviteNote"]), (&json!(true), &whose["note"]));
        assert_eq!(view["invites"][0]["code"], json!(code));
        admin.procedure("com.atproto.admin.enableAccountInvites", &whose).await.ok_bytes();
        let nobody = json!({ "account": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa" });
        admin.procedure("com.atproto.admin.disableAccountInvites", &nobody).await.refused(400, "NotFound");
    }
}
