//! A listening port whose door can be shut: the accept loop that every sink shares.
//!
//! Every connection is a task in one set that dies with the loop, so dropping a sink leaves nothing
//! behind. Refusing connections closes the listening socket alone: the port stays taken by another one that never
//! listens, so that no other process comes to stand where this sink stood.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Whether a sink takes connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Takes them.
    Open,
    /// Leaves them in the kernel's queue: connecting succeeds, and nobody answers.
    Silent,
    /// Refuses them, and has closed those that were open.
    Refusing,
}

#[derive(Debug, Clone, Copy)]
struct Orders {
    gate: Gate,
    /// Raised to close every open connection.
    cuts: u64,
}

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// A socket at an address that others of this sink may be at, too, and nobody else.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// The accept loop of one sink; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    orders: watch::Sender<Orders>,
    task: JoinHandle<()>,
    /// Keeps the port while the sink refuses connections.
    _reserved: TcpSocket,
}

impl Listening {
    /// Binds a free port of 127.0.0.1 and serves every connection with `serve`, which is given the
    /// connection's number, counted from 1.
    pub(crate) async fn start<F, Fut>(serve: F) -> io::Result<Self>
    where
        F: Fn(TcpStream, u64) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let reserved = bound((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = reserved.local_addr()?;
        let listener = bound(address)?.listen(BACKLOG)?;
        let orders = watch::Sender::new(Orders { gate: Gate::Open, cuts: 0 });
        let task = tokio::spawn(accept_loop(listener, address, orders.subscribe(), serve));
        Ok(Self { address, orders, task, _reserved: reserved })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set_gate(&self, gate: Gate) {
        self.orders.send_modify(|orders| {
            orders.gate = gate;
            orders.cuts += u64::from(gate == Gate::Refusing);
        });
    }

    pub(crate) fn cut_all(&self) {
        self.orders.send_modify(|orders| orders.cuts += 1);
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept_loop<F, Fut>(first: TcpListener, address: SocketAddr, mut orders: watch::Receiver<Orders>, serve: F)
where
    F: Fn(TcpStream, u64) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut listener = Some(first);
    let mut connections = JoinSet::new();
    let mut accepted = 0;
    let mut cuts = 0;
    loop {
        let now = *orders.borrow_and_update();
        if now.cuts != cuts {
            cuts = now.cuts;
            connections.shutdown().await;
        }
        match now.gate {
            Gate::Refusing => listener = None,
            Gate::Open if listener.is_none() => {
                listener = bound(address).and_then(|socket| socket.listen(BACKLOG)).ok();
            }
            Gate::Open | Gate::Silent => {}
        }
        let accept = async {
            match (&listener, now.gate) {
                (Some(listener), Gate::Open) => listener.accept().await.ok(),
                // The system had no socket to give: try again shortly.
                (None, Gate::Open) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    None
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = orders.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
            stream = accept => if let Some((stream, _)) = stream {
                accepted += 1;
                // Small answers must not wait for the peer's delayed acknowledgement.
                if stream.set_nodelay(true).is_ok() {
                    connections.spawn(serve(stream, accepted));
                }
            },
        }
    }
}
