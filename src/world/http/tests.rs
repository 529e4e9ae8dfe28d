//! The doors against servers of this machine that speak HTTP by hand.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{body::AnswerBody, *};

/// Serves one connection: reads until the request ends with `until`, sends
/// `answer`, and returns what came; without an answer it waits for ever.
async fn serve_once(until: &'static str, answer: &'static str) -> (SocketAddr, Served) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let served = async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let asked = read_until(&mut stream, until).await;
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        stream.write_all(answer.as_bytes()).await.expect("an open connection");
        asked
    };
    (address, Box::pin(served))
}

type Served = futures_util::future::BoxFuture<'static, String>;

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut asked = Vec::new();
    let mut piece = [0; 1024];
    while !asked.ends_with(end.as_bytes()) {
        let read = stream.read(&mut piece).await.expect("an open connection");
        assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&asked));
        asked.extend_from_slice(&piece[..read]);
    }
    String::from_utf8(asked).expect("text")
}

fn url(text: &str) -> Url {
    text.parse().expect("a URL")
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_and_nobody_is_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let dns = Dns::fake();
    dns.set_addresses("evil.example", &[IpAddr::from([127, 0, 0, 1])]);
    let outbound = Outbound::new(dns.clone(), Network::Internet, &Authorities::default());
    let evil = url(&format!("https://evil.example:{port}/"));
    let request = outbound.guarded(evil).expect("nothing to see in the URL");
    let refused = request.fetch().await.expect_err("refused");
    assert!(matches!(refused, HttpError::Refused(Refused::NotPublic)), "{refused:?}");
    let connected = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(connected.is_err(), "a connection was made");

    let gone = outbound.guarded(url("https://gone.example/")).expect("nothing to see");
    let refused = gone.fetch().await.expect_err("refused");
    assert!(matches!(refused, HttpError::Refused(Refused::NoAddress)), "{refused:?}");
}

#[tokio::test]
async fn a_developers_guard_lets_this_machine_through() {
    let (address, served) =
        serve_once("\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let outbound = Outbound::new(Dns::fake(), Network::Local, &Authorities::default());
    let request = outbound.guarded(url(&format!("http://{address}/"))).expect("let through");
    let (answer, _) = tokio::join!(request.fetch(), served);
    assert_eq!(answer.expect("an answer").body, "ok");
}

#[tokio::test]
async fn bodies_stream_both_ways_and_only_the_given_headers_are_sent() {
    let (address, served) = serve_once(
        "ef",
        "HTTP/1.1 201 Created\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    )
    .await;
    let outbound = Outbound::fake(Network::Internet);
    outbound.route("appview.example", address);
    let pieces = futures_util::stream::iter(["abc", "def"]).map(|p| Ok(Bytes::from(p)));
    let streamed = outbound
        .guarded(url("https://appview.example/xrpc/a.b.c?x=%20y&z"))
        .expect("a good URL")
        .method(Method::POST)
        .header(::http::header::CONTENT_LENGTH, ::http::HeaderValue::from_static("6"))
        .body(RequestBody::Pieces(pieces.boxed()))
        .stream();
    let (streamed, asked) = tokio::join!(streamed, served);
    let streamed = streamed.expect("an answer");
    assert_eq!(
        (streamed.status.as_u16(), &streamed.headers["x-a"]),
        (201, &"1".parse().expect("text"))
    );
    assert_eq!(streamed.body.whole().await.expect("a body"), "hi");
    assert!(asked.starts_with("POST /xrpc/a.b.c?x=%20y&z HTTP/1.1\r\n"), "{asked}");
    let mut lines: Vec<_> = asked.split("\r\n").skip(1).collect();
    lines.sort_unstable();
    let expected = ["", "abcdef", "accept: */*", "content-length: 6", "host: appview.example"];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn an_answer_past_its_limit_or_its_time_is_given_up() {
    let outbound = Outbound::fake(Network::Internet);
    outbound.answer("https://big.example/", 200, "text/plain", "x".repeat(100));
    let fetch = |max| {
        let request = outbound.guarded(url("https://big.example/")).expect("a good URL");
        request.size_max(max).fetch()
    };
    assert_eq!(fetch(100).await.expect("an answer").body.len(), 100);
    let error = fetch(99).await.expect_err("too large");
    assert!(matches!(error, HttpError::TooLarge { size_bytes_max: 99 }), "{error:?}");

    let (address, served) = serve_once("\r\n\r\n", "").await;
    let silent = outbound.trusted(url(&format!("http://{address}/")));
    let limit = Duration::from_millis(30);
    let answer = tokio::select! {
        answer = silent.timeout(limit).stream() => answer,
        asked = served => unreachable!("it never answers {asked}"),
    };
    assert!(matches!(answer, Err(HttpError::TimedOut)), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_falls_silent_ends_with_an_error() {
    let first = futures_util::stream::iter([Ok(Bytes::from_static(b"a"))]);
    let pieces = first.chain(futures_util::stream::pending());
    let mut body = AnswerBody::new(pieces, 10, Duration::from_millis(5), None);
    assert_eq!(body.next().await.expect("a piece").expect("good"), "a");
    assert!(matches!(body.next().await, Some(Err(HttpError::TimedOut))));
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn redirects_are_followed_as_often_as_allowed_and_each_is_checked() {
    let outbound = Outbound::fake(Network::Internet);
    outbound.redirect("https://a.example/", "/b");
    outbound.redirect("https://a.example/b", "https://c.example/");
    outbound.answer("https://c.example/", 200, "text/plain", "found");
    outbound.redirect("https://down.example/", "http://c.example/");
    outbound.redirect("https://inside.example/", "https://169.254.169.254/");
    let fetch = |from: &str, redirects| {
        let request = outbound.guarded(url(from)).expect("a good URL");
        request.redirects_max(redirects).fetch()
    };
    assert_eq!(fetch("https://a.example/", 2).await.expect("found").body, "found");
    let answer = fetch("https://a.example/", 1).await.expect("an answer");
    assert_eq!(answer.status, 302);
    for (from, expected) in [
        ("https://down.example/", Refused::NotHttps),
        ("https://inside.example/", Refused::NumericHost),
    ] {
        let refused = fetch(from, 3).await.expect_err("refused");
        assert!(matches!(refused, HttpError::Refused(why) if why == expected), "{refused:?}");
    }
}

#[tokio::test]
async fn a_host_has_a_limited_number_of_places() {
    let outbound = Outbound::fake(Network::Internet);
    let host = url("https://slow.example/");
    let mut places = Vec::new();
    for _ in 0..GUARDED_PER_HOST_MAX {
        let place = outbound.place(Door::Guarded, &host, Duration::from_secs(1)).await;
        places.push(place.expect("a place"));
    }
    let full = outbound.place(Door::Guarded, &host, Duration::ZERO).await;
    assert!(matches!(full, Err(HttpError::Busy)), "{full:?}");
    assert!(
        outbound.place(Door::Guarded, &url("https://b.example/"), Duration::ZERO).await.is_ok()
    );
    places.pop();
    assert!(outbound.place(Door::Guarded, &host, Duration::ZERO).await.is_ok());
}
