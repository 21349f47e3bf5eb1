//! A TCP proxy between two parties that it can slow down, cut apart or silence.
//!
//! It stands before a store or a provider for the faults that a process's own signals cannot make:
//! a slow path, a connection that ends in the middle, and a half-open one, where both sides believe in
//! the connection and no byte moves. Bytes held back are not lost: they move on when forwarding resumes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::listen::{Gate, Listening};

/// Bytes read at once.
const CHUNK: usize = 16 * 1024;
/// Chunks on their way in one direction; a full path stops reading, as a real one would.
const CHUNKS_IN_FLIGHT: usize = 256;

/// How the path behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Every chunk arrives this much later, in each direction.
    pub latency: Duration,
    /// Whether bytes move at all.
    pub forwards: bool,
}

impl Path {
    /// A path that is not there at all.
    pub const CLEAR: Self = Self { latency: Duration::ZERO, forwards: true };
}

/// A running proxy.
pub struct Proxy {
    listening: Listening,
    path: watch::Sender<Path>,
    upstream: watch::Sender<SocketAddr>,
}

impl Proxy {
    /// Starts a proxy on a free port that connects to `upstream` for every connection it gets.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let (path, upstream) = (watch::Sender::new(Path::CLEAR), watch::Sender::new(upstream));
        let (watcher, target) = (path.subscribe(), upstream.subscribe());
        let listening = Listening::start(move |stream, _| {
            let (path, upstream) = (watcher.clone(), *target.borrow());
            async move {
                // The end of either side ends both; there is nobody to tell.
                let _ended = connect_and_pump(stream, upstream, path).await;
            }
        })
        .await?;
        Ok(Self { listening, path, upstream })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Changes the path of every connection, open ones too.
    pub fn set_path(&self, path: Path) {
        self.path.send_replace(path);
    }

    /// Leads to another server from now on, as a name does whose server was replaced; open connections are cut.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.upstream.send_replace(upstream);
        self.cut_all();
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

async fn connect_and_pump(client: TcpStream, upstream: SocketAddr, path: watch::Receiver<Path>) -> io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    let there = pump(client_reader, server_writer, path.clone());
    let back = pump(server_reader, client_writer, path);
    tokio::try_join!(there, back).map(|_| ())
}

/// Moves bytes one way until the source ends, then ends the target.
async fn pump(
    mut source: impl AsyncReadExt + Unpin,
    mut target: impl AsyncWriteExt + Unpin,
    mut path: watch::Receiver<Path>,
) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_IN_FLIGHT);
    let delays = path.clone();
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let size = source.read(&mut buffer).await?;
            #[allow(clippy::disallowed_methods, reason = "a delay of the path, not a decision about messages")]
            let due = Instant::now() + delays.borrow().latency;
            if size == 0 || sender.send((due, buffer[..size].to_vec())).await.is_err() {
                return io::Result::Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if path.wait_for(|path| path.forwards).await.is_err() {
                return Ok(());
            }
            target.write_all(&chunk).await?;
        }
        target.shutdown().await
    };
    tokio::try_join!(read, write).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wall::Stopwatch;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// A server that gives back every byte, behind a proxy, and a connection through it.
    async fn echo_behind_a_proxy() -> (Listening, Proxy, TcpStream) {
        let echo = Listening::start(|stream, _| async move {
            let (mut reader, mut writer) = stream.into_split();
            let _ended = tokio::io::copy(&mut reader, &mut writer).await;
        })
        .await
        .unwrap();
        let proxy = Proxy::start(echo.address()).await.unwrap();
        let stream = TcpStream::connect(proxy.address()).await.unwrap();
        (echo, proxy, stream)
    }

    async fn round_trip(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
        stream.write_all(b"ping").await?;
        let mut back = [0; 4];
        stream.read_exact(&mut back).await?;
        Ok(back)
    }

    #[tokio::test]
    async fn bytes_come_back_and_latency_counts_in_both_directions() {
        let (_echo, proxy, mut stream) = echo_behind_a_proxy().await;
        assert_eq!(&round_trip(&mut stream).await.unwrap(), b"ping");
        proxy.set_path(Path { latency: Duration::from_millis(30), forwards: true });
        let watch = Stopwatch::start();
        assert_eq!(&round_trip(&mut stream).await.unwrap(), b"ping");
        assert!(watch.is_past(Duration::from_millis(60)));
    }

    #[tokio::test]
    async fn a_half_open_path_is_silent_and_gives_the_bytes_later() {
        let (_echo, proxy, mut stream) = echo_behind_a_proxy().await;
        proxy.set_path(Path { forwards: false, ..Path::CLEAR });
        stream.write_all(b"ping").await.unwrap();
        let mut back = [0; 4];
        assert!(tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut back)).await.is_err());
        proxy.set_path(Path::CLEAR);
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut back)).await.unwrap().unwrap();
        assert_eq!(&back, b"ping");
    }

    #[tokio::test]
    async fn it_leads_to_another_server_when_told() {
        let (_echo, proxy, mut stream) = echo_behind_a_proxy().await;
        round_trip(&mut stream).await.unwrap();
        let other = Listening::start(|mut stream, _| async move {
            let _ended = stream.write_all(b"else").await;
        });
        let other = other.await.unwrap();
        proxy.lead_to(other.address());
        let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("an end in time");
        assert!(ended.unwrap_or(0) == 0);
        let mut again = TcpStream::connect(proxy.address()).await.unwrap();
        let mut told = [0; 4];
        again.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"else");
    }

    #[tokio::test]
    async fn a_cut_ends_the_connection_and_the_next_one_works() {
        let (_echo, proxy, mut stream) = echo_behind_a_proxy().await;
        round_trip(&mut stream).await.unwrap();
        proxy.cut_all();
        let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("an end in time");
        assert!(ended.unwrap_or(0) == 0);
        let mut again = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(&round_trip(&mut again).await.unwrap(), b"ping");
    }
}
