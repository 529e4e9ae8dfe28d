//! The pages of an account: what they show, what their forms do, and whom they
//! turn away.

use std::io::Read;
use std::time::Duration;

use serde_json::json;

use crate::harness::Town;
use crate::harness::browser::Browser;

const SCOPE: &str = "atproto transition:generic";
/// Every page of an account.
const PAGES: [&str; 12] = [
    "/account",
    "/account/handle",
    "/account/email",
    "/account/password",
    "/account/security",
    "/account/passkeys",
    "/account/app-passwords",
    "/account/apps",
    "/account/devices",
    "/account/repository",
    "/account/data",
    "/account/leave",
];

/// The code of the last letter.
async fn code(town: &Town) -> String {
    let letter = town.world.mail.receive("alice@mail.test").await;
    let line = letter.text.lines().find(|line| line.starts_with("    "));
    line.expect("a code").trim().to_owned()
}

async fn with_mail(town: &mut Town) {
    town.restart_with(&[
        ("FREEHOLD_MAIL_SMTP_URL", "smtp://mail.test:25"),
        ("FREEHOLD_MAIL_FROM_ADDRESS", "pds@pds.test"),
    ])
    .await;
}

async fn shows(browser: &Browser, path: &str, text: &str) {
    let page = browser.open(path).await;
    assert!(page.status == 200 && page.says(text), "{path} does not say {text}: {}", page.html);
}

