//! A small HTTP/1.1 server for sinks: it can do what a framework prevents, such as closing without an
//! answer or never answering at all.
//!
//! It reads requests with `Content-Length` or chunked bodies, keeps connections alive, and gives each
//! request to one function that says what to do. It is no general server: no TLS, no upgrades.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::listen::{Gate, Listening};
use crate::wall;

/// Longest request line or header line, in bytes.
const LINE_MAX: u64 = 16 * 1024;
/// Most header lines.
const HEADERS_MAX: usize = 128;
/// Largest body, in bytes.
const BODY_MAX: usize = 8 << 20;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query, undecoded.
    pub target: String,
    /// Names in lowercase.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
    /// When its first line had come, milliseconds since 1970.
    pub started_at_ms: i64,
}

impl Request {
    /// The first header of this name (given in lowercase).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Answers.
    Reply(Reply),
    /// Closes the connection without an answer.
    Close,
    /// Never answers, and keeps the connection open.
    Hang,
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Headers besides `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Reply {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: body.to_string() }
    }
}

/// Decides on a request: what to do, and how long to wait before it.
pub type Handler = dyn Fn(&Request) -> (Duration, Answer) + Send + Sync;

/// A running HTTP sink.
pub struct HttpSink {
    listening: Listening,
}

impl HttpSink {
    /// Starts a server on a free port that gives every request to `handler`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(handler: Arc<Handler>) -> io::Result<Self> {
        let listening = Listening::start(move |stream, number| {
            let handler = Arc::clone(&handler);
            async move {
                // A broken connection ends its task; a sink has nobody to tell.
                let _ended = serve(stream, number, handler).await;
            }
        })
        .await?;
        Ok(Self { listening })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Opens or shuts the door.
    pub fn set_gate(&self, gate: Gate) {
        self.listening.set_gate(gate);
    }

    /// Closes every open connection.
    pub fn cut_all(&self) {
        self.listening.cut_all();
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

async fn serve(stream: TcpStream, number: u64, handler: Arc<Handler>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(request) = read_request(&mut reader, &mut writer, number).await? {
        let (delay, answer) = handler(&request);
        tokio::time::sleep(delay).await;
        match answer {
            Answer::Close => return Ok(()),
            Answer::Hang => std::future::pending().await,
            Answer::Reply(reply) => {
                let mut head = format!("HTTP/1.1 {} Sink\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
                for (name, value) in &reply.headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str("\r\n");
                // One write, so that the peer's first read has it all.
                head.push_str(&reply.body);
                writer.write_all(head.as_bytes()).await?;
            }
        }
    }
    Ok(())
}

async fn read_line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    reader.take(LINE_MAX).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(invalid("header line too long or cut"));
    }
    String::from_utf8(line).map(|text| Some(text.trim_end().to_owned())).map_err(|_| invalid("header not UTF-8"))
}

async fn read_request(
    reader: &mut (impl AsyncBufReadExt + Unpin),
    writer: &mut (impl AsyncWriteExt + Unpin),
    connection: u64,
) -> io::Result<Option<Request>> {
    let Some(first) = read_line(reader).await? else { return Ok(None) };
    let started_at_ms = wall::now_ms();
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(invalid("bad request line")) };
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader).await?.ok_or_else(|| invalid("headers cut"))?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("header without a colon"))?;
        if headers.len() == HEADERS_MAX {
            return Err(invalid("too many headers"));
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: Bytes::new(),
        connection,
        started_at_ms,
    };
    if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let is_chunked = request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let length = match request.header("content-length") {
        Some(text) => text.parse().map_err(|_| invalid("bad content length"))?,
        None => 0,
    };
    request.body = if is_chunked { read_chunks(reader).await? } else { read_sized(reader, length).await?.into() };
    Ok(Some(request))
}

async fn read_sized(reader: &mut (impl AsyncBufReadExt + Unpin), length: usize) -> io::Result<Vec<u8>> {
    if length > BODY_MAX {
        return Err(invalid("body too large"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(body)
}

async fn read_chunks(reader: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Bytes> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader).await?.ok_or_else(|| invalid("chunk cut"))?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| invalid("bad chunk size"))?;
        if body.len().saturating_add(size) > BODY_MAX {
            return Err(invalid("body too large"));
        }
        body.extend(read_sized(reader, size).await?);
        // The line end behind a chunk, or the empty trailer behind the last.
        read_line(reader).await?;
        if size == 0 {
            return Ok(body.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_chunked_body_is_put_together_and_the_connection_stays() {
        let handler: Arc<Handler> = Arc::new(|request| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            (Duration::ZERO, Answer::Reply(Reply { status: 200, headers: Vec::new(), body }))
        });
        let sink = HttpSink::start(handler).await.unwrap();
        let mut stream = BufReader::new(TcpStream::connect(sink.address()).await.unwrap());
        for (request, expected) in [
            ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde"),
            ("POST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", "hi"),
        ] {
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut lines = Vec::new();
            while let Some(line) = read_line(&mut stream).await.unwrap().filter(|line| !line.is_empty()) {
                lines.push(line);
            }
            assert_eq!(lines[0], "HTTP/1.1 200 Sink");
            assert_eq!(lines[1], format!("Content-Length: {}", expected.len()));
            let body = read_sized(&mut stream, expected.len()).await.unwrap();
            assert_eq!(body, expected.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_body_beyond_the_bound_is_not_read() {
        let mut writer = Vec::new();
        let text = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n", BODY_MAX + 1);
        let mut reader = BufReader::new(text.as_bytes());
        let error = read_request(&mut reader, &mut writer, 1).await.unwrap_err();
        assert_eq!(error.to_string(), "body too large");
    }
}
