//! Second factors and lock-outs: what an attacker meets who has a password, or
//! tries many.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use ring::hmac;
use serde_json::json;

use crate::harness::browser::{Browser, Shown};
use crate::harness::{Answer, Owner, Town};

const CREATE_SESSION: &str = "com.atproto.server.createSession";
const HALF_MINUTE: Duration = Duration::from_secs(30);

/// What an authenticator app shows.
fn totp(town: &Town, secret: &str) -> String {
    let secret = BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).expect("base32");
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret);
    let step = town.world.clock.now().unix_secs() / 30;
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 0x0f);
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&tag.as_ref()[at..at + 4]);
    format!("{:06}", (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 1_000_000)
}

fn between<'p>(page: &'p Shown, begin: &str, end: &str) -> &'p str {
    let rest = page.html.split(begin).nth(1).unwrap_or_else(|| panic!("no {begin}: {}", page.html));
    rest.split(end).next().unwrap_or(rest)
}

/// Sets an authenticator app up; returns its secret and the recovery codes.
async fn set_up(town: &Town, browser: &Browser) -> (String, Vec<String>) {
    let page = browser.open("/account/security").await;
    let shown = browser.submit(&page, "/account/security/totp", &[]).await;
    assert!(shown.says("<svg class=\"qr\""), "{}", shown.html);
    let secret = between(&shown, "<pre>", "</pre>").to_owned();
    let wrong =
        browser.submit(&shown, "/account/security/totp/confirm", &[("code", "000000")]).await;
    assert!(wrong.status == 400 && wrong.says("This code is not right"));
    let fill = [("code", &*totp(town, &secret))];
    let done = browser.submit(&shown, "/account/security/totp/confirm", &fill).await;
    assert!(done.says("It is turned on"), "{}", done.html);
    let codes = between(&done, "<pre>", "</pre>").lines().map(str::to_owned).collect();
    (secret, codes)
}

async fn log_in(town: &Town, owner: &Owner, code: Option<&str>) -> Answer {
    let mut input = json!({ "identifier": owner.handle, "password": owner.password });
    if let Some(code) = code {
        input["authFactorToken"] = json!(code);
    }
    town.visitor().procedure(CREATE_SESSION, &input).await
}

/// Where somebody is who guesses.
const THIEF: &str = "203.0.113.7";

async fn log_in_from(address: &str, town: &Town, owner: &Owner) -> Answer {
    let visitor = town.visitor().with_header("x-forwarded-for", address);
    let input = json!({ "identifier": owner.handle, "password": owner.password });
    visitor.procedure(CREATE_SESSION, &input).await
}

async fn confirm_email(town: &Town, owner: &Owner) {
    owner
        .client
        .call("com.atproto.server.requestEmailConfirmation", crate::harness::Body::None)
        .await
        .ok();
    let code = mailed_code(town).await;
    let input = json!({ "email": "alice@mail.test", "token": code });
    owner.client.procedure("com.atproto.server.confirmEmail", &input).await.ok();
}

/// The code of the next letter that has one.
async fn mailed_code(town: &Town) -> String {
    loop {
        let letter = town.world.mail.receive("alice@mail.test").await;
        if let Some(line) = letter.text.lines().find(|line| line.starts_with("    ")) {
            return line.trim().to_owned();
        }
    }
}

