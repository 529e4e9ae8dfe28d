//! Bad input: each gets a clear error, none is a 500, and none costs more than
//! its limit.

use std::io::Write;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Answer, Body, Client, Town};

const CREATE: &str = "com.atproto.server.createSession";
const REFRESH: &str = "com.atproto.server.refreshSession";

async fn json_text(client: &Client, nsid: &str, body: impl Into<Vec<u8>>) -> Answer {
    client.call(nsid, Body::Bytes("application/json", body.into())).await
}

/// Sends bytes as they are and reads what comes back until the server closes
/// or has said enough.
async fn raw(town: &Town, request: &str) -> String {
    let mut stream = TcpStream::connect(town.address()).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains("}") {
        let read = stream.read(&mut buffer).await.expect("reads");
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(method: &str, nsid: &str, headers: &str) -> String {
    format!("{method} /xrpc/{nsid} HTTP/1.1\r\nhost: pds.test\r\n{headers}\r\n")
}

fn nested(depth: usize) -> String {
    format!(
        "{{\"identifier\":\"a\",\"password\":\"b\",\"x\":{}{}}}",
        "[".repeat(depth),
        "]".repeat(depth)
    )
}

on_both_engines! {
    /// JSON that is none, or not the method's.
    async fn a_body_must_be_the_methods_json(town) {
        let visitor = town.visitor();
        let bodies: [Vec<u8>; 14] = [
            b"{".to_vec(),
            b"nonsense".to_vec(),
            b"[]".to_vec(),
            b"null".to_vec(),
            b"\"text\"".to_vec(),
            b"{}".to_vec(),
            br#"{"identifier":"a"}"#.to_vec(),
            br#"{"identifier":"a","password":7}"#.to_vec(),
            br#"{"identifier":null,"password":"b"}"#.to_vec(),
            br#"{"identifier":"a","password":"b","allowTakendown":"yes"}"#.to_vec(),
            br#"{"identifier":"a","password":"b","x":1.5}"#.to_vec(),
            br#"{"identifier":"a","password":"b"} trailing"#.to_vec(),
            b"{\"identifier\":\"\xff\",\"password\":\"b\"}".to_vec(),
            nested(10_000).into_bytes(),
        ];
        for body in bodies {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let message = json_text(&visitor, CREATE, body).await.refused(400, "InvalidRequest");
            assert!(!message.is_empty(), "{shown}");
        }
        let message = json_text(&visitor, CREATE, r#"{"identifier":"a"}"#).await.refused(400, "InvalidRequest");
        assert!(message.contains("input.password"), "{message}");
    }

    /// The content type is the lexicon's, and needed where there is a body.
    async fn a_body_has_its_content_type(town) {
        let visitor = town.visitor();
        let body = br#"{"identifier":"nobody.test","password":"b"}"#.to_vec();
        for media_type in ["text/plain", "application/cbor", "application/jsonx", "multipart/form-data"] {
            let answer = visitor.call(CREATE, Body::Bytes(media_type, body.clone())).await;
            let message = answer.refused(400, "InvalidRequest");
            assert_eq!(message, format!("Wrong request encoding (Content-Type): {media_type}"));
        }
        for media_type in ["application/json", "Application/JSON; charset=utf-8"] {
            let answer = visitor.call(CREATE, Body::Bytes(media_type, body.clone())).await;
            answer.refused(401, "AuthenticationRequired");
        }
        let request = visitor.request(Method::POST, &format!("/xrpc/{CREATE}")).body(body);
        let message = visitor.send(CREATE, request).await.refused(400, "InvalidRequest");
        assert_eq!(message, "Request encoding (Content-Type) required but not provided");
    }

    /// A body is there where the lexicon has one, and only there.
    async fn a_body_is_where_it_belongs(town) {
        let missing = raw(town, &head("POST", CREATE, "")).await;
        assert!(missing.starts_with("HTTP/1.1 400"), "{missing}");
        assert!(missing.contains("A request body is expected but none was provided"), "{missing}");
        let alice = town.owner("alice").await;
        let session = town.visitor().with_token(&alice.refresh_jwt);
        let message = session.procedure(REFRESH, &json!({ "a": 1 })).await.refused(400, "InvalidRequest");
        assert_eq!(message, "A request body was provided when none was expected");
        session.call(REFRESH, Body::Bytes("application/json", Vec::new())).await.ok();
        let chunked = format!("authorization: Bearer {}\r\ntransfer-encoding: chunked\r\n", alice.refresh_jwt);
        let empty = raw(town, &format!("{}0\r\n\r\n", head("POST", REFRESH, &chunked))).await;
        assert!(empty.starts_with("HTTP/1.1 200"), "{empty}");
        // An input of which nothing is required may be left empty.
        let credentials = json!({ "identifier": alice.handle, "password": alice.password });
        let session = town.visitor().procedure(CREATE, &credentials).await.ok();
        let token = session["accessJwt"].as_str().unwrap_or_default();
        let headers = format!("authorization: Bearer {token}\r\ncontent-length: 0\r\nconnection: close\r\n");
        let rest = raw(town, &head("POST", "com.atproto.server.deactivateAccount", &headers)).await;
        assert!(rest.starts_with("HTTP/1.1 200"), "{rest}");
    }

    /// Whoever announces too much is refused before sending it.
    async fn a_body_over_its_limit_is_refused_unread(town) {
        let headers = "content-type: application/json\r\ncontent-length: 153601\r\n";
        let answer = raw(town, &head("POST", CREATE, headers)).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("PayloadTooLarge"), "{answer}");
        let alice = town.owner("alice").await;
        let credentials = json!({ "identifier": alice.handle, "password": alice.password });
        let session = town.visitor().procedure(CREATE, &credentials).await.ok();
        let token = session["accessJwt"].as_str().unwrap_or_default();
        let token = format!("authorization: Bearer {token}\r\n");
        let check = async |nsid: &str, media_type: &str, bytes: u64| {
            let headers = format!("{token}content-type: {media_type}\r\ncontent-length: {bytes}\r\n");
            let answer = raw(town, &head("POST", nsid, &headers)).await;
            assert!(answer.starts_with("HTTP/1.1 413"), "{nsid}: {answer}");
        };
        check("com.atproto.repo.createRecord", "application/json", 1_000_001).await;
        check("com.atproto.repo.uploadBlob", "image/png", 104_857_601).await;
    }

    /// Nobody's body is read before it is known who they are.
    async fn a_stranger_is_refused_before_their_body(town) {
        let headers = "content-type: image/png\r\ncontent-length: 1000000000000\r\n";
        let answer = raw(town, &head("POST", "com.atproto.repo.uploadBlob", headers)).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(answer.contains("AuthMissing"), "{answer}");
    }

    /// A body without a length is cut at the limit, also one that was
    /// compressed to nearly nothing.
    async fn a_body_that_grows_is_cut_at_its_limit(town) {
        let visitor = town.visitor();
        let long = format!("{{\"identifier\":\"{}\",\"password\":\"b\"}}", "a".repeat(200_000));
        let send = async |encoding: &str, body: Vec<u8>| {
            let request = visitor
                .request(Method::POST, &format!("/xrpc/{CREATE}"))
                .header("content-type", "application/json")
                .header("content-encoding", encoding)
                .body(body);
            visitor.send(CREATE, request).await
        };
        send("gzip", gzip(long.as_bytes())).await.refused(413, "PayloadTooLarge");
        let short = br#"{"identifier":"nobody.test","password":"b"}"#;
        send("gzip", gzip(short)).await.refused(401, "AuthenticationRequired");
        send("gzip, gzip", gzip(&gzip(short))).await.refused(401, "AuthenticationRequired");
        send("identity", short.to_vec()).await.refused(401, "AuthenticationRequired");
        send("gzip", b"not gzip at all".to_vec()).await.refused(400, "InvalidRequest");
        send("zstd", short.to_vec()).await.refused(415, "UnsupportedMediaType");
        send("gzip, gzip, gzip, gzip", short.to_vec()).await.refused(415, "UnsupportedMediaType");
    }

    /// The HTTP method is the lexicon's, the path an NSID.
    async fn a_request_must_name_a_method(town) {
        let visitor = town.visitor();
        let check = async |method: Method, path: &str, status: u16, error: &str| {
            visitor.send(path, visitor.request(method, path)).await.refused(status, error)
        };
        let message = check(Method::GET, "/xrpc/com.atproto.server.createSession", 400, "InvalidRequest").await;
        assert_eq!(message, "Incorrect HTTP method (GET) expected POST");
        let message = check(Method::POST, "/xrpc/com.atproto.server.describeServer", 400, "InvalidRequest").await;
        assert_eq!(message, "Incorrect HTTP method (POST) expected GET");
        check(Method::DELETE, "/xrpc/com.atproto.server.describeServer", 400, "InvalidRequest").await;
        for path in ["/xrpc/", "/xrpc/nonsense", "/xrpc/com.atproto.server.describeServer/more", "/xrpc/a..b.c", "/xrpc/%00.a.b"] {
            assert_eq!(check(Method::GET, path, 400, "InvalidRequest").await, "invalid xrpc path", "{path}");
        }
        visitor.get("/xrpc/com.atproto.server.describeServer/").await.ok();
    }

    /// Parameters are typed by the lexicon.
    async fn parameters_follow_the_lexicon(town) {
        let visitor = town.visitor();
        let list = "com.atproto.sync.listRepos";
        for (name, value) in [("limit", "0"), ("limit", "1001"), ("limit", "ten"), ("limit", "1.0"), ("limit", "+1")] {
            visitor.query(list, &[(name, value)]).await.refused(400, "InvalidRequest");
        }
        visitor.query(list, &[("limit", "1"), ("limit", "2")]).await.refused(400, "InvalidRequest");
        visitor.query(list, &[("limit", ""), ("unknown", "x")]).await.ok();
        let message = visitor.query("com.atproto.sync.getHead", &[]).await.refused(400, "InvalidRequest");
        assert!(message.contains("params.did"), "{message}");
        visitor.query("com.atproto.sync.getHead", &[("did", "alice")]).await.refused(400, "InvalidRequest");
        let long = "a".repeat(60_000);
        visitor.query(list, &[("x", &long)]).await.refused(400, "InvalidRequest");
    }

    /// HEAD is GET without the body.
    async fn head_answers_without_a_body(town) {
        let visitor = town.visitor();
        let path = "/xrpc/com.atproto.server.describeServer";
        let get = visitor.send(path, visitor.request(Method::GET, path)).await;
        let head = visitor.send(path, visitor.request(Method::HEAD, path)).await;
        assert_eq!(head.status, get.status);
        assert!(head.bytes.is_empty());
        assert_eq!(head.header("content-length"), get.bytes.len().to_string());
    }

    /// Any page may call the methods; none may read a visitor's cookies by it.
    async fn pages_of_other_origins_may_call(town) {
        let visitor = town.visitor();
        let path = format!("/xrpc/{CREATE}");
        let preflight = visitor
            .request(Method::OPTIONS, &path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,atproto-proxy");
        let preflight = visitor.send("preflight", preflight).await;
        assert_eq!(preflight.header("access-control-allow-origin"), "*");
        assert_eq!(preflight.header("access-control-allow-methods"), "POST");
        assert_eq!(preflight.header("access-control-allow-headers"), "authorization,content-type,atproto-proxy");
        assert_eq!(preflight.header("access-control-max-age"), "86400");
        assert_eq!(preflight.header("access-control-allow-credentials"), "");
        let call = visitor.request(Method::GET, "/xrpc/com.example.nothing").header("origin", "https://app.example");
        let call = visitor.send("/xrpc/com.example.nothing", call).await;
        assert_eq!(call.header("access-control-allow-origin"), "*");
        assert!(call.header("access-control-expose-headers").contains("ratelimit-remaining"));
    }
}

/// A gzip file of one stored block per 65,535 bytes, or of repeats where the
/// encoder finds them: made by the `gzip` of the system.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::process::{Command, Stdio};
    let mut child = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is installed");
    let mut stdin = child.stdin.take().expect("piped");
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().expect("gzip ends");
    writer.join().expect("the writer ends").expect("gzip reads");
    output.stdout
}
