//! An account moves here and away by the pages, as somebody without a terminal
//! would do it.

use serde_json::Value;

use crate::harness::browser::{Browser, Shown};
use crate::harness::{Body, Neighbour, Owner, Town};

const COPY: &str = "/account/moving/copy";
const CODE: &str = "/account/moving/code";
const CHANGE: &str = "/account/moving/change";

/// Begins at the form for moving in.
async fn begun(browser: &Browser, owner: &Owner, more: &[(&str, &str)]) -> Shown {
    let page = browser.open("/account/move-in").await;
    let mut fill = vec![("identifier", &*owner.handle), ("password", &*owner.password)];
    fill.extend(more);
    browser.submit(&page, "/account/move-in", &fill).await
}

/// Looks at the page of a move until it says that the step under way is over.
async fn after(browser: &Browser, path: &str) -> Shown {
    let progress = path.replace("/account/moving", "/account/moving/progress");
    loop {
        let told = browser.open(&progress).await;
        let told: Value = serde_json::from_str(&told.html).expect("how far it is");
        if !["copying", "changing-over"].contains(&told["stage"].as_str().expect("a stage")) {
            return browser.open(path).await;
        }
        tokio::task::yield_now().await;
    }
}

/// Asks for the code and reads it out of the letter.
async fn code(town: &Town, browser: &Browser, page: &Shown, email: &str) -> String {
    let sent = browser.submit(page, CODE, &[]).await;
    assert!(sent.says("A code is on its way"), "{}", sent.html);
    let letter = town.world.mail.receive(email).await;
    let is_code = |word: &&str| word.len() == 11 && word.as_bytes()[5] == b'-';
    letter.text.split_whitespace().find(is_code).expect("a code").to_owned()
}

/// Goes through all of it and returns the last page.
async fn moved(town: &Town, browser: &Browser, path: &str, email: &str) -> Shown {
    let page = browser.open(path).await;
    let answer = browser.submit(&page, COPY, &[("password", "a new password")]).await;
    assert_eq!(answer.location(), path);
    let copied = after(browser, path).await;
    assert!(copied.says("Everything is copied"), "{}", copied.html);
    assert!(!copied.says(">different<"), "{}", copied.html);
    let code = code(town, browser, &copied, email).await;
    browser.submit(&copied, CHANGE, &[("code", &code)]).await;
    after(browser, path).await
}

async fn activated(owner: &Owner) -> bool {
    let status = owner.client.query("com.atproto.server.checkAccountStatus", &[]).await.ok();
    status["activated"] == true
}

async fn bob_with_things(town: &Town, old: &Neighbour) -> Owner {
    let bob = old.owner(town, "bob").await;
    for text in ["one", "two", "three"] {
        bob.post(text).await;
    }
    let upload = Body::Bytes("text/plain", b"a file".to_vec());
    let blob = bob.client.call("com.atproto.repo.uploadBlob", upload).await.ok()["blob"].clone();
    let profile = serde_json::json!({ "$type": "app.bsky.actor.profile", "avatar": blob });
    let input = serde_json::json!({
        "repo": bob.did, "collection": "app.bsky.actor.profile", "rkey": "self", "record": profile,
        "validate": false,
    });
    bob.client.procedure("com.atproto.repo.putRecord", &input).await.ok();
    bob
}

