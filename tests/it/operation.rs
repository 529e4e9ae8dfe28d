//! What operators rely on: settings, starting, stopping.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use freehold::dev::DirectoryServer;
use freehold::service::directory::Rates;
use freehold::world::World;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Client, Process};

/// The variables that the official installer writes, for a server in `folder`
/// on a free port of this machine.
fn official_installation(folder: &TempDir, plc_url: &str) -> Vec<(&'static str, String)> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    vec![
        ("PDS_HOSTNAME", "pds.example.com".into()),
        ("PDS_PORT", "0".into()),
        ("PDS_JWT_SECRET", "b0f4c9c5a1d2e3f4a5b6c7d8e9f0a1b2".into()),
        ("PDS_ADMIN_PASSWORD", "00112233445566778899aabbccddeeff".into()),
        (
            "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX",
            "3ee68ca9bcbb3a2e3ee68ca9bcbb3a2e3ee68ca9bcbb3a2e3ee68ca9bcbb3a2e".into(),
        ),
        ("PDS_DATA_DIRECTORY", path("pds")),
        ("PDS_BLOBSTORE_DISK_LOCATION", path("pds/blocks")),
        ("PDS_BLOB_UPLOAD_LIMIT", "104857600".into()),
        ("PDS_DID_PLC_URL", plc_url.into()),
        ("PDS_BSKY_APP_VIEW_URL", "https://api.bsky.app".into()),
        ("PDS_BSKY_APP_VIEW_DID", "did:web:api.bsky.app".into()),
        ("PDS_REPORT_SERVICE_URL", "https://mod.bsky.app".into()),
        ("PDS_REPORT_SERVICE_DID", "did:plc:ar7c4by46qjdydhdevvrndac".into()),
        ("LOG_ENABLED", "true".into()),
        ("PDS_RATE_LIMITS_ENABLED", "true".into()),
        ("PDS_INVITE_REQUIRED", "true".into()),
    ]
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, text)| (*name, text.as_str())).collect()
}

/// A directory that real servers of this machine can use.
async fn directory(folder: &TempDir) -> (DirectoryServer, String) {
    let listen = ([127, 0, 0, 1], 0).into();
    let folder = folder.path().join("directory");
    let world = World::fake(1);
    let directory = DirectoryServer::start(listen, &folder, &world, Rates::Free).await;
    let directory = directory.expect("the directory starts");
    let url = format!("http://{}", directory.address());
    (directory, url)
}

/// Signs somebody up on an official installation and returns their client.
async fn sign_up(visitor: &Client) -> (Client, String) {
    let admin = visitor
        .with_header("authorization", "Basic YWRtaW46MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmY=");
    let code = admin
        .procedure("com.atproto.server.createInviteCode", &json!({ "useCount": 1 }))
        .await
        .ok();
    let input = json!({
        "handle": "alice.pds.example.com",
        "email": "alice@mail.test",
        "password": "alice's password",
        "inviteCode": code["code"],
    });
    let session = visitor.procedure("com.atproto.server.createAccount", &input).await.ok();
    let token = session["accessJwt"].as_str().expect("a token is text").to_owned();
    (visitor.with_token(&token), token)
}

