//! HTTP/1.1 and WebSocket from the client's side, as cheap as they can be: the
//! load generator shares the machine with the server that it measures.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// A connection that is kept.
pub struct Connection {
    to: SocketAddr,
    stream: TcpStream,
    buffer: BytesMut,
}

/// An answer that was read whole.
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// An answer that was poured away.
pub struct Poured {
    pub first_byte: Duration,
    pub bytes: u64,
}

/// How a body ends.
#[derive(Clone, Copy)]
enum Length {
    Known(u64),
    Chunked,
}

struct Head {
    status: u16,
    length: Length,
}

/// A GET request.
pub fn get(target: &str, token: Option<&str>) -> Bytes {
    request("GET", target, token, "")
}

/// A POST request with a body.
pub fn post(target: &str, token: Option<&str>, (kind, body): (&str, &[u8])) -> Bytes {
    let length = body.len();
    let more = format!("content-type: {kind}\r\ncontent-length: {length}\r\n");
    let head = request("POST", target, token, &more);
    [&head[..], body].concat().into()
}

fn request(method: &str, target: &str, token: Option<&str>, more: &str) -> Bytes {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n{token}{more}\r\n").into()
}

fn broken(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}

impl Connection {
    /// Connects.
    pub async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { to, stream, buffer: BytesMut::with_capacity(READ_BYTES) })
    }

    /// Sends a request and reads the whole answer.
    pub async fn call(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        let head = self.head().await?;
        let mut body = BytesMut::new();
        match head.length {
            Length::Known(length) => {
                let length = usize::try_from(length).map_err(|_| broken("too long"))?;
                while self.buffer.len() < length {
                    self.fill().await?;
                }
                body = self.buffer.split_to(length);
            }
            Length::Chunked => {
                while let Some(chunk) = self.chunk().await? {
                    body.extend_from_slice(&chunk);
                }
            }
        }
        Ok(Answer { status: head.status, body: body.freeze() })
    }

    /// Sends a request; its answer must be one of success.
    pub async fn succeed(&mut self, request: &[u8]) -> io::Result<Bytes> {
        let answer = self.call(request).await?;
        match answer.status {
            200 => Ok(answer.body),
            status => {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                Err(broken(&format!("{} answered {status}: {said}", self.to)))
            }
        }
    }

    /// Sends a request and counts what comes.
    pub async fn pour(&mut self, request: &[u8]) -> io::Result<Poured> {
        let began = Instant::now();
        self.stream.write_all(request).await?;
        let head = self.head().await?;
        if head.status != 200 {
            return Err(broken(&format!("an archive was answered {}", head.status)));
        }
        let mut poured = Poured { first_byte: Duration::ZERO, bytes: 0 };
        let mut count = |bytes: usize| {
            if poured.bytes == 0 {
                poured.first_byte = began.elapsed();
            }
            poured.bytes += bytes as u64;
        };
        match head.length {
            Length::Known(length) => {
                let mut left = length;
                while left > 0 {
                    if self.buffer.is_empty() {
                        self.fill().await?;
                    }
                    let here = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.buffer.advance(here);
                    count(here);
                    left -= here as u64;
                }
            }
            Length::Chunked => {
                while let Some(chunk) = self.chunk().await? {
                    count(chunk.len());
                }
            }
        }
        Ok(poured)
    }

    /// Turns the connection into a subscription to events.
    pub async fn subscribe(mut self, cursor: Option<u64>) -> io::Result<Subscription> {
        let cursor = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        let request = format!(
            "GET /xrpc/com.atproto.sync.subscribeRepos{cursor} HTTP/1.1\r\nhost: localhost\r\n\
             connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        match self.head().await?.status {
            101 => Ok(Subscription(self)),
            status => Err(broken(&format!("a subscription was answered {status}"))),
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(broken("the server hung up")),
            _ => Ok(()),
        }
    }

    async fn head(&mut self) -> io::Result<Head> {
        let end = self.find(b"\r\n\r\n").await?;
        let head = self.buffer.split_to(end + 4);
        let text = std::str::from_utf8(&head).map_err(|_| broken("no text"))?;
        let status = text.get(9..12).and_then(|digits| digits.parse().ok());
        let mut length = Length::Known(0);
        for line in text.lines().skip(1) {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                let value = value.trim().parse().map_err(|_| broken("no length"))?;
                length = Length::Known(value);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                length = Length::Chunked;
            }
        }
        Ok(Head { status: status.ok_or_else(|| broken("no status"))?, length })
    }

    /// The next chunk; none at the end.
    async fn chunk(&mut self) -> io::Result<Option<BytesMut>> {
        let end = self.find(b"\r\n").await?;
        let line = self.buffer.split_to(end + 2);
        let digits = std::str::from_utf8(&line[..end]).unwrap_or_default();
        let digits = digits.split(';').next().unwrap_or_default();
        let length = usize::from_str_radix(digits, 16).map_err(|_| broken("no chunk"))?;
        while self.buffer.len() < length + 2 {
            self.fill().await?;
        }
        let chunk = self.buffer.split_to(length);
        self.buffer.advance(2);
        Ok((length > 0).then_some(chunk))
    }

    async fn find(&mut self, what: &[u8]) -> io::Result<usize> {
        let mut from = 0;
        loop {
            let found = self.buffer[from..].windows(what.len()).position(|part| part == what);
            if let Some(at) = found {
                return Ok(from + at);
            }
            from = self.buffer.len().saturating_sub(what.len() - 1);
            self.fill().await?;
        }
    }
}

/// A subscription to the stream of events.
pub struct Subscription(Connection);

impl Subscription {
    /// The next event's bytes.
    pub async fn next(&mut self) -> io::Result<BytesMut> {
        loop {
            let (code, payload) = self.frame().await?;
            match code {
                1 | 2 => return Ok(payload),
                8 => return Err(broken("the stream was closed")),
                9 => {
                    // A pong, masked with zeros.
                    let length = u8::try_from(payload.len()).unwrap_or(0) | 0x80;
                    let pong = [&[0x8a, length, 0, 0, 0, 0], &payload[..]].concat();
                    self.0.stream.write_all(&pong).await?;
                }
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> io::Result<(u8, BytesMut)> {
        let head = self.bytes(2).await?;
        let (code, short) = (head[0] & 0x0f, head[1] & 0x7f);
        let length = match short {
            126 => u64::from(self.bytes(2).await?.get_u16()),
            127 => self.bytes(8).await?.get_u64(),
            short => u64::from(short),
        };
        let payload = self.bytes(usize::try_from(length).map_err(|_| broken("too long"))?).await?;
        Ok((code, payload))
    }

    async fn bytes(&mut self, count: usize) -> io::Result<BytesMut> {
        while self.0.buffer.len() < count {
            self.0.fill().await?;
        }
        Ok(self.0.buffer.split_to(count))
    }
}
