//! Codes by e-mail: asked for, delivered, used once.

use std::time::{Duration, Instant};

use freehold::service::email_tokens::Purpose;
use freehold::store::{accounts, outbox};
use freehold::world::mail::{Delivery, Letter, Mail, MailSettings, Relay, Security, Sender};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Answer, Body, Owner, Town};

const REQUEST_CONFIRMATION: &str = "com.atproto.server.requestEmailConfirmation";
const CONFIRM: &str = "com.atproto.server.confirmEmail";
const REQUEST_UPDATE: &str = "com.atproto.server.requestEmailUpdate";
const UPDATE: &str = "com.atproto.server.updateEmail";
const REQUEST_RESET: &str = "com.atproto.server.requestPasswordReset";
const RESET: &str = "com.atproto.server.resetPassword";
const REQUEST_DELETE: &str = "com.atproto.server.requestAccountDelete";
const REQUEST_PLC: &str = "com.atproto.identity.requestPlcOperationSignature";
const SEND: &str = "com.atproto.admin.sendEmail";
const MINUTE: Duration = Duration::from_secs(60);

/// The address of alice.
const ALICE: &str = "alice@mail.test";

/// Reads the code out of a letter as people's tools do.
fn code(letter: &Letter) -> String {
    let is_code = |word: &&str| {
        word.len() == 11
            && word.chars().enumerate().all(|(at, c)| match at {
                5 => c == '-',
                _ => c.is_ascii_uppercase() || ('2'..='7').contains(&c),
            })
    };
    let found = letter.text.split_whitespace().find(is_code);
    let found = found.unwrap_or_else(|| panic!("no code in {}", letter.text));
    assert!(letter.html.contains(found), "{}", letter.html);
    found.to_owned()
}

/// Calls a method that mails a code to alice, and returns the code.
async fn asked(town: &Town, alice: &Owner, nsid: &str, subject: &str) -> String {
    alice.client.call(nsid, Body::None).await.ok();
    let letter = town.world.mail.receive(ALICE).await;
    assert_eq!(letter.subject, subject);
    code(&letter)
}

async fn confirm(alice: &Owner, email: &str, token: &str) -> Answer {
    alice.client.procedure(CONFIRM, &json!({ "email": email, "token": token })).await
}

async fn update(alice: &Owner, input: Value) -> Answer {
    alice.client.procedure(UPDATE, &input).await
}

async fn forgotten(town: &Town, email: &str) -> Answer {
    town.visitor().procedure(REQUEST_RESET, &json!({ "email": email })).await
}

async fn reset(town: &Town, token: &str, password: &str) -> Answer {
    let input = json!({ "token": token, "password": password });
    town.visitor().procedure(RESET, &input).await
}

async fn session(alice: &Owner) -> Value {
    alice.client.query("com.atproto.server.getSession", &[]).await.ok()
}

async fn account(town: &Town, owner: &Owner) -> accounts::Account {
    let did = freehold::atproto::syntax::Did::new(owner.did.clone()).expect("a DID");
    let found = accounts::find_by_did(&town.server().services().store.db, &did).await;
    found.expect("the store reads").expect("the account is there")
}

/// Waits until the outbox of the running server looks as `wanted` says.
async fn outbox_until(town: &Town, wanted: impl Fn(&[outbox::Listed]) -> bool) {
    for _ in 0..10_000 {
        let listed = outbox::list(&town.server().services().store.db, 100).await;
        if wanted(&listed.expect("the store reads")) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the outbox never looked as it should");
}

/// Something that listens as a relay does and says nothing.
async fn silent_relay() -> (TcpListener, Mail) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let relay = Relay {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().expect("bound").port(),
        security: Security::Plain,
        login: None,
        from: "pds@pds.test".to_owned(),
        hostname: "pds.test".to_owned(),
    };
    let delivery = Delivery::Smtp(relay);
    let settings = MailSettings { accounts: delivery.clone(), moderation: delivery };
    (listener, Mail::new(&settings))
}