#[test]
fn every_fault_of_the_settings_is_named_at_once_and_no_secret_is() {
    let output = Process::run(
        &["serve"],
        &[
            ("FREEHOLD_SERVER_PORT", "70000"),
            ("FREEHOLD_SERVER_HOSTNAME", "https://pds.example.com/"),
            ("FREEHOLD_DATABASE_URL", "mysql://root:hunter2@localhost"),
            ("PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX", "hunter2"),
            ("PDS_WHATEVER", "1"),
        ],
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    let wanted = [
        "server.port (FREEHOLD_SERVER_PORT)",
        "server.hostname (FREEHOLD_SERVER_HOSTNAME)",
        "database.url (FREEHOLD_DATABASE_URL)",
        "secrets.plc_rotation_key (PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX)",
        "PDS_JWT_SECRET",
        "PDS_ADMIN_PASSWORD",
        "PDS_BLOBSTORE_DISK_LOCATION",
        "PDS_WHATEVER is no variable",
    ];
    for part in wanted {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

/// With nothing but the environment of an official installation a server
/// starts, is that server, and takes an account.
#[tokio::test(flavor = "multi_thread")]
async fn an_official_installations_environment_is_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, plc_url) = directory(&folder).await;
    let variables = official_installation(&folder, &plc_url);
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let visitor = server.visitor();
    let described = visitor.query("com.atproto.server.describeServer", &[]).await.ok();
    assert_eq!(described["did"], "did:web:pds.example.com");
    assert_eq!(described["availableUserDomains"], json!([".pds.example.com"]));
    assert_eq!(described["inviteCodeRequired"], true);
    let (alice, token) = sign_up(&visitor).await;
    let session = alice.query("com.atproto.server.getSession", &[]).await.ok();
    assert_eq!(session["handle"], "alice.pds.example.com");
    assert!(folder.path().join("pds/freehold.sqlite").exists());
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    // The secrets are those of the installation, so sessions outlive a restart.
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let again = server.visitor().with_token(&token);
    again.query("com.atproto.server.getSession", &[]).await.ok();
    directory.stop().await;
}

/// A request that has begun when the signal comes is answered; new connections
/// are refused, and the program ends by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_to_stop_lets_requests_finish() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, plc_url) = directory(&folder).await;
    let variables = official_installation(&folder, &plc_url);
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let address = server.listening();
    let (_, token) = sign_up(&Client::new(address)).await;
    let upload = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        let head = format!(
            "POST /xrpc/com.atproto.repo.uploadBlob HTTP/1.1\r\nHost: pds\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\
             Expect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("the head is taken");
        let mut lines = BufReader::new(stream.try_clone().expect("a socket has two ends"));
        let mut go_on = String::new();
        // The server asks for the body: the request is in its hands.
        lines.read_line(&mut go_on).expect("the server answers");
        assert!(go_on.starts_with("HTTP/1.1 100"), "{go_on}");
        stream.write_all(b"01234").expect("half of the body is taken");
        server.signal("TERM");
        server.until("Stopping");
        stream.write_all(b"56789").expect("the rest is taken");
        let mut answer = String::new();
        lines.read_to_string(&mut answer).expect("the answer ends");
        assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
        server.until("Stopped");
        assert_eq!(server.exit_code(), Some(0));
        assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    });
    tokio::task::spawn_blocking(move || upload.join().expect("all of it held"))
        .await
        .expect("the thread is joined");
    directory.stop().await;
}

/// The health check of the container asks the server that the settings name.
#[tokio::test(flavor = "multi_thread")]
async fn health_is_what_the_server_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().display().to_string();
    let variables = [("FREEHOLD_SERVER_PORT", "0"), ("FREEHOLD_SERVER_DATA_DIRECTORY", &data)];
    let mut server = Process::start(&["serve"], &variables);
    let port = server.listening().port().to_string();
    let ask = |port: &str| Process::run(&["health"], &[("FREEHOLD_SERVER_PORT", port)]).status;
    assert_eq!(ask(&port).code(), Some(0));
    server.signal("INT");
    assert_eq!(server.exit_code(), Some(0));
    assert_eq!(ask(&port).code(), Some(1));
}

/// Somebody who runs a server lets people in from the command line.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_invite_codes_are_made_by_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, plc_url) = directory(&folder).await;
    let mut variables = official_installation(&folder, &plc_url);
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let visitor = server.visitor();
    let port = visitor.address().port().to_string();
    variables.retain(|(name, _)| *name != "PDS_PORT");
    variables.push(("PDS_PORT", port));
    let arguments = ["account", "create", "bob.pds.example.com", "bob@mail.test"];
    let output = Process::run(&arguments, &borrowed(&variables));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let password = printed.lines().find_map(|line| line.strip_prefix("password  "));
    let login = json!({ "identifier": "bob.pds.example.com", "password": password });
    visitor.procedure("com.atproto.server.createSession", &login).await.ok();
    let output = Process::run(&["invite", "create", "--uses", "2"], &borrowed(&variables));
    let code = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(code.starts_with("pds-example-com-"), "{code}");
    let listed = || {
        let output = Process::run(&["invite", "list"], &borrowed(&variables));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(listed().contains(&format!("{code}  for admin  used 0 of 2\n")), "{}", listed());
    let output = Process::run(&["invite", "disable", &code], &borrowed(&variables));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        listed().contains(&format!("{code}  for admin  used 0 of 2  disabled")),
        "{}",
        listed()
    );
    directory.stop().await;
}

