//! One connection of HTTP/1.1, kept open, with as little work a request as there can be.
//!
//! Where a figure is requests a second, client and node share the machine: what a general client does for each request
//! would be measured as the node's. This one writes the request in one piece, and reads the answer's status and length.

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{Answered, ClientError};

/// Longest line of an answer's head, in bytes.
const LINE_MAX: u64 = 16 * 1024;
/// Largest body of an answer, in bytes: a batch of 10,000 lines with its messages.
const BODY_MAX: usize = 64 << 20;

/// A connection to a node.
#[derive(Debug)]
pub struct Wire {
    stream: BufReader<TcpStream>,
    /// What every request carries behind its first line.
    head: String,
    request: Vec<u8>,
    line: Vec<u8>,
    body: Vec<u8>,
}

fn broken(error: &std::io::Error) -> ClientError {
    ClientError::NoAnswer(error.to_string())
}

fn malformed(what: &str) -> ClientError {
    ClientError::Malformed(what.to_owned())
}

impl Wire {
    /// Connects to `address` (`host:port`), to show this key with every request.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`] when nobody listens there.
    pub async fn connect(address: &str, key: &str) -> Answered<Self> {
        let stream = TcpStream::connect(address).await.map_err(|error| broken(&error))?;
        stream.set_nodelay(true).map_err(|error| broken(&error))?;
        let head = format!("Host: {address}\r\nAuthorization: Bearer {key}\r\n");
        let (request, line, body) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream), head, request, line, body })
    }

    /// Sends a request and reads its answer. `kind` is the media type of `content`, which is empty where there is none.
    ///
    /// # Errors
    /// See [`ClientError`]. After anything but a refusal the connection is of no use.
    pub async fn ask(&mut self, method: &str, path: &str, kind: &str, content: &[u8]) -> Answered<&[u8]> {
        self.request.clear();
        let first = format!("{method} {path} HTTP/1.1\r\n{}", self.head);
        self.request.extend_from_slice(first.as_bytes());
        if !kind.is_empty() {
            self.request
                .extend_from_slice(format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", content.len()).as_bytes());
        }
        self.request.extend_from_slice(b"\r\n");
        self.request.extend_from_slice(content);
        self.stream.get_mut().write_all(&self.request).await.map_err(|error| broken(&error))?;
        let (status, retry_after) = self.answer().await?;
        if (200..300).contains(&status) {
            return Ok(&self.body);
        }
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_default().to_owned();
        let detail = String::from_utf8_lossy(&self.body).chars().take(500).collect();
        Err(ClientError::Refused { status, code, detail, retry_after })
    }

    /// Reads a whole answer into `body`: its status, and the seconds of `Retry-After`.
    async fn answer(&mut self) -> Answered<(u16, Option<u64>)> {
        let first = self.read_line().await?;
        let status =
            first.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(|| malformed("no status"))?;
        let (mut length, mut is_chunked, mut retry_after) = (0, false, None);
        loop {
            let line = self.read_line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().map_err(|_| malformed("bad content length"))?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                is_chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("retry-after") {
                retry_after = value.parse().ok();
            }
        }
        self.body.clear();
        if !is_chunked {
            self.read_more(length).await?;
            return Ok((status, retry_after));
        }
        loop {
            let size = self.read_line().await?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| malformed("bad chunk size"))?;
            self.read_more(size).await?;
            self.read_line().await?;
            if size == 0 {
                return Ok((status, retry_after));
            }
        }
    }

    /// The next line of a head, without its end.
    async fn read_line(&mut self) -> Answered<String> {
        self.line.clear();
        let mut limited = (&mut self.stream).take(LINE_MAX);
        limited.read_until(b'\n', &mut self.line).await.map_err(|error| broken(&error))?;
        if self.line.last() != Some(&b'\n') {
            return Err(ClientError::NoAnswer("the answer ended early".to_owned()));
        }
        std::str::from_utf8(&self.line).map(|text| text.trim_end().to_owned()).map_err(|_| malformed("not UTF-8"))
    }

    async fn read_more(&mut self, bytes: usize) -> Answered<()> {
        let from = self.body.len();
        if from.saturating_add(bytes) > BODY_MAX {
            return Err(malformed("an answer beyond every bound"));
        }
        self.body.resize(from + bytes, 0);
        self.stream.read_exact(&mut self.body[from..]).await.map(drop).map_err(|error| broken(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::http::{Answer, Handler, HttpSink, Reply};
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn answers_are_read_one_after_the_other_and_a_refusal_is_told() {
        let handler: Arc<Handler> = Arc::new(|request| {
            let status = if request.method == "POST" { 201 } else { 503 };
            let body = format!("{} {}", request.target, String::from_utf8_lossy(&request.body));
            let headers = vec![("Retry-After".to_owned(), "7".to_owned())];
            (Duration::ZERO, Answer::Reply(Reply { status, headers, body }))
        });
        let sink = HttpSink::start(handler).await.unwrap();
        let mut wire = Wire::connect(&sink.address().to_string(), "key").await.unwrap();
        for text in ["one", "two"] {
            let answer = wire.ask("POST", "/a", "text/plain", text.as_bytes()).await.unwrap();
            assert_eq!(answer, format!("/a {text}").as_bytes());
        }
        let refused = wire.ask("DELETE", "/b", "", b"").await.unwrap_err();
        assert!(matches!(refused, ClientError::Refused { status: 503, retry_after: Some(7), .. }), "{refused}");
    }

    #[tokio::test]
    async fn a_chunked_answer_is_put_together() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = [0; 1024];
            let _read = stream.read(&mut seen).await.unwrap();
            let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let mut wire = Wire::connect(&address.to_string(), "key").await.unwrap();
        assert_eq!(wire.ask("GET", "/", "", b"").await.unwrap(), b"abcde");
    }
}