on_both_engines! {
    async fn an_address_is_confirmed_by_the_code_that_went_there(town) {
        let alice = town.owner("alice").await;
        assert_eq!(session(&alice).await["emailConfirmed"], false);
        let token = asked(town, &alice, REQUEST_CONFIRMATION, "Email Confirmation").await;

        confirm(&alice, "bob@mail.test", &token).await.refused(400, "InvalidEmail");
        confirm(&alice, ALICE, "AAAAA-AAAAA").await.refused(400, "InvalidToken");
        confirm(&alice, ALICE, "").await.refused(400, "InvalidToken");
        confirm(&alice, "Alice@Mail.test", &token.to_lowercase()).await.ok();
        assert_eq!(session(&alice).await["emailConfirmed"], true);
        // It was good once.
        confirm(&alice, ALICE, &token).await.refused(400, "InvalidToken");
    }

    /// A new code takes the place of the last, each purpose has its own, and
    /// none is good for somebody else.
    async fn one_code_of_each_purpose_lives(town) {
        let alice = town.owner("alice").await;
        let bob = town.owner("bob").await;
        let first = asked(town, &alice, REQUEST_CONFIRMATION, "Email Confirmation").await;
        let delete = asked(town, &alice, REQUEST_DELETE, "Account Deletion Requested").await;
        let plc = asked(town, &alice, REQUEST_PLC, "PLC Update Operation Requested").await;
        let second = asked(town, &alice, REQUEST_CONFIRMATION, "Email Confirmation").await;
        assert_ne!(first, second);
        for other in [&first, &delete, &plc] {
            confirm(&alice, ALICE, other).await.refused(400, "InvalidToken");
        }
        confirm(&bob, "bob@mail.test", &second).await.refused(400, "InvalidToken");
        confirm(&alice, ALICE, &second).await.ok();

        let tokens = &town.server().services().email_tokens;
        let id = account(town, &alice).await.id;
        assert!(tokens.check(id, Purpose::PlcOperation, &delete).await.is_err());
        let checked = tokens.check(id, Purpose::DeleteAccount, &delete).await.expect("it is right");
        assert_eq!(checked.account(), id);
    }

    async fn a_code_is_good_for_fifteen_minutes(town) {
        let alice = town.owner("alice").await;
        let token = asked(town, &alice, REQUEST_CONFIRMATION, "Email Confirmation").await;
        town.world.clock.advance(15 * MINUTE);
        confirm(&alice, ALICE, &token).await.refused(400, "ExpiredToken");
        forgotten(town, ALICE).await.ok();
        let token = code(&town.world.mail.receive(ALICE).await);
        town.world.clock.advance(15 * MINUTE);
        reset(town, &token, "a new password").await.refused(400, "ExpiredToken");
    }

    /// Somebody with a stolen session does not get to try codes.
    async fn a_code_that_was_typed_wrong_too_often_is_void(town) {
        let alice = town.owner("alice").await;
        let token = asked(town, &alice, REQUEST_CONFIRMATION, "Email Confirmation").await;
        for _ in 0..10 {
            confirm(&alice, ALICE, "AAAAA-AAAAA").await.refused(400, "InvalidToken");
        }
        confirm(&alice, ALICE, &token).await.refused(400, "InvalidToken");
        let token = asked(town, &alice, REQUEST_CONFIRMATION, "Email Confirmation").await;
        confirm(&alice, ALICE, &token).await.ok();
    }

    async fn an_address_changes_freely_until_it_is_confirmed(town) {
        let alice = town.owner("alice").await;
        let answer = alice.client.call(REQUEST_UPDATE, Body::None).await.ok();
        assert_eq!(answer, json!({ "tokenRequired": false }));
        update(&alice, json!({ "email": "no address" })).await.refused(400, "InvalidRequest");
        let factor = json!({ "email": ALICE, "emailAuthFactor": true });
        update(&alice, factor).await.refused(400, "InvalidRequest");
        let input = json!({ "email": "Alice2@mail.test", "emailAuthFactor": false });
        update(&alice, input).await.ok();
        assert_eq!(session(&alice).await["email"], "alice2@mail.test");
        let notice = town.world.mail.receive(ALICE).await;
        assert_eq!(notice.subject, "Email Address Changed");
    }

    async fn a_confirmed_address_changes_by_a_code_only(town) {
        let alice = town.owner("alice").await;
        let token = asked(town, &alice, REQUEST_CONFIRMATION, "Email Confirmation").await;
        confirm(&alice, ALICE, &token).await.ok();
        let answer = alice.client.call(REQUEST_UPDATE, Body::None).await.ok();
        assert_eq!(answer, json!({ "tokenRequired": true }));
        let letter = town.world.mail.receive(ALICE).await;
        assert_eq!(letter.subject, "Email Update Requested");
        let token = code(&letter);
        let delete = asked(town, &alice, REQUEST_DELETE, "Account Deletion Requested").await;

        let without = json!({ "email": "new@mail.test" });
        update(&alice, without).await.refused(400, "TokenRequired");
        let input = json!({ "email": "new@mail.test", "token": token });
        update(&alice, input.clone()).await.ok();
        let now = session(&alice).await;
        assert_eq!((&now["email"], &now["emailConfirmed"]), (&json!("new@mail.test"), &json!(false)));
        // What went to the old address is void.
        let tokens = &town.server().services().email_tokens;
        let id = account(town, &alice).await.id;
        assert!(tokens.check(id, Purpose::DeleteAccount, &delete).await.is_err());
    }

    /// Whether an address is in use is told to nobody: who signs up with it or
    /// changes to it gets the answer that a free one gets, and nothing of its
    /// holder's. Whoever proves to read the mail becomes the holder.
    async fn a_taken_address_is_not_told(town) {
        let alice = town.owner("alice").await;
        let sign_up = json!({ "handle": "bob.pds.test", "email": ALICE, "password": "bob's" });
        let create = "com.atproto.server.createAccount";
        let bob = town.visitor().procedure(create, &sign_up).await.ok();
        let bob = town.visitor().with_token(bob["accessJwt"].as_str().expect("a token"));
        let carol = town.owner("carol").await;
        update(&carol, json!({ "email": ALICE })).await.ok();
        for client in [&bob, &carol.client] {
            let session = client.query("com.atproto.server.getSession", &[]).await.ok();
            assert_eq!((&session["email"], &session["emailConfirmed"]), (&json!(ALICE), &json!(false)));
        }
        let login = |password: &str| {
            let login = json!({ "identifier": ALICE, "password": password });
            let visitor = town.visitor();
            async move { visitor.procedure("com.atproto.server.createSession", &login).await }
        };
        assert_eq!(login(&alice.password).await.ok()["did"], json!(alice.did));
        login("bob's").await.refused(401, "AuthenticationRequired");
        bob.call(REQUEST_CONFIRMATION, Body::None).await.ok();
        let token = code(&town.world.mail.receive(ALICE).await);
        let input = json!({ "email": ALICE, "token": token });
        bob.procedure("com.atproto.server.confirmEmail", &input).await.ok();
        assert_eq!(login("bob's").await.ok()["handle"], "bob.pds.test");
        let admin = town.admin();
        let found = admin.query("com.atproto.admin.searchAccounts", &[("email", ALICE)]).await.ok();
        assert_eq!(found["accounts"].as_array().map(Vec::len), Some(3));
    }

    /// Somebody who forgot the password gets a new one, and whoever had the
    /// old one is out.
    async fn a_forgotten_password_is_replaced(town) {
        let alice = town.owner("alice").await;
        forgotten(town, "ALICE@mail.test").await.ok();
        let letter = town.world.mail.receive(ALICE).await;
        assert_eq!(letter.subject, "Password Reset Requested");
        let token = code(&letter);
        reset(town, &token, &"x".repeat(257)).await.refused(400, "InvalidRequest");
        reset(town, "AAAAA-AAAAA", "new password").await.refused(400, "InvalidToken");
        reset(town, &token, "new password").await.ok();
        reset(town, &token, "another").await.refused(400, "InvalidToken");

        let renewed = town.visitor().with_token(&alice.refresh_jwt);
        renewed.call("com.atproto.server.refreshSession", Body::None).await.refused(400, "ExpiredToken");
        let old = json!({ "identifier": ALICE, "password": alice.password });
        let visitor = town.visitor();
        visitor.procedure("com.atproto.server.createSession", &old).await.refused(401, "AuthenticationRequired");
        let new = Owner { password: "new password".to_owned(), ..alice };
        town.log_in(&new).await;
    }

    /// Two requests with one code: one of them sets its password.
    async fn a_code_that_two_bring_at_once_is_good_for_one(town) {
        town.owner("alice").await;
        forgotten(town, ALICE).await.ok();
        let token = code(&town.world.mail.receive(ALICE).await);
        let (one, other) =
            tokio::join!(reset(town, &token, "password one"), reset(town, &token, "password two"));
        let good = [&one, &other].iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(good, 1);
    }

    /// Neither the answer nor a letter tells a stranger whether somebody is here.
    async fn asking_for_a_password_does_not_tell_who_is_here(town) {
        town.owner("alice").await;
        let known = forgotten(town, ALICE).await;
        let unknown = forgotten(town, "nobody@mail.test").await;
        let odd = forgotten(town, "no address").await;
        for answer in [&unknown, &odd] {
            assert_eq!((answer.status, &answer.bytes), (known.status, &known.bytes));
        }
        known.ok();
        assert_eq!(town.world.mail.receive(ALICE).await.subject, "Password Reset Requested");
        assert_eq!(town.world.mail.collect(), []);
    }

    /// The answers take the same time: the floor of log-ins, which the fake
    /// clock makes visible.
    async fn asking_for_a_password_takes_its_time_for_everybody(town) {
        town.owner("alice").await;
        town.restart_with(&[("FREEHOLD_ACCOUNTS_LOGIN_TIME_MIN_MS", "350")]).await;
        for email in [ALICE, "nobody@mail.test"] {
            let resting = town.world.clock.waiting();
            let asked = forgotten(town, email);
            let mut asked = std::pin::pin!(asked);
            loop {
                tokio::select! {
                    biased;
                    _ = &mut asked => panic!("{email} was answered at once"),
                    () = tokio::task::yield_now() => {}
                }
                if town.world.clock.waiting() > resting {
                    break;
                }
            }
            // A task of the server may have been what began to wait.
            loop {
                town.world.clock.advance(Duration::from_millis(350));
                tokio::select! {
                    biased;
                    answer = &mut asked => break drop(answer.ok()),
                    () = tokio::task::yield_now() => {}
                }
            }
        }
    }

    async fn moderators_write_to_an_account(town) {
        let alice = town.owner("alice").await;
        let input = json!({
            "recipientDid": alice.did, "senderDid": "did:web:mod.test", "subject": "About you",
            "content": "<p>Be <b>kind</b>.</p>",
        });
        town.visitor().procedure(SEND, &input).await.refused(401, "AuthMissing");
        let sent = town.admin().procedure(SEND, &input).await.ok();
        assert_eq!(sent, json!({ "sent": true }));
        let letter = town.world.mail.receive(ALICE).await;
        assert_eq!((&*letter.subject, &*letter.text), ("About you", "Be kind."));
        assert_eq!((&*letter.html, letter.sender), ("<p>Be <b>kind</b>.</p>", Sender::Moderation));
        let mut nobody = input;
        nobody["recipientDid"] = json!("did:web:nobody.test");
        town.admin().procedure(SEND, &nobody).await.refused(400, "InvalidRequest");
    }

    /// What an account may ask for follows its password: an app password
    /// confirms the address and nothing more.
    async fn an_app_password_asks_for_no_dangerous_code(town) {
        let alice = town.owner("alice").await;
        let named = json!({ "name": "app" });
        let made = alice.client.procedure("com.atproto.server.createAppPassword", &named).await;
        let password = made.ok()["password"].as_str().expect("a password").to_owned();
        let app = town.log_in(&Owner { password, ..alice }).await;
        for nsid in [REQUEST_DELETE, REQUEST_PLC, REQUEST_UPDATE] {
            app.client.call(nsid, Body::None).await.refused(400, "InvalidToken");
        }
        app.client.call(REQUEST_CONFIRMATION, Body::None).await.ok();
    }

    /// Without mail the requests say so, and the operator's codes work.
    async fn without_mail_the_operator_hands_codes_over(town) {
        let alice = town.owner("alice").await;
        town.stop().await;
        town.world.mail = Mail::new(&MailSettings::default());
        town.start().await;
        let alice = alice.on(town);
        for nsid in [REQUEST_CONFIRMATION, REQUEST_DELETE, REQUEST_PLC] {
            alice.client.call(nsid, Body::None).await.refused(400, "InvalidRequest");
        }
        forgotten(town, ALICE).await.ok();
        let services = town.server().services();
        assert_eq!(outbox::list(&services.store.db, 10).await.expect("read"), []);
        let id = account(town, &alice).await.id;
        let token = services.email_tokens.create(id, Purpose::ConfirmEmail).await.expect("made");
        confirm(&alice, ALICE, &token).await.ok();
        let token = services.email_tokens.create(id, Purpose::ResetPassword).await.expect("made");
        reset(town, &token, "new password").await.ok();
    }

    /// A relay that takes no letter keeps nobody waiting; a stop does not lose
    /// the letter, which another start delivers.
    async fn a_slow_relay_holds_nobody_up_and_a_restart_keeps_the_letter(town) {
        let alice = town.owner("alice").await;
        town.stop().await;
        let (relay, mail) = silent_relay().await;
        let mailbox = std::mem::replace(&mut town.world.mail, mail);
        town.start().await;
        let alice = alice.on(town);
        let began = Instant::now();
        alice.client.call(REQUEST_CONFIRMATION, Body::None).await.ok();
        assert!(began.elapsed() < Duration::from_secs(5));
        let (_connection, _) = relay.accept().await.expect("a sender comes");

        town.stop().await;
        town.world.mail = mailbox;
        town.world.clock.advance(2 * MINUTE);
        town.start().await;
        let token = code(&town.world.mail.receive(ALICE).await);
        confirm(&alice.on(town), ALICE, &token).await.ok();
        outbox_until(town, |letters| letters.is_empty()).await;
    }

    /// A letter that nobody takes is tried a few times and then given up; the
    /// operator can see that it was, and not what it said.
    async fn a_letter_is_given_up_when_its_code_is_over(town) {
        let alice = town.owner("alice").await;
        town.stop().await;
        let (relay, mail) = silent_relay().await;
        drop(relay);
        town.world.mail = mail;
        town.start().await;
        let alice = alice.on(town);
        alice.client.call(REQUEST_CONFIRMATION, Body::None).await.ok();
        for _ in 0..6 {
            let waits = |letters: &[outbox::Listed]| {
                letters.iter().any(|l| l.given_up_at.is_some() || l.fault.is_some())
            };
            outbox_until(town, waits).await;
            town.world.clock.advance(4 * MINUTE);
        }
        outbox_until(town, |letters| letters.iter().any(|l| l.given_up_at.is_some())).await;
        town.world.clock.advance(8 * 24 * 60 * MINUTE);
        outbox_until(town, |letters| letters.is_empty()).await;
    }

    /// A thief of the database finds neither the code nor the address in what
    /// waits to be sent.
    async fn what_waits_to_be_sent_is_sealed(town) {
        let alice = town.owner("alice").await;
        town.stop().await;
        let (_relay, mail) = silent_relay().await;
        town.world.mail = mail;
        town.start().await;
        alice.on(town).client.call(REQUEST_CONFIRMATION, Body::None).await.ok();
        let db = town.server().services().store.db.clone();
        let now = town.world.clock.now().plus(10 * MINUTE);
        let claimed = outbox::claim(&db, now, now).await.expect("read").expect("it waits");
        let holds = |needle: &[u8]| claimed.sealed.windows(needle.len()).any(|w| w == needle);
        assert!(!holds(ALICE.as_bytes()) && !holds(b"Confirmation"));
    }
}