/// The operator looks after accounts of the running server by commands.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_looked_after_by_commands() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, plc_url) = directory(&folder).await;
    let mut variables = official_installation(&folder, &plc_url);
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let visitor = server.visitor();
    let (_, _) = sign_up(&visitor).await;
    let port = visitor.address().port().to_string();
    variables.retain(|(name, _)| *name != "PDS_PORT");
    variables.push(("PDS_PORT", port));
    let run = |arguments: &[&str]| {
        let arguments = [&["account"], arguments].concat();
        let output = Process::run(&arguments, &borrowed(&variables));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let alice = "alice.pds.example.com";
    let (_, listed, _) = run(&["list"]);
    assert!(listed.contains(alice) && listed.lines().count() == 1, "{listed}");
    assert!(run(&["takedown", alice, "--reference", "case 9"]).0);
    let (_, shown, _) = run(&["show", "alice@mail.test"]);
    assert!(shown.contains("case 9"), "{shown}");
    assert!(run(&["untakedown", alice]).0);
    assert!(run(&["suspend", alice]).0);
    assert!(run(&["show", alice]).1.contains("suspended"));
    assert!(run(&["unsuspend", alice]).0);
    assert!(!run(&["show", alice]).1.contains("suspended"));
    assert!(run(&["set-handle", alice, "admin.pds.example.com"]).0);
    assert!(run(&["set-email", "admin.pds.example.com", "alice@new.test"]).0);
    assert!(run(&["deactivate", "alice@new.test"]).0);
    let (_, shown, _) = run(&["show", "@admin.pds.example.com", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["account"]["email"], "alice@new.test");
    assert_eq!(shown["status"]["deactivated"]["applied"], true);
    assert_eq!(shown["status"]["takedown"]["applied"], false);
    let did = shown["account"]["did"].as_str().expect("a DID").to_owned();
    assert!(run(&["activate", &did]).0);
    let (_, printed, _) = run(&["reset-password", &did]);
    let password = printed.strip_prefix("password  ").map(str::trim);
    let login = json!({ "identifier": did, "password": password });
    visitor.procedure("com.atproto.server.createSession", &login).await.ok();
    let (done, _, said) = run(&["delete", &did]);
    assert!(!done && said.contains("--yes"), "{said}");
    assert!(run(&["delete", &did, "--yes"]).0);
    assert_eq!(run(&["list"]).1, "");
    let (done, _, said) = run(&["show", alice]);
    assert!(!done && said.contains("there is no account"), "{said}");
    directory.stop().await;
}

/// The same commands work on the database while no server runs, and the server
/// finds what they did.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_looked_after_while_no_server_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, plc_url) = directory(&folder).await;
    let mut variables = official_installation(&folder, &plc_url);
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let visitor = server.visitor();
    sign_up(&visitor).await;
    let alice = [("handle", "alice.pds.example.com")];
    let alice = visitor.query("com.atproto.identity.resolveHandle", &alice).await.ok();
    let did = alice["did"].as_str().expect("a DID");
    let run = |arguments: &[&str]| {
        let output = Process::run(arguments, &borrowed(&variables));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    server.signal("TERM");
    server.exit_code();
    assert!(run(&["account", "list"]).contains("alice.pds.example.com"));
    run(&["account", "takedown", "alice.pds.example.com", "--reference", "case 3"]);
    let invite: serde_json::Value =
        serde_json::from_str(&run(&["invite", "create", "--json"])).expect("JSON");
    let code = invite["code"].as_str().expect("a code");
    let bob = run(&["account", "create", "bob.pds.example.com", "bob@mail.test", "--json"]);
    let bob: serde_json::Value = serde_json::from_str(&bob).expect("JSON");
    let reset = run(&["account", "reset-link", "bob@mail.test", "--json"]);
    let reset: serde_json::Value = serde_json::from_str(&reset).expect("JSON");
    assert_eq!(reset["did"], bob["did"]);
    variables.retain(|(name, _)| *name != "PDS_PORT");
    variables.push(("PDS_PORT", "0".to_owned()));
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let visitor = server.visitor();
    let status = visitor.query("com.atproto.sync.getRepoStatus", &[("did", did)]).await.ok();
    assert_eq!(status["status"], "takendown");
    let sign_up = json!({
        "handle": "carol.pds.example.com",
        "email": "carol@mail.test",
        "password": "a password",
        "inviteCode": code,
    });
    visitor.procedure("com.atproto.server.createAccount", &sign_up).await.ok();
    let login = json!({ "identifier": bob["did"], "password": bob["password"] });
    visitor.procedure("com.atproto.server.createSession", &login).await.ok();
    let reset = json!({ "token": reset["code"], "password": "a new one" });
    visitor.procedure("com.atproto.server.resetPassword", &reset).await.ok_bytes();
    directory.stop().await;
}

/// Where no mail is set up the operator hands codes over: while the server
/// runs, and while it does not.
#[tokio::test(flavor = "multi_thread")]
async fn codes_are_printed_for_the_operator() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, plc_url) = directory(&folder).await;
    let mut variables = official_installation(&folder, &plc_url);
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let visitor = server.visitor();
    let (alice, _) = sign_up(&visitor).await;
    let port = visitor.address().port().to_string();
    variables.retain(|(name, _)| *name != "PDS_PORT");
    variables.push(("PDS_PORT", port));

    let code = printed_code(&["account", "reset-link", "alice.pds.example.com"], &variables);
    let input = json!({ "token": code, "password": "alice's new password" });
    visitor.procedure("com.atproto.server.resetPassword", &input).await.ok();
    let output =
        Process::run(&["account", "reset-link", "nobody@mail.test"], &borrowed(&variables));
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("user not found"));

    let output = Process::run(&["mail", "outbox"], &borrowed(&variables));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");

    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    let arguments = ["account", "code", "--for", "confirm-email", "alice@mail.test"];
    let code = printed_code(&arguments, &variables);
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let alice = alice.moved(server.listening());
    let input = json!({ "email": "alice@mail.test", "token": code });
    alice.procedure("com.atproto.server.confirmEmail", &input).await.ok();
    directory.stop().await;
}

