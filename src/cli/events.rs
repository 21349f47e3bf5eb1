//! Server-sent events as they come off the wire (WHATWG HTML, section 9.2), read by `tail`.

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Event {
    /// Where to resume after it.
    pub(crate) id: Option<String>,
    /// Its name; none: `message`.
    pub(crate) name: Option<String>,
    /// Its data, lines joined.
    pub(crate) data: String,
}

/// Longest line that is kept; a node sends far shorter ones.
const MAX_LINE: usize = 1 << 20;

/// Puts chunks together to lines, and lines to events.
#[derive(Default)]
pub(crate) struct Decoder {
    line: Vec<u8>,
    after_return: bool,
    event: Event,
    has_data: bool,
}

impl Decoder {
    /// Takes a chunk and gives the events that it completes.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in chunk {
            let was_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if was_return => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.take_line(&String::from_utf8_lossy(&line)));
                }
                _ if self.line.len() < MAX_LINE => self.line.push(*byte),
                _ => {}
            }
        }
        events
    }

    fn take_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        // A line that begins with a colon is a comment: the node's sign of life.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = Some(value.to_owned()),
            "event" => self.event.name = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>, name: Option<&str>, data: &str) -> Event {
        Event { id: id.map(Into::into), name: name.map(Into::into), data: data.into() }
    }

    const STREAM: &str =
        ": hello\n\nid: 1-2\nevent: message.updated\ndata: {\"a\":1}\n\nretry: 5\r\ndata:x\r\ndata: y\r\n\r\nid: 9\n\n";

    #[test]
    fn a_stream_is_read_the_same_however_it_is_cut() {
        let expected = vec![event(Some("1-2"), Some("message.updated"), "{\"a\":1}"), event(None, None, "x\ny")];
        for size in 1..=STREAM.len() {
            let mut decoder = Decoder::default();
            let events: Vec<_> = STREAM.as_bytes().chunks(size).flat_map(|chunk| decoder.feed(chunk)).collect();
            assert_eq!(events, expected, "in chunks of {size}");
        }
    }

    #[test]
    fn an_event_that_is_not_complete_is_not_given() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"data: half"), vec![]);
        assert_eq!(decoder.feed(b" and half\n"), vec![]);
        assert_eq!(decoder.feed(b"\n"), vec![event(None, None, "half and half")]);
    }
}
