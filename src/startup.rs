//! Puts a node together: its name, its store, its transports, the engine, the HTTP server.
//!
//! The order matters. The port is bound first, so that a second node on the same machine fails before it
//! touches anything; the first account and key are in the store before the first request is answered, so
//! that whoever sees `/readyz` can use them.

mod identity;
mod wiring;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};
use anyhow::{Context, bail};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use sendwheel_actors::domain::clock::{SharedClock, SystemClock};
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::engine::{Bootstrap, Engine, EngineStart, Threads};
use tracing_actix_web::TracingLogger;

use crate::api;
use crate::config::Settings;
use crate::inbound::lmtp::Lmtp;
use crate::shutdown::HTTP_GRACE;

pub use identity::NodeName;
pub use wiring::{open_store, transports};
pub(crate) use wiring::{smtp_settings, store_url};

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// The engine.
    pub engine: Engine,
    /// Stops the HTTP server.
    pub http: ServerHandle,
    /// Where it really listens.
    pub address: SocketAddr,
    /// What the outside reaches it under.
    pub public_url: String,
    /// The first sign-in and key, if the store was empty.
    pub first: Option<Credentials>,
    /// Holds this node's name as long as it runs.
    _name: NodeName,
}

/// The first sign-in and API key of an installation.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Sign-in name.
    pub admin_email: String,
    /// Password, and whether it was made here.
    pub admin_password: Secret,
    /// API key, and whether it was made here.
    pub api_key: Secret,
}

/// A secret and where it came from.
#[derive(Debug, Clone)]
pub enum Secret {
    /// From the settings: never printed.
    Given(SecretString),
    /// Made here: printed once.
    Made(SecretString),
}

impl Secret {
    /// The secret itself.
    #[must_use]
    pub const fn value(&self) -> &SecretString {
        match self {
            Self::Given(secret) | Self::Made(secret) => secret,
        }
    }
}

/// Binds the port of the settings.
///
/// # Errors
/// If it is taken or not ours to take.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    // Not `std`'s bind: after a restart, connections of the old process still linger on the port.
    TcpListener::bind(address)
}

/// Starts a node on a bound port.
///
/// # Errors
/// Says what could not be started and what to do.
pub async fn start(settings: &Settings, listener: TcpListener, metrics: PrometheusHandle) -> anyhow::Result<Node> {
    let address = listener.local_addr().context("cannot tell the address that was bound")?;
    let public_url = settings.server.public_url_at(address);
    let clock: SharedClock = Arc::new(SystemClock);
    let ids = IdSource::from_os();
    let transports = transports(settings, &clock)?;
    let lmtp = match &settings.inbound.lmtp {
        Some(address) => {
            Some(Lmtp::bind(address).await.with_context(|| format!("cannot listen at inbound.lmtp ({address:?})"))?)
        }
        None => None,
    };
    let store = open_store(settings, &clock, &ids).await?;
    // After the store: a node that is kept out of it takes no name.
    let name = NodeName::of(settings, &ids)?;
    let engine = Engine::start(EngineStart {
        settings: settings.engine_settings(name.id(), public_url.clone()),
        store,
        clock,
        ids: ids.clone(),
        transports,
        threads: Threads::Own,
    })
    .await
    .context("cannot start the engine")?;
    let first = match bootstrap(settings, &engine, &ids).await {
        Ok(first) => first,
        Err(error) => {
            engine.shutdown(settings.shutdown_deadline).await;
            return Err(error);
        }
    };
    let state =
        api::ApiState { engine: engine.clone(), settings: wiring::api_settings(settings, public_url.clone()), metrics };
    if let Some(lmtp) = lmtp {
        tokio::spawn(lmtp.serve(engine.clone(), usize::try_from(settings.inbound.max_mail).unwrap_or(usize::MAX)));
    }
    let http = serve(settings, listener, state)?;
    Ok(Node { engine, http, address, public_url, first, _name: name })
}

fn serve(settings: &Settings, listener: TcpListener, state: api::ApiState) -> anyhow::Result<ServerHandle> {
    let section = &settings.server;
    // Made once: its bounds hold over all workers together.
    let api = api::Api::new(state);
    let server = HttpServer::new(move || {
        App::new().wrap(TracingLogger::<api::RequestSpan>::new()).configure(|config| api.configure(config))
    })
    .workers(section.workers)
    .max_connections(section.max_connections.div_ceil(section.workers))
    .client_request_timeout(section.request_timeout)
    .keep_alive(section.keep_alive)
    .client_disconnect_timeout(std::time::Duration::from_secs(5))
    .shutdown_timeout(HTTP_GRACE.as_secs())
    .disable_signals()
    .listen(listener)
    .context("cannot serve on the bound port")?
    .run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Ok(handle)
}

/// Makes the first account, admin and key on an empty store.
async fn bootstrap(settings: &Settings, engine: &Engine, ids: &IdSource) -> anyhow::Result<Option<Credentials>> {
    let section = &settings.bootstrap;
    let given_or = |given: &Option<SecretString>, made: fn(&IdSource) -> SecretString| match given {
        Some(secret) => Secret::Given(secret.clone()),
        None => Secret::Made(made(ids)),
    };
    let credentials = Credentials {
        admin_email: section.admin_email.to_string(),
        admin_password: given_or(&section.admin_password, new_password),
        api_key: given_or(&section.api_key, new_api_key),
    };
    let was_empty = engine
        .bootstrap(&Bootstrap {
            admin_email: section.admin_email.clone(),
            admin_password: credentials.admin_password.value().clone(),
            api_key: credentials.api_key.value().clone(),
            account_name: section.account.clone(),
            time_zone: section.time_zone.clone(),
        })
        .await;
    match was_empty {
        Ok(true) => Ok(Some(credentials)),
        Ok(false) => Ok(None),
        Err(error) => bail!("cannot make the first account: {error}"),
    }
}

/// A key of 256 random bits.
pub(crate) fn new_api_key(ids: &IdSource) -> SecretString {
    let mut bytes = [0; 32];
    ids.fill(&mut bytes);
    SecretString::from(format!("sw_{}", hex::encode(bytes)))
}

/// A password of 100 random bits in letters and digits that cannot be mistaken for each other.
pub(crate) fn new_password(ids: &IdSource) -> SecretString {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 20];
    ids.fill(&mut bytes);
    let password: String = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    SecretString::from(password)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_made_key_is_one_that_the_settings_would_take() {
        let ids = IdSource::seeded(1);
        let key = new_api_key(&ids);
        assert_eq!(key.expose_secret().len(), 67);
        let file = format!("[bootstrap]\napi_key = {:?}", key.expose_secret());
        assert!(Settings::merge(Some(("f", &file)), [], &crate::config::Flags::default()).is_ok());
        assert_ne!(key.expose_secret(), new_api_key(&ids).expose_secret());
    }

    #[test]
    fn a_made_password_is_long_and_can_be_read_aloud() {
        let password = new_password(&IdSource::seeded(2));
        assert_eq!(password.expose_secret().len(), 20);
        assert!(password.expose_secret().bytes().all(|byte| !b"lo01".contains(&byte)));
    }
}