/// Runs a command that prints a code, and returns the code.
fn printed_code(arguments: &[&str], variables: &[(&'static str, String)]) -> String {
    let output = Process::run(arguments, &borrowed(variables));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = printed.lines().find_map(|line| line.strip_prefix("code    "));
    code.unwrap_or_else(|| panic!("no code in {printed}")).to_owned()
}

/// Nobody but the administrator gets a code from the running server.
#[tokio::test(flavor = "multi_thread")]
async fn codes_are_printed_for_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, plc_url) = directory(&folder).await;
    let variables = official_installation(&folder, &plc_url);
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let visitor = server.visitor();
    let (alice, did) = sign_up(&visitor).await;
    let wrong = visitor.with_header("authorization", "Basic YWRtaW46d3Jvbmc=");
    for (client, status) in [(visitor, 401), (alice, 400), (wrong, 401)] {
        let asked = client
            .request(reqwest::Method::POST, "/operator/account-code")
            .json(&json!({ "account": did, "purpose": "reset_password" }));
        assert_eq!(asked.send().await.expect("an answer").status().as_u16(), status);
    }
    directory.stop().await;
}

/// The operator sees what the relay says to a letter.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_the_mail_says_what_the_relay_answered() {
    let post = crate::smtp::Post::open(crate::smtp::Offers::Nothing, &[]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut variables = official_installation(&folder, "http://plc.test");
    variables.push(("PDS_EMAIL_SMTP_URL", format!("smtp://127.0.0.1:{}", post.port())));
    variables.push(("PDS_EMAIL_FROM_ADDRESS", "admin@pds.example.com".to_owned()));
    let run = || Process::run(&["mail", "test", "me@mail.test"], &borrowed(&variables));
    let output = run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "taken: 250 2.0.0 kept as number 7\n");
    assert!(post.text().contains("RCPT TO:<me@mail.test>"), "{}", post.text());

    post.answer_next("550 5.7.1 not from you");
    let output = run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("refused with 550"), "{said}");
    assert!(said.contains("not from you"), "{said}");
}

