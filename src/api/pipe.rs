//! Results on their way to a caller that may not read them yet.
//!
//! Many clients send a whole body before they read any of the answer. If results waited for such a
//! client, both sides would wait for each other; so they are kept, up to a bound.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream;
use tokio::sync::Notify;

#[derive(Debug, Default)]
struct State {
    buffer: BytesMut,
    writer_is_done: bool,
    reader_is_gone: bool,
}

#[derive(Debug)]
struct Pipe {
    state: Mutex<State>,
    bound: usize,
    readable: Notify,
    writable: Notify,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where results go.
#[derive(Debug)]
pub(crate) struct Writer(Arc<Pipe>);

/// Where they are read.
#[derive(Debug)]
pub(crate) struct Reader(Arc<Pipe>);

/// The reader has gone: nobody wants further results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReaderGone;

/// Both ends of a pipe that holds about `bound` bytes.
pub(crate) fn pipe(bound: usize) -> (Writer, Reader) {
    let pipe = Arc::new(Pipe { state: Mutex::default(), bound, readable: Notify::new(), writable: Notify::new() });
    (Writer(Arc::clone(&pipe)), Reader(pipe))
}

impl Writer {
    /// Puts a result in, when there is room.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), ReaderGone> {
        loop {
            {
                let mut state = self.0.lock();
                if state.reader_is_gone {
                    return Err(ReaderGone);
                }
                if state.buffer.len() < self.0.bound {
                    state.buffer.extend_from_slice(bytes);
                    self.0.readable.notify_one();
                    return Ok(());
                }
            }
            self.0.writable.notified().await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.lock().writer_is_done = true;
        self.0.readable.notify_one();
    }
}

impl Reader {
    /// Everything that is there, or `None` at the end.
    async fn read(&mut self) -> Option<Bytes> {
        loop {
            {
                let mut state = self.0.lock();
                if !state.buffer.is_empty() {
                    let all = state.buffer.split().freeze();
                    self.0.writable.notify_one();
                    return Some(all);
                }
                if state.writer_is_done {
                    return None;
                }
            }
            self.0.readable.notified().await;
        }
    }

    /// The results as they come.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Bytes> {
        stream::unfold(self, async |mut reader| reader.read().await.map(|bytes| (bytes, reader)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.lock().reader_is_gone = true;
        self.0.writable.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::StreamExt;
    use futures_util::poll;

    use super::*;

    #[actix_web::test]
    async fn what_is_written_before_anyone_reads_is_kept_up_to_the_bound() {
        let (mut writer, reader) = pipe(4);
        assert_eq!(writer.write(b"abc").await, Ok(()));
        assert_eq!(writer.write(b"def").await, Ok(()));
        let mut third = Box::pin(async move {
            let outcome = writer.write(b"g").await;
            (writer, outcome)
        });
        assert!(poll!(&mut third).is_pending(), "the bound is reached");
        let mut stream = pin!(reader.into_stream());
        assert_eq!(stream.next().await, Some(Bytes::from_static(b"abcdef")));
        let (writer, outcome) = third.await;
        assert_eq!(outcome, Ok(()));
        drop(writer);
        assert_eq!(stream.next().await, Some(Bytes::from_static(b"g")));
        assert_eq!(stream.next().await, None);
    }

    #[actix_web::test]
    async fn a_writer_learns_that_nobody_reads_any_more() {
        let (mut writer, reader) = pipe(1);
        assert_eq!(writer.write(b"x").await, Ok(()));
        let mut blocked = Box::pin(writer.write(b"y"));
        assert!(poll!(&mut blocked).is_pending());
        drop(reader);
        assert_eq!(blocked.await, Err(ReaderGone));
    }
}
