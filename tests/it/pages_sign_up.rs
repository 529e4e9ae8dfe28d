//! Signing up by the page: a handle that is checked while it is typed, a key of
//! one's own, and no password.

use freehold::atproto::syntax::Did;
use freehold::store::accounts;
use freehold::store::passkeys::{self, StoredPasskey};
use freehold::store::{Batch, accounts::Account};
use serde_json::{Value, json};

use crate::harness::browser::{Browser, Shown};
use crate::harness::{Answer, Body, Owner, Town};

async fn sign_up(browser: &Browser, path: &str, more: &[(&str, &str)]) -> Shown {
    let page = browser.open(path).await;
    let mut fill = vec![("name", "alice"), ("email", "alice@mail.test")];
    fill.extend(more);
    browser.submit(&page, "/account/sign-up", &fill).await
}

async fn account(town: &Town) -> Account {
    let handle = freehold::atproto::syntax::Handle::new("alice.pds.test".to_owned());
    let db = &town.server().services().store.db;
    let found = accounts::find_by_handle(db, &handle.expect("a handle")).await;
    found.expect("the store answers").expect("alice is here")
}

async fn log_in(town: &Town, password: &str) -> Answer {
    let input = json!({ "identifier": "alice.pds.test", "password": password });
    town.visitor().procedure("com.atproto.server.createSession", &input).await
}

/// Gives alice a passkey that nobody holds.
async fn plant_passkey(town: &Town, id: &str) {
    let services = town.server().services();
    let new = StoredPasskey {
        id: id.to_owned(),
        account: account(town).await.id,
        name: "a key".to_owned(),
        credential: "{}".to_owned(),
        created_at: services.world.clock.now(),
        used_at: None,
    };
    let mut batch = Batch::new();
    passkeys::insert(&mut batch, &new);
    services.store.db.run(batch).await.expect("it is kept");
}

async fn with_mail(town: &mut Town) {
    let settings = [
        ("FREEHOLD_MAIL_SMTP_URL", "smtp://mail.test:25"),
        ("FREEHOLD_MAIL_FROM_ADDRESS", "pds@pds.test"),
    ];
    town.restart_with(&settings).await;
}

async fn code(town: &Town) -> String {
    let letter = town.world.mail.receive("alice@mail.test").await;
    let line = letter.text.lines().find(|line| line.starts_with("    "));
    line.expect("a code").trim().to_owned()
}