/// Keys are rotated and accounts announced by command, beside the running server
/// and on its database.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_and_accounts_announced_by_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, plc_url) = directory(&folder).await;
    let mut variables = official_installation(&folder, &plc_url);
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let visitor = server.visitor();
    let port = visitor.address().port().to_string();
    variables.retain(|(name, _)| *name != "PDS_PORT");
    variables.push(("PDS_PORT", port));
    let (alice, _) = sign_up(&visitor).await;
    let session = alice.query("com.atproto.server.getSession", &[]).await.ok();
    let did = session["did"].as_str().expect("a DID").to_owned();
    let run = |arguments: &[&str]| {
        let output = Process::run(arguments, &borrowed(&variables));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let named = async || {
        let document = directory.directory().document(&did).await.expect("a document");
        document.signing_key().expect("a key").did_key().as_str().to_owned()
    };
    let first = named().await;
    let (code, printed, said) = run(&["key", "rotate", "alice.pds.example.com"]);
    assert_eq!(code, Some(0), "{said}");
    let second = named().await;
    assert_ne!(first, second);
    assert!(printed.contains(&second), "{printed}");
    let (code, printed, said) = run(&["repo", "announce", "--all", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let line: serde_json::Value = serde_json::from_str(&printed).expect("a line of JSON");
    assert_eq!((&line["account"], &line["outcome"]), (&json!(did), &json!("announced")));
    let (code, _, said) = run(&["repo", "announce", "nobody.pds.example.com"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nobody.pds.example.com"), "{said}");
    assert_eq!(run(&["key", "rotate"]).0, Some(2));
    server.signal("KILL");
    server.exit_code();
    let (code, printed, said) = run(&["key", "rotate", "--all"]);
    assert_eq!(code, Some(0), "{said}");
    let third = named().await;
    assert!(printed.contains(&third) && third != second, "{printed}");
    let (code, _, said) = run(&["repo", "announce", &did]);
    assert_eq!(code, Some(0), "{said}");
    let (code, printed, said) = run(&["check", "--deep"]);
    assert_eq!(code, Some(0), "{printed}{said}");
    let mut server = Process::start(&["serve"], &borrowed(&variables));
    let record = json!({ "text": "hello", "createdAt": "2026-01-02T03:04:05.678Z" });
    let input = json!({ "repo": did, "collection": "app.bsky.feed.post", "record": record });
    let alice = alice.moved(server.listening());
    alice.procedure("com.atproto.repo.createRecord", &input).await.ok();
    directory.stop().await;
}

/// Relays are asked by command, and what they say is told.
#[tokio::test(flavor = "multi_thread")]
async fn relays_are_asked_by_command() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let relay = format!("http://{}", listener.local_addr().expect("an address"));
    let served = std::thread::spawn(move || {
        let mut bodies = Vec::new();
        for status in ["200 OK", "400 Bad Request"] {
            let (mut stream, _) = listener.accept().expect("somebody asks");
            let mut reader = BufReader::new(stream.try_clone().expect("a socket has two ends"));
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).expect("a head") > 2 {
                let lower = line.to_lowercase();
                if let Some(text) = lower.strip_prefix("content-length:") {
                    length = text.trim().parse().expect("a number");
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            bodies.push(String::from_utf8(body).expect("text"));
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n");
            write!(stream, "{head}content-type: application/json\r\n\r\n{{}}").expect("an answer");
        }
        bodies
    });
    let folder = tempfile::tempdir().expect("a folder");
    let variables = official_installation(&folder, "http://127.0.0.1:9");
    let run = |more: &[&str]| {
        let arguments = [&["relay", "request-crawl", &relay], more].concat();
        Process::run(&arguments, &borrowed(&variables))
    };
    let (taken, refused) = (run(&[]), run(&["--json"]));
    assert_eq!(taken.status.code(), Some(0), "{}", String::from_utf8_lossy(&taken.stderr));
    assert_eq!(refused.status.code(), Some(1));
    let said: serde_json::Value = serde_json::from_slice(&refused.stdout).expect("JSON");
    assert_eq!(said["asked"], false);
    assert!(said["error"].as_str().is_some_and(|error| error.contains("400")), "{said}");
    let asked = r#"{"hostname":"pds.example.com"}"#;
    assert_eq!(served.join().expect("it served"), [asked, asked]);
}