on_both_engines! {
    /// Each page is for whoever is signed in, and leads back after the sign-in.
    async fn each_page_is_for_whoever_is_signed_in(town) {
        let alice = town.owner("alice").await;
        alice.post("hello").await;
        for path in PAGES {
            let stranger = town.browser();
            let sent = stranger.open(path).await;
            assert!(sent.location().starts_with("/account/sign-in"), "{path}");
            let page = stranger.open(sent.location()).await;
            let fill = [("identifier", &*alice.handle), ("password", &*alice.password)];
            let back = stranger.submit(&page, "/account/sign-in", &fill).await;
            assert_eq!(back.location(), path);
            let page = stranger.open(path).await;
            assert_eq!(page.status, 200, "{path}: {}", page.html);
            assert_eq!(page.headers["cache-control"], "no-store");
            assert!(page.says("aria-current=\"page\""), "{path}");
        }
        let change = town.visitor().get("/.well-known/change-password").await;
        assert_eq!(change.header("location"), "/account/password");
    }

    /// What could do harm asks for the password anew after a while.
    async fn what_could_do_harm_asks_for_the_password_anew(town) {
        let alice = town.owner("alice").await;
        let browser = town.browser_of(&alice).await;
        let page = browser.open("/account/app-passwords").await;
        town.world.clock.advance(Duration::from_secs(16 * 60));
        let answer = browser.submit(&page, "/account/app-passwords", &[("name", "late")]).await;
        assert_eq!(answer.location(), "/account/sign-in?place=app-passwords");
        shows(&browser, "/account/app-passwords", "You have none.").await;
        let download = browser.open("/account/data/download").await;
        assert_eq!(download.location(), "/account/sign-in?place=data");
        // Whoever did not want to be kept in mind is asked at once after an hour.
        town.world.clock.advance(Duration::from_secs(60 * 60));
        assert_eq!(browser.open("/account").await.location(), "/account/sign-in");
    }

    /// Somebody gets another handle of this server, and one of their own.
    async fn somebody_gets_another_handle(town) {
        let alice = town.owner("alice").await;
        let browser = town.browser_of(&alice).await;
        let page = browser.open("/account/handle").await;
        let changed = browser.submit(&page, "/account/handle", &[("name", "alicia")]).await;
        assert_eq!(changed.location(), "/account");
        shows(&browser, "/account", "@alicia.pds.test").await;
        let bad = browser.submit(&page, "/account/handle", &[("name", "no spaces")]).await;
        assert!(bad.status == 400 && bad.says("This handle is not possible"));
        let check = "/account/handle?check=alice.example.com";
        shows(&browser, check, "_atproto.alice.example.com").await;
        shows(&browser, check, "The record is not there yet").await;
        let early = browser.submit(&page, "/account/handle", &[("name", "alice.example.com")]).await;
        assert!(early.status == 400 && early.says("does not lead to your account yet"));
        town.world.dns.set_txt("_atproto.alice.example.com", &[&format!("did={}", alice.did)]);
        let ready = browser.open(check).await;
        assert!(ready.says("alice.example.com leads to your account"), "{}", ready.html);
        let used = browser.submit(&page, "/account/handle", &[("name", "alice.example.com")]).await;
        assert_eq!(used.location(), "/account");
        shows(&browser, "/account", "@alice.example.com").await;
    }

    /// An address is confirmed and changed, each with a code.
    async fn an_address_is_confirmed_and_changed(town) {
        with_mail(town).await;
        let alice = town.owner("alice").await;
        let browser = town.browser_of(&alice).await;
        shows(&browser, "/account", "Your e-mail address is not confirmed").await;
        let page = browser.open("/account/email").await;
        browser.submit(&page, "/account/email/code", &[("for", "confirm")]).await;
        let wrong = browser.submit(&page, "/account/email/confirm", &[("code", "AAAAA-AAAAA")]).await;
        assert!(wrong.status == 400 && wrong.says("This code is not right"));
        let done = browser.submit(&page, "/account/email/confirm", &[("code", &code(town).await)]).await;
        assert!(done.status == 200 && done.says("Your address is confirmed"), "{}", done.html);
        let page = browser.open("/account/email").await;
        let fill = [("email", "new@mail.test")];
        let needs = browser.submit(&page, "/account/email/change", &fill).await;
        assert!(needs.says("Enter the code that was sent"), "{}", needs.html);
        browser.submit(&page, "/account/email/code", &[("for", "change")]).await;
        let fill = [("email", "new@mail.test"), ("code", &*code(town).await)];
        let done = browser.submit(&page, "/account/email/change", &fill).await;
        assert!(done.says("Your address is changed") && done.says("new@mail.test"));
    }

    /// A new password signs everybody else out.
    async fn a_new_password_signs_everybody_else_out(town) {
        let alice = town.owner("alice").await;
        let (here, there) = (town.browser_of(&alice).await, town.browser_of(&alice).await);
        let page = here.open("/account/password").await;
        let wrong = [("current", "wrong"), ("password", "a new password")];
        let refused = here.submit(&page, "/account/password", &wrong).await;
        assert!(refused.status == 400 && refused.says("The present password is not right"));
        let right = [("current", &*alice.password), ("password", "a new password")];
        let done = here.submit(&page, "/account/password", &right).await;
        assert!(done.status == 200 && done.says("Your password is changed"), "{}", done.html);
        assert_eq!(here.open("/account").await.status, 200);
        assert_eq!(there.open("/account").await.location(), "/account/sign-in");
        let session = json!({ "identifier": alice.handle, "password": "a new password" });
        town.visitor().procedure("com.atproto.server.createSession", &session).await.ok();
    }

    /// Somebody forgets their password and gets a new one by a code.
    async fn a_forgotten_password_is_replaced(town) {
        with_mail(town).await;
        let alice = town.owner("alice").await;
        let browser = town.browser();
        let page = browser.open("/account/reset-password").await;
        let sent = browser.submit(&page, "/account/reset-password", &[("email", "alice@mail.test")]).await;
        let page = browser.open(sent.location()).await;
        // Nobody is told whether an address has an account.
        let other = browser.open("/account/reset-password").await;
        let nobody = browser.submit(&other, "/account/reset-password", &[("email", "nobody@mail.test")]).await;
        assert_eq!(nobody.location(), sent.location());
        let wrong = [("code", "AAAAA-AAAAA"), ("password", "a new password")];
        let refused = browser.submit(&page, "/account/reset-password/code", &wrong).await;
        assert!(refused.status == 400 && refused.says("This code is not right"));
        let fill = [("code", &*code(town).await), ("password", "a new password")];
        let done = browser.submit(&page, "/account/reset-password/code", &fill).await;
        assert!(done.says("Your password is changed"), "{}", done.html);
        let alice = crate::harness::Owner { password: "a new password".to_owned(), ..alice };
        browser.sign_in(&alice).await;
    }

    /// A password for a bot is good for posts only, and for a month.
    async fn an_app_password_may_do_less_and_end(town) {
        let alice = town.owner("alice").await;
        let browser = town.browser_of(&alice).await;
        let page = browser.open("/account/app-passwords").await;
        let wanted = [("name", "bot"), ("may", "posts"), ("days", "30")];
        let made = browser.submit(&page, "/account/app-passwords", &wanted).await;
        assert!(made.says("Write in parts of your repository") && made.says("Ends"), "{}", made.html);
        let odd = [("name", "odd"), ("may", "scopes"), ("scope", "<b>")];
        let odd = browser.submit(&page, "/account/app-passwords", &odd).await;
        assert!(odd.status == 400 && odd.says("This is no permission: &lt;b&gt;"), "{}", odd.html);
        let none = [("name", "none"), ("may", "scopes")];
        let none = browser.submit(&page, "/account/app-passwords", &none).await;
        assert!(none.status == 400 && none.says("List at least one permission"));
    }

    /// An app password is shown once, works, and is revoked.
    async fn an_app_password_is_shown_once(town) {
        let alice = town.owner("alice").await;
        let browser = town.browser_of(&alice).await;
        let page = browser.open("/account/app-passwords").await;
        let made = browser.submit(&page, "/account/app-passwords", &[("name", "<b>bot</b>")]).await;
        assert!(made.says("&lt;b&gt;bot&lt;/b&gt;") && !made.says("<b>bot</b>"));
        let password = made.html.split("<pre>").nth(1).and_then(|rest| rest.split("</pre>").next());
        let session = json!({ "identifier": alice.handle, "password": password });
        town.visitor().procedure("com.atproto.server.createSession", &session).await.ok();
        let again = browser.submit(&page, "/account/app-passwords", &[("name", "<b>bot</b>")]).await;
        assert!(again.status == 400 && again.says("You have an app password of this name"));
        let page = browser.open("/account/app-passwords").await;
        assert!(!page.says(password.expect("a password")));
        browser.submit(&page, "/account/app-passwords/revoke", &[]).await;
        shows(&browser, "/account/app-passwords", "You have none.").await;
        let refused = town.visitor().procedure("com.atproto.server.createSession", &session).await;
        refused.refused(401, "AuthenticationRequired");
    }

    /// Apps are shown with what they may do, and are sent away one by one.
    async fn apps_are_shown_and_sent_away(town) {
        let (alice, bob) = (town.owner("alice").await, town.owner("bob").await);
        let app = town.public_app("app.example.com", SCOPE);
        let browser = town.browser();
        let granted = browser.grant(&app, &alice, SCOPE).await;
        let page = browser.open("/account/apps").await;
        assert!(page.says("app.example.com") && page.says("Do almost everything you can do"));
        // Nobody ends what is somebody else's.
        let other = town.browser_of(&bob).await;
        let own = other.open("/account/apps").await;
        assert!(own.says("No app is connected"));
        let mut fields = page.form("/account/apps/revoke");
        fields.insert("account".to_owned(), bob.did.clone());
        let token = other.open("/account/devices").await.form("/account/devices/sign-out");
        fields.insert("form_token".to_owned(), token["form_token"].clone());
        other.post("/account/apps/revoke", &fields).await;
        app.query(&granted.access, "com.atproto.server.getSession", &[]).await.ok();
        browser.submit(&page, "/account/apps/revoke", &[]).await;
        let ended = app.query(&granted.access, "com.atproto.server.getSession", &[]).await;
        ended.refused(401, "invalid_token");
        shows(&browser, "/account/apps", "No app is connected").await;
    }

    /// Browsers are shown and signed out, one or all.
    async fn browsers_are_shown_and_signed_out(town) {
        let alice = town.owner("alice").await;
        let (here, there) = (town.browser_of(&alice).await, town.browser_of(&alice).await);
        let page = here.open("/account/devices").await;
        assert!(page.says("Tester/1.0") && page.says("this one"));
        let named = page.html.split("name=\"device\" value=\"").skip(1);
        let names: Vec<&str> = named.filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(names.len(), 3);
        let own = here.open("/account/devices").await;
        let mut fields = own.form("/account/devices/sign-out");
        let marked = own.html.find("this one").expect("it is marked");
        let other = names.iter().find(|name| {
            let at = own.html.find(&format!("value=\"{name}\"")).unwrap_or_default();
            **name != "*" && (at < marked || own.html[marked..at].contains("</li>"))
        });
        fields.insert("device".to_owned(), (*other.expect("another one")).to_owned());
        here.post("/account/devices/sign-out", &fields).await;
        assert_eq!(there.open("/account").await.location(), "/account/sign-in");
        assert_eq!(here.open("/account").await.status, 200);
        fields.insert("device".to_owned(), "*".to_owned());
        here.post("/account/devices/sign-out", &fields).await;
        assert_eq!(here.open("/account").await.location(), "/account/sign-in");
        alice.client.query("com.atproto.server.getSession", &[]).await.ok();
        let refresh = town.visitor().with_token(&alice.refresh_jwt);
        let ended = refresh.call("com.atproto.server.refreshSession", crate::harness::Body::None).await;
        ended.refused(400, "ExpiredToken");
    }

    /// Several people use one browser; each page says whose it is.
    async fn several_people_use_one_browser(town) {
        let (alice, bob) = (town.owner("alice").await, town.owner("bob").await);
        let browser = town.browser_of(&alice).await;
        town.world.clock.advance(Duration::from_secs(1));
        browser.sign_in(&bob).await;
        let page = browser.open("/account/email").await;
        assert!(page.says("bob@mail.test"));
        let page = browser.open(&format!("/account/email?account={}", alice.did)).await;
        assert!(page.says("alice@mail.test"));
        let overview = browser.open("/account").await;
        let form = overview.form("/account/sign-out");
        assert_eq!(form["account"], bob.did);
        browser.submit(&overview, "/account/sign-out", &[]).await;
        shows(&browser, "/account/email", "alice@mail.test").await;
    }

    /// Everything is downloaded as one archive of a known size.
    async fn everything_is_downloaded_as_one_archive(town) {
        let alice = town.owner("alice").await;
        let blob = crate::harness::Body::Bytes("text/plain", b"a small file".to_vec());
        let blob = alice.client.call("com.atproto.repo.uploadBlob", blob).await.ok();
        let record = json!({ "$type": "com.example.thing", "file": blob["blob"] });
        alice.create("com.example.thing", &record).await.ok();
        let preferences = json!({ "preferences": [{ "$type": "app.bsky.actor.defs#adultContentPref", "enabled": false }] });
        alice.client.procedure("app.bsky.actor.putPreferences", &preferences).await.ok();
        let browser = town.browser_of(&alice).await;
        let cookie = browser.cookie().expect("a cookie");
        let request = town.visitor().request(reqwest::Method::GET, "/account/data/download");
        let answer = town.visitor().send("/account/data/download", request.header("cookie", cookie)).await;
        assert_eq!(answer.header("content-type"), "application/x-tar");
        let bytes = answer.ok_bytes();
        assert_eq!(answer.header("content-length"), bytes.len().to_string());
        let mut files = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(bytes).entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a name").display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("its bytes");
            files.insert(name, content);
        }
        let repo = town.visitor().query("com.atproto.sync.getRepo", &[("did", &alice.did)]).await;
        assert_eq!(files["repo.car"], repo.ok_bytes());
        let cid = blob["blob"]["ref"]["$link"].as_str().expect("a CID");
        assert_eq!(files[&format!("blobs/{cid}")], b"a small file");
        let json = |name: &str| serde_json::from_slice::<serde_json::Value>(&files[name]).expect("JSON");
        assert_eq!(json("account.json")["did"], alice.did);
        assert_eq!(json("preferences.json"), preferences);

        // A page can follow how far its own download is, and nobody else's.
        let page = browser.open("/account/data").await;
        let after = |text: &str| page.html.split(text).nth(1).and_then(|rest| rest.split('"').next());
        let progress = after("data-follow=\"").expect("an address").to_owned();
        let told = async |browser: &Browser| {
            serde_json::from_str::<serde_json::Value>(&browser.open(&progress).await.html)
        };
        assert_eq!(told(&browser).await.expect("JSON")["total"], json!(null));
        browser.open(after("id=\"download\" href=\"").expect("an address")).await;
        let done = told(&browser).await.expect("JSON");
        assert_eq!((&done["stage"], &done["done"]), (&json!("sent"), &done["total"]));
        assert_eq!(told(&town.browser()).await.expect("JSON")["total"], json!(null));
    }

    /// Records are looked at, and deleted.
    async fn records_are_looked_at_and_deleted(town) {
        let alice = town.owner("alice").await;
        let post = alice.post("<script>alert(1)</script>").await;
        let browser = town.browser_of(&alice).await;
        shows(&browser, "/account/repository", "app.bsky.feed.post").await;
        let collection = "/account/repository/collection?collection=app.bsky.feed.post";
        let list = browser.open(collection).await;
        assert!(list.says("&lt;script&gt;") && !list.says("<script>alert"));
        let record = format!("/account/repository/record?collection=app.bsky.feed.post&rkey={}", post.rkey());
        let page = browser.open(&record).await;
        assert!(page.says(&post.cid) && page.says(&post.uri) && !page.says("<script>alert"));
        let answer = browser.submit(&page, "/account/repository/delete", &[]).await;
        assert_eq!(answer.location(), collection);
        assert_eq!(browser.open(&record).await.status, 404);
        for wrong in ["/account/repository/record?collection=x&rkey=y", "/account/repository/collection?collection=..", "/account/nowhere"] {
            let mut browser = town.browser_of(&alice).await;
            browser.headers.insert("accept", reqwest::header::HeaderValue::from_static("text/html"));
            assert_eq!(browser.open(wrong).await.status, 404, "{wrong}");
        }
    }

    /// An account rests, comes back, and is deleted for good.
    async fn an_account_rests_and_ends(town) {
        with_mail(town).await;
        let alice = town.owner("alice").await;
        let browser = town.browser_of(&alice).await;
        let page = browser.open("/account/leave").await;
        browser.submit(&page, "/account/leave/deactivate", &[]).await;
        shows(&browser, "/account", "deactivated").await;
        let page = browser.open("/account/leave").await;
        browser.submit(&page, "/account/leave/activate", &[]).await;
        shows(&browser, "/account", "<span class=\"tag good\">active</span>").await;
        browser.submit(&page, "/account/leave/code", &[]).await;
        let code = code(town).await;
        let wrong = [("code", &*code), ("password", "wrong")];
        let refused = browser.submit(&page, "/account/leave/delete", &wrong).await;
        assert!(refused.status == 400 && refused.says("The present password is not right"));
        let right = [("code", &*code), ("password", &*alice.password)];
        let gone = browser.submit(&page, "/account/leave/delete", &right).await;
        assert_eq!(gone.location(), "/", "{}", gone.html);
        assert_eq!(browser.open("/account").await.location(), "/account/sign-in");
    }

    /// The operator's colours and links are there; the style of a page is its own.
    async fn the_pages_look_as_the_operator_wants(town) {
        let logo = town.folder().join("logo.svg");
        std::fs::write(&logo, "<svg xmlns=\"http://www.w3.org/2000/svg\"/>").expect("writes");
        town.restart_with(&[
            ("FREEHOLD_BRANDING_NAME", "The <Commons>"),
            ("FREEHOLD_BRANDING_COLOR", "#ffcc00"),
            ("FREEHOLD_BRANDING_LOGO_FILE", &logo.display().to_string()),
            ("FREEHOLD_CONTACT_PRIVACY_POLICY_URL", "https://example.com/privacy"),
        ])
        .await;
        let browser = town.browser();
        let page = browser.open("/account/sign-in").await;
        assert!(page.says("The &lt;Commons&gt;") && page.says("https://example.com/privacy"));
        let style = town.visitor().get("/assets/look.css").await;
        assert!(String::from_utf8_lossy(style.ok_bytes()).contains("--accent"));
        let logo = town.visitor().get("/branding/logo").await;
        assert_eq!(logo.header("content-type"), "image/svg+xml");
        assert!(logo.header("content-security-policy").contains("sandbox"));
    }
}
