//! The byte stream below lettre's protocol code, plain or in TLS, with a gate in front of it.
//!
//! The gate is what makes the last check exact: lettre writes a mail's content and then its final dot,
//! and asks nobody in between. [`GuardedParts`] feeds lettre the content; when that is used up it asks
//! the guard, and on a "no" closes the gate, so that the dot cannot be written. The server then sees a
//! connection that broke off inside DATA, and must not take the mail (RFC 5321 §4.1.1.4).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::sender::transport::Guard;

/// Content handed to lettre at a time, in bytes: also the longest write between two looks at timeouts.
const PART: usize = 64 * 1024;

/// How far the mail on a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Progress {
    /// The final dot has not been written: the server cannot have taken the mail.
    BeforeDot = 0,
    /// The guard said no at the dot: nothing more is written, ever.
    Cut = 1,
    /// The final dot may be out: only the server knows.
    Dotted = 2,
}

/// Shared by the stream, the content feeding it, and whoever judges a timeout.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<AtomicU8>);

impl Gate {
    /// How far the current mail is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match self.0.load(Ordering::Acquire) {
            0 => Progress::BeforeDot,
            1 => Progress::Cut,
            _ => Progress::Dotted,
        }
    }

    /// Moves on, or back to the start for the next mail.
    pub fn set(&self, progress: Progress) {
        self.0.store(progress as u8, Ordering::Release);
    }
}

/// The content of a mail in parts; asks the guard when there are no more.
pub struct GuardedParts<'a> {
    rest: &'a [u8],
    guard: &'a dyn Guard,
    gate: Gate,
}

impl<'a> GuardedParts<'a> {
    /// Content without its last CRLF: lettre writes that together with the dot.
    #[must_use]
    pub fn new(mail: &'a [u8], guard: &'a dyn Guard, gate: Gate) -> Self {
        Self { rest: mail.strip_suffix(b"\r\n").unwrap_or(mail), guard, gate }
    }
}

impl<'a> Iterator for GuardedParts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            self.gate.set(if self.guard.may_hand_over() { Progress::Dotted } else { Progress::Cut });
            return None;
        }
        let (part, rest) = self.rest.split_at(self.rest.len().min(PART));
        self.rest = rest;
        Some(part)
    }
}

/// A stream with its gate.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    peer: SocketAddr,
    gate: Gate,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// A connection in the clear (STARTTLS may follow on top of it).
    ///
    /// # Errors
    /// If the socket is gone already.
    pub fn plain(stream: TcpStream, gate: Gate) -> io::Result<Self> {
        Ok(Self { peer: stream.peer_addr()?, stream: Stream::Plain(stream), gate })
    }

    /// A connection with TLS from the first byte on.
    ///
    /// # Errors
    /// If the socket is gone already.
    pub fn encrypted(stream: TlsStream<TcpStream>, gate: Gate) -> io::Result<Self> {
        Ok(Self { peer: stream.get_ref().0.peer_addr()?, stream: Stream::Encrypted(Box::new(stream)), gate })
    }

    fn check_gate(&self) -> io::Result<()> {
        match self.gate.progress() {
            Progress::Cut => Err(io::Error::other("the claim may not be used any more")),
            Progress::BeforeDot | Progress::Dotted => Ok(()),
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Encrypted(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check_gate()?;
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Encrypted(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_gate()?;
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