on_both_engines! {
    /// The page asks whether a handle is free, in its reader's language.
    async fn a_handle_is_checked_while_it_is_typed(town) {
        town.owner("bob").await;
        let browser = town.browser();
        let said = async |name: &str| {
            let told = browser.open(&format!("/account/sign-up/handle?name={name}")).await;
            let told: Value = serde_json::from_str(&told.html).expect("JSON");
            (told["free"] == true, told["said"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(said("alice").await, (true, "alice.pds.test is free.".to_owned()));
        assert!(!said("bob").await.0);
        assert!(said("bob").await.1.contains("already"));
        for name in ["a%20b", "x", "", "alice.example.com", "%3Cb%3E"] {
            let (free, said) = said(name).await;
            assert!(!free && said.contains("not possible"), "{name}: {said}");
        }
    }

    /// The key is shown once and outranks the server's; nothing of its secret stays.
    async fn a_recovery_key_is_made_and_shown_once(town) {
        let browser = town.browser();
        let fill = [("password", "alice's password"), ("make_key", "yes")];
        let kit = sign_up(&browser, "/account/sign-up", &fill).await;
        assert!(kit.says("Your recovery key") && kit.says("<svg"), "{}", kit.html);
        let did = account(town).await.did;
        let state = town.server().services().identity.plc().state(&did).await;
        let state = serde_json::to_value(state.expect("it is known")).expect("JSON");
        let first = state["rotationKeys"][0].as_str().expect("a key");
        assert_eq!(state["rotationKeys"].as_array().map(Vec::len), Some(2));
        assert!(kit.says(first), "{first} is not in {}", kit.html);
        let secret = kit.html.split("<pre>").nth(1).and_then(|rest| rest.split('<').next());
        let secret = secret.expect("a secret");
        assert!(secret.starts_with("z3v") && secret.len() > 45, "{secret}");
        // It is nowhere else.
        assert_eq!(browser.open("/account").await.status, 200);
        for entry in std::fs::read_dir(town.folder()).expect("a folder").flatten() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
        }
    }

    /// Who signs up with a passkey has no password, and none opens the account. A
    /// password can be set later, without a present one.
    async fn an_account_without_a_password(town) {
        let browser = town.browser();
        let page = browser.open("/account/sign-up").await;
        assert!(page.says("/account/sign-up?with=passkey"), "{}", page.html);
        let done = sign_up(&browser, "/account/sign-up?with=passkey", &[]).await;
        assert_eq!(done.location(), "/account/passkeys");
        for password in ["", "!", "anything"] {
            let answer = log_in(town, password).await;
            assert!(answer.status.is_client_error(), "{password}");
        }
        let page = browser.open("/account/password").await;
        assert!(page.says("has no password") && !page.says("name=\"current\""), "{}", page.html);
        plant_passkey(town, "one").await;
        let keys = browser.open("/account/passkeys").await;
        let kept = browser.submit(&keys, "/account/passkeys/remove", &[]).await;
        assert!(kept.says("your only way in"), "{}", kept.html);
        let fill = [("password", "a first password")];
        let set = browser.submit(&page, "/account/password", &fill).await;
        assert!(set.says("Your password is changed"), "{}", set.html);
        log_in(town, "a first password").await.ok();
        // The same page, sent again, is no way around the password that is there.
        let again = browser.open("/account/password").await;
        let fill = [("password", "another"), ("current", "")];
        let refused = browser.submit(&again, "/account/password", &fill).await;
        assert!(refused.says("The present password is not right"), "{}", refused.html);
    }

    /// A password goes only where a passkey stays, and its owner is told.
    async fn a_password_is_taken_away(town) {
        with_mail(town).await;
        let alice = town.owner("alice").await;
        let request = "com.atproto.server.requestEmailConfirmation";
        alice.client.call(request, Body::None).await.ok();
        let input = json!({ "email": "alice@mail.test", "token": code(town).await });
        alice.client.procedure("com.atproto.server.confirmEmail", &input).await.ok();
        let browser = town.browser_of(&alice).await;
        let page = browser.open("/account/password").await;
        assert!(!page.says("/account/password/remove"));
        let mut fields = page.form("/account/password");
        fields.remove("current");
        let refused = browser.post("/account/password/remove", &fields).await;
        assert_eq!(refused.status, 400, "{}", refused.html);
        plant_passkey(town, "one").await;
        let page = browser.open("/account/password").await;
        let done = browser.submit(&page, "/account/password/remove", &[]).await;
        assert!(done.says("has no password any more"), "{}", done.html);
        assert!(log_in(town, &alice.password).await.status.is_client_error());
        let mail = &town.world.mail;
        // The first tells of the new browser.
        mail.receive("alice@mail.test").await;
        let letter = mail.receive("alice@mail.test").await;
        assert!(letter.text.contains("no password any"), "{}", letter.text);
        // What was open stays open.
        alice.post("still here").await;
    }

    /// Whoever has no password deletes the account by a code and a fresh sign-in.
    async fn an_account_without_a_password_is_deleted(town) {
        with_mail(town).await;
        let browser = town.browser();
        sign_up(&browser, "/account/sign-up?with=passkey", &[]).await;
        let did = account(town).await.did;
        let page = browser.open("/account/leave").await;
        let page = browser.submit(&page, "/account/leave/code", &[]).await;
        assert!(!page.says("name=\"password\""), "{}", page.html);
        let code = code(town).await;
        let wrong = browser.submit(&page, "/account/leave/delete", &[("code", "AAAAA-AAAAA")]).await;
        assert_eq!(wrong.status, 400);
        town.world.clock.advance(std::time::Duration::from_secs(10 * 60));
        let gone = browser.submit(&page, "/account/leave/delete", &[("code", &code)]).await;
        assert_eq!(gone.location(), "/");
        absent(town, &did).await;
    }

    /// Nor does the form without a password delete an account that has one.
    async fn a_password_is_not_gone_around(town) {
        with_mail(town).await;
        let alice: Owner = town.owner("alice").await;
        let browser = town.browser_of(&alice).await;
        let page = browser.open("/account/leave").await;
        let page = browser.submit(&page, "/account/leave/code", &[]).await;
        let code = code(town).await;
        let fill = [("code", &*code), ("password", "")];
        let refused = browser.submit(&page, "/account/leave/delete", &fill).await;
        assert_eq!(refused.status, 400, "{}", refused.html);
        alice.post("still here").await;
    }
}

async fn absent(town: &Town, did: &Did) {
    let params = [("did", did.as_str())];
    let status = town.visitor().query("com.atproto.sync.getRepoStatus", &params).await;
    status.refused(400, "RepoNotFound");
}
