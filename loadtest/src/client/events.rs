//! Server-sent events, as <https://html.spec.whatwg.org/multipage/server-sent-events.html> frames them.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use reqwest::Response;

use super::{Answered, ClientError};

/// Largest unfinished event, in bytes.
const EVENT_MAX: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The id to resume behind.
    pub id: String,
    /// Its name.
    pub event: String,
    /// Its data, lines joined.
    pub data: String,
}

/// Puts events together from chunks of text.
#[derive(Debug, Default)]
struct Framing {
    rest: Vec<u8>,
    current: Event,
    ready: VecDeque<Event>,
}

impl Framing {
    fn push(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
        }
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.current);
            if !event.data.is_empty() || !event.event.is_empty() {
                self.ready.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut self.current.id),
            "event" => value.clone_into(&mut self.current.event),
            "data" => {
                if !self.current.data.is_empty() {
                    self.current.data.push('\n');
                }
                self.current.data.push_str(value);
            }
            // Comments keep the connection alive; other fields mean nothing here.
            _ => {}
        }
    }
}

/// An open stream of events.
pub struct EventStream {
    chunks: BoxStream<'static, reqwest::Result<Bytes>>,
    framing: Framing,
}

impl EventStream {
    pub(super) fn new(response: Response) -> Self {
        Self { chunks: response.bytes_stream().boxed(), framing: Framing::default() }
    }

    /// The next event; nothing when the stream ended.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`] when none came `within` the time or the connection broke.
    pub async fn next(&mut self, within: Duration) -> Answered<Option<Event>> {
        let wait = async {
            loop {
                if let Some(event) = self.framing.ready.pop_front() {
                    return Ok(Some(event));
                }
                if self.framing.rest.len() > EVENT_MAX {
                    return Err(ClientError::Malformed("an event without an end".into()));
                }
                match self.chunks.next().await {
                    None => return Ok(None),
                    Some(chunk) => self.framing.push(&chunk?),
                }
            }
        };
        tokio::time::timeout(within, wait)
            .await
            .unwrap_or_else(|_| Err(ClientError::NoAnswer(format!("no event within {within:?}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_cut_anywhere_is_put_together() {
        let text = b": hello\r\n\r\nid: 7\nevent: message\ndata: {\"a\":\ndata:1}\n\ndata: x\n\n";
        for cut in 0..text.len() {
            let mut framing = Framing::default();
            framing.push(&text[..cut]);
            framing.push(&text[cut..]);
            let first = Event { id: "7".into(), event: "message".into(), data: "{\"a\":\n1}".into() };
            let second = Event { data: "x".into(), ..Event::default() };
            assert_eq!(framing.ready, [first, second], "cut at {cut}");
        }
    }
}