on_both_engines! {
    /// With an authenticator app, a password alone opens nothing; each code is good
    /// once.
    async fn a_password_alone_opens_nothing(town) {
        let alice = town.owner("alice").await;
        let browser = town.browser_of(&alice).await;
        let (secret, codes) = set_up(town, &browser).await;
        assert_eq!(codes.len(), 10);
        log_in(town, &alice, None).await.refused(401, "AuthFactorTokenRequired");
        log_in(town, &alice, Some("000000")).await.refused(400, "InvalidToken");
        // The code with which it was set up is used.
        log_in(town, &alice, Some(&totp(town, &secret))).await.refused(400, "InvalidToken");
        town.world.clock.advance(HALF_MINUTE);
        let code = totp(town, &secret);
        log_in(town, &alice, Some(&code)).await.ok();
        log_in(town, &alice, Some(&code)).await.refused(400, "InvalidToken");
        log_in(town, &alice, Some(&codes[0])).await.ok();
        log_in(town, &alice, Some(&codes[0])).await.refused(400, "InvalidToken");
        // A wrong password is told before anything is asked.
        let wrong = Owner { password: "wrong".to_owned(), ..alice.clone() };
        log_in(town, &wrong, None).await.refused(401, "AuthenticationRequired");
        // App passwords are what programs have.
        let made = alice.client.procedure("com.atproto.server.createAppPassword", &json!({ "name": "bot" })).await.ok();
        let bot = Owner { password: made["password"].as_str().expect("a password").to_owned(), ..alice };
        log_in(town, &bot, None).await.ok();
    }

    /// On the page the code is asked for, once for a browser that is kept in mind.
    async fn the_page_asks_for_the_code(town) {
        let alice = town.owner("alice").await;
        let (secret, codes) = set_up(town, &town.browser_of(&alice).await).await;
        town.world.clock.advance(HALF_MINUTE);
        let browser = town.browser();
        let sign_in = async |keep: &str| {
            let page = browser.open("/account/sign-in").await;
            let fill = [("identifier", &*alice.handle), ("password", &*alice.password), ("keep", keep)];
            browser.submit(&page, "/account/sign-in", &fill).await
        };
        let asked = sign_in("yes").await;
        assert_eq!(asked.location(), "/account/sign-in/code");
        assert_eq!(browser.open("/account").await.location(), "/account/sign-in");
        let page = browser.open(asked.location()).await;
        let wrong = browser.submit(&page, "/account/sign-in/code", &[("code", "000000")]).await;
        assert!(wrong.status == 400 && wrong.says("This code is not right"));
        let fill = [("code", &*totp(town, &secret))];
        let entered = browser.submit(&page, "/account/sign-in/code", &fill).await;
        assert_eq!(entered.location(), "/account");
        assert_eq!(browser.open("/account").await.status, 200);
        let overview = browser.open("/account").await;
        browser.submit(&overview, "/account/sign-out", &[]).await;
        assert_eq!(sign_in("yes").await.location(), "/account", "the browser is trusted");
        let stranger = town.browser();
        assert_eq!(stranger.open("/account/sign-in/code").await.location(), "/account/sign-in");
        let page = stranger.open("/account/sign-in").await;
        let fill = [("identifier", &*alice.handle), ("password", &*alice.password)];
        stranger.submit(&page, "/account/sign-in", &fill).await;
        let page = stranger.open("/account/sign-in/code").await;
        let late = stranger.open("/account/sign-in/code").await;
        let entered = stranger.submit(&page, "/account/sign-in/code", &[("code", &*codes[1])]).await;
        assert_eq!(entered.location(), "/account");
        // What was begun ends after ten minutes, and is used up.
        let again = stranger.submit(&late, "/account/sign-in/code", &[("code", &*codes[2])]).await;
        assert_eq!(again.status, 403);
        // Turned off, nothing is asked.
        let page = browser.open("/account/security").await;
        let off = browser.submit(&page, "/account/security/totp/remove", &[]).await;
        assert!(off.says("It is turned off"), "{}", off.html);
        log_in(town, &alice, None).await.ok();
    }

    /// Codes by e-mail are what the Bluesky app knows: it turns them on and off, and
    /// asks for them.
    async fn codes_by_email_work_as_apps_know_them(town) {
        let alice = town.owner("alice").await;
        let update = async |input: serde_json::Value| {
            alice.client.procedure("com.atproto.server.updateEmail", &input).await
        };
        let on = json!({ "email": "alice@mail.test", "emailAuthFactor": true });
        let refused = update(on.clone()).await.refused(400, "InvalidRequest");
        assert!(refused.contains("confirm"), "{refused}");
        confirm_email(town, &alice).await;
        update(on).await.ok();
        let session = alice.client.query("com.atproto.server.getSession", &[]).await.ok();
        assert_eq!(session["emailAuthFactor"], true);
        log_in(town, &alice, None).await.refused(401, "AuthFactorTokenRequired");
        let code = mailed_code(town).await;
        log_in(town, &alice, Some("AAAAA-AAAAA")).await.refused(400, "InvalidToken");
        log_in(town, &alice, Some(&code)).await.ok();
        log_in(town, &alice, Some(&code)).await.refused(400, "InvalidToken");
        let off = json!({ "email": "alice@mail.test", "emailAuthFactor": false });
        update(off.clone()).await.refused(400, "TokenRequired");
        alice.client.call("com.atproto.server.requestEmailUpdate", crate::harness::Body::None).await.ok();
        let mut off = off;
        off["token"] = json!(mailed_code(town).await);
        update(off).await.ok();
        log_in(town, &alice, None).await.ok();
    }

    /// The owner is told of each browser that was not known, and of each change.
    async fn the_owner_is_told(town) {
        let alice = town.owner("alice").await;
        confirm_email(town, &alice).await;
        let browser = town.browser_of(&alice).await;
        let letter = town.world.mail.receive("alice@mail.test").await;
        assert_eq!(letter.subject, "New Sign-In");
        set_up(town, &browser).await;
        let letter = town.world.mail.receive("alice@mail.test").await;
        assert_eq!(letter.subject, "Sign-In Security Changed");
        assert!(letter.text.contains("a code of an authenticator app"));
    }

    /// Whoever tries many passwords waits; the owner does not, where they were
    /// before, and nobody waits for ever.
    async fn whoever_tries_many_passwords_waits(town) {
        let alice = town.owner("alice").await;
        let known = town.browser_of(&alice).await;
        let made = alice.client.procedure("com.atproto.server.createAppPassword", &json!({ "name": "bot" })).await.ok();
        let wrong = Owner { password: "wrong".to_owned(), ..alice.clone() };
        for _ in 0..10 {
            log_in_from(THIEF, town, &wrong).await.refused(401, "AuthenticationRequired");
        }
        for _ in 0..20 {
            log_in_from(THIEF, town, &wrong).await.refused(429, "RateLimitExceeded");
        }
        // The right one is not looked at either: it would tell that it is right.
        log_in_from(THIEF, town, &alice).await.refused(429, "RateLimitExceeded");
        let mut stranger = town.browser();
        stranger.headers.insert("x-forwarded-for", THIEF.parse().expect("a header"));
        let page = stranger.open("/account/sign-in").await;
        let fill = [("identifier", &*alice.handle), ("password", &*alice.password)];
        assert_eq!(stranger.submit(&page, "/account/sign-in", &fill).await.status, 429);
        known.sign_in(&alice).await;
        log_in_from("198.51.100.1", town, &alice).await.ok();
        for _ in 0..10 {
            log_in_from(THIEF, town, &wrong).await;
        }
        let bot = Owner { password: made["password"].as_str().expect("a password").to_owned(), ..alice.clone() };
        log_in_from(THIEF, town, &bot).await.ok();
        town.world.clock.advance(Duration::from_secs(15 * 60));
        log_in_from(THIEF, town, &alice).await.ok();
        // Nobody's name is no other than somebody's.
        let nobody = Owner { handle: "nobody.pds.test".to_owned(), ..alice };
        for _ in 0..10 {
            log_in_from(THIEF, town, &nobody).await.refused(401, "AuthenticationRequired");
        }
        log_in_from(THIEF, town, &nobody).await.refused(429, "RateLimitExceeded");
    }

    /// A code of six digits cannot be found by trying.
    async fn a_code_cannot_be_found_by_trying(town) {
        let alice = town.owner("alice").await;
        let (secret, _) = set_up(town, &town.browser_of(&alice).await).await;
        town.world.clock.advance(HALF_MINUTE);
        for _ in 0..10 {
            log_in(town, &alice, Some("000000")).await.refused(400, "InvalidToken");
        }
        let right = totp(town, &secret);
        log_in(town, &alice, Some(&right)).await.refused(429, "RateLimitExceeded");
        town.world.clock.advance(HALF_MINUTE);
        log_in(town, &alice, Some(&totp(town, &secret))).await.ok();
    }

    /// What is no passkey, or comes from another browser, opens nothing.
    async fn what_is_no_passkey_opens_nothing(town) {
        let alice = town.owner("alice").await;
        let browser = town.browser();
        let path = "/account/sign-in/passkey";
        let page = browser.open(path).await;
        assert!(page.says("data-passkey="), "{}", page.html);
        for answer in ["", "{}", "[]", "<script>", &"a".repeat(10_000)] {
            let refused = browser.submit(&page, path, &[("answer", answer)]).await;
            assert!(refused.status == 401 && refused.says("This passkey is not right"), "{answer}");
        }
        assert_eq!(browser.open("/account").await.location(), "/account/sign-in");
        let own = town.browser_of(&alice).await;
        let page = own.open("/account/passkeys").await;
        let asked = own.submit(&page, "/account/passkeys", &[]).await;
        let fill = [("answer", "{}"), ("name", "x")];
        let refused = own.submit(&asked, "/account/passkeys/add", &fill).await;
        assert!(refused.status == 400 && refused.says("This passkey is not right"));
        assert!(own.open("/account/passkeys").await.says("You have none."));
    }
}