on_both_engines! {
    /// Handle, password, a look at what will happen, a code: the account lives
    /// here with everything, and rests at its old server.
    async fn somebody_moves_in_by_the_pages(town) {
        let old = town.neighbour("old.test").await;
        let bob = bob_with_things(town, &old).await;
        let browser = town.browser();
        let answer = begun(&browser, &bob, &[]).await;
        let path = answer.location().to_owned();
        let plan = browser.open(&path).await;
        assert!(plan.says("bob.old.test (https://old.test)"), "{}", plan.html);
        assert!(plan.says("bob.pds.test (https://pds.test)"), "{}", plan.html);
        town.visitor().query("com.atproto.sync.getRepoStatus", &[("did", &bob.did)]).await
            .refused(400, "RepoNotFound");
        let done = moved(town, &browser, &path, "bob@mail.test").await;
        assert!(done.says("The account has moved"), "{}", done.html);
        let handle = "bob.pds.test".to_owned();
        let here = Owner { handle, password: "a new password".to_owned(), ..bob.clone() };
        let here = town.log_in(&here).await;
        assert!(activated(&here).await);
        assert!(!activated(&bob).await);
        let described = here.client.query("com.atproto.repo.describeRepo", &[("repo", &bob.did)]).await.ok();
        assert_eq!(described["handleIsCorrect"], true);
        let blobs = here.client.query("com.atproto.sync.listBlobs", &[("did", &bob.did)]).await.ok();
        assert_eq!(blobs["cids"].as_array().map(Vec::len), Some(1));
        town.browser_of(&here).await;
        old.stop().await;
    }

    /// Whoever lives here can go, without the operator.
    async fn somebody_moves_away_by_the_pages(town) {
        let new = town.neighbour("new.test").await;
        let alice = town.owner("alice").await;
        alice.post("one").await;
        let browser = town.browser_of(&alice).await;
        let page = browser.open("/account/move-out").await;
        for server in ["", "pds.test", "ftp://new.test", "nowhere.test"] {
            let wrong = browser.submit(&page, "/account/move-out", &[("server", server)]).await;
            assert_eq!(wrong.status, 400, "{server}: {}", wrong.html);
        }
        let answer = browser.submit(&page, "/account/move-out", &[("server", "new.test")]).await;
        let path = answer.location().to_owned();
        let done = moved(town, &browser, &path, "alice@mail.test").await;
        assert!(done.says("The account has moved"), "{}", done.html);
        assert!(!activated(&alice).await);
        let status = new.visitor().query("com.atproto.sync.getRepoStatus", &[("did", &alice.did)]).await;
        assert_eq!(status.ok()["active"], true);
        new.stop().await;
    }

    /// A wrong password, nobody, a wrong code: each is said, and the move goes on
    /// from where it was.
    async fn mistakes_of_somebody_who_moves_lose_nothing(town) {
        let old = town.neighbour("old.test").await;
        let bob = bob_with_things(town, &old).await;
        let browser = town.browser();
        let nobody = Owner { handle: "nobody.old.test".to_owned(), ..bob.clone() };
        assert!(begun(&browser, &nobody, &[]).await.says("No account was found"));
        let hasty = Owner { password: "wrong".to_owned(), ..bob.clone() };
        let page = begun(&browser, &hasty, &[]).await;
        assert!(page.says("does not take this password"), "{}", page.html);
        assert!(page.says("value=\"bob.old.test\"") && !page.says("value=\"wrong\""));
        let alice = town.owner("alice").await;
        assert!(begun(&browser, &alice, &[]).await.says("This account is here already"));

        let path = begun(&browser, &bob, &[]).await.location().to_owned();
        let plan = browser.open(&path).await;
        // Nobody else sees it or goes on with it.
        let stranger = town.browser();
        assert_eq!(stranger.open(&path).await.status, 404);
        let form = plan.form(COPY);
        let theft = stranger.post(COPY, &form).await;
        assert!(theft.says("This page is too old"), "{}", theft.html);

        town.owner("bob").await;
        browser.submit(&plan, COPY, &[("password", "a new password")]).await;
        let stopped = after(&browser, &path).await;
        assert!(stopped.says("Somebody has this handle already"), "{}", stopped.html);
        let more = [("handle", "bobby.pds.test")];
        let path = begun(&browser, &bob, &more).await.location().to_owned();
        let plan = browser.open(&path).await;
        browser.submit(&plan, COPY, &[("password", "a new password")]).await;
        let copied = after(&browser, &path).await;
        browser.submit(&copied, CHANGE, &[("code", "AAAAA-AAAAA")]).await;
        let stopped = after(&browser, &path).await;
        assert!(stopped.says("This code is not right"), "{}", stopped.html);
        assert!(activated(&bob).await);
        let code = code(town, &browser, &stopped, "bob@mail.test").await;
        browser.submit(&stopped, CHANGE, &[("code", &code)]).await;
        assert!(after(&browser, &path).await.says("The account has moved"));
        assert!(!activated(&bob).await);
        old.stop().await;
    }

    /// What the process knew is gone after a restart; both servers know the rest.
    async fn a_move_that_was_cut_off_is_begun_again_and_goes_on(town) {
        let old = town.neighbour("old.test").await;
        let bob = bob_with_things(town, &old).await;
        let browser = town.browser();
        let path = begun(&browser, &bob, &[]).await.location().to_owned();
        let plan = browser.open(&path).await;
        browser.submit(&plan, COPY, &[("password", "a new password")]).await;
        after(&browser, &path).await;
        town.restart().await;
        let browser = town.browser();
        assert!(browser.open(&path).await.says("This move is not known here"));
        let path = begun(&browser, &bob, &[]).await.location().to_owned();
        let wrong = browser.open(&path).await;
        browser.submit(&wrong, COPY, &[("password", "another password")]).await;
        assert!(after(&browser, &path).await.says("The move has stopped here"));
        let done = moved(town, &browser, &path, "bob@mail.test").await;
        assert!(done.says("The account has moved"), "{}", done.html);
        old.stop().await;
    }
}
