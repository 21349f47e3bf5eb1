//! Opens a connection to the relay, up to the point where mails may follow.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::Ehlo;
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::settings::{SmtpSettings, SmtpTls};
use super::verdict::{Stage, Trouble};
use super::wire::{Gate, Wire};
use crate::sender::transport::TransportError;

/// A trouble and where it came up.
#[derive(Debug)]
pub struct DialError {
    /// How far the dialogue was.
    pub stage: Stage,
    /// What happened.
    pub trouble: Trouble,
}

/// A connection that is ready for mails.
pub struct Dialed {
    /// lettre's protocol code on our stream.
    pub smtp: AsyncSmtpConnection,
    /// The gate in that stream.
    pub gate: Gate,
    /// Whether MAIL, RCPT and DATA may be sent in one go (RFC 2920).
    pub pipelining: bool,
    /// Whether the server takes non-ASCII addresses (RFC 6531).
    pub smtputf8: bool,
}

/// Knows the relay and how to get there.
pub struct Dialer {
    settings: SmtpSettings,
    hello: ClientId,
    credentials: Option<Credentials>,
    starttls: TlsParameters,
    implicit: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn tls_error(error: impl std::fmt::Display) -> TransportError {
    TransportError::setting("tls", format!("{error}; check the system's certificates and `ca`"))
}

impl Dialer {
    /// Reads the certificates and builds the TLS configurations, once for all connections.
    ///
    /// # Errors
    /// If the `ca` file cannot be read or TLS cannot be set up.
    pub fn new(settings: SmtpSettings) -> Result<Self, TransportError> {
        let ca = match &settings.ca_file {
            Some(path) => Some(std::fs::read(path).map_err(|error| TransportError::io(path, error))?),
            None => None,
        };
        let hello = match &settings.hello_name {
            Some(name) => ClientId::Domain(name.clone()),
            None => ClientId::default(),
        };
        let credentials = settings
            .credentials
            .as_ref()
            .map(|(user, password)| Credentials::new(user.clone(), password.expose_secret().to_owned()));
        if credentials.is_some() && matches!(settings.tls, SmtpTls::Opportunistic | SmtpTls::None) {
            tracing::warn!("the mail server's password may travel unencrypted: add ?tls=required to email.smtp.url");
        }
        let mut starttls = TlsParameters::builder(settings.host.clone());
        if let Some(pem) = &ca {
            starttls = starttls.add_root_certificate(Certificate::from_pem(pem).map_err(tls_error)?);
        } else if settings.tls == SmtpTls::Opportunistic {
            starttls = starttls.dangerous_accept_invalid_certs(true);
        }
        let starttls = starttls.build().map_err(tls_error)?;
        let implicit = match settings.tls {
            SmtpTls::Implicit => Some(implicit_tls(&settings.host, ca.as_deref())?),
            SmtpTls::Required | SmtpTls::Opportunistic | SmtpTls::None => None,
        };
        Ok(Self { settings, hello, credentials, starttls, implicit })
    }

    /// The settings it was made from.
    #[must_use]
    pub const fn settings(&self) -> &SmtpSettings {
        &self.settings
    }

    /// Connects, encrypts, greets and signs in. Bounded by the settings' timeouts at every step.
    ///
    /// # Errors
    /// Says how far it came.
    pub async fn dial(&self) -> Result<Dialed, DialError> {
        let starttls = matches!(self.settings.tls, SmtpTls::Required | SmtpTls::Opportunistic);
        match self.dial_with(starttls).await {
            // RFC 7435 §3: where encryption is a bonus, its failure must not stop the mail; but a password
            // is not sent in the clear to a server with which it failed.
            Err(DialError { stage: Stage::Tls, .. })
                if self.settings.tls == SmtpTls::Opportunistic && self.credentials.is_none() =>
            {
                self.dial_with(false).await
            }
            outcome => outcome,
        }
    }

    async fn dial_with(&self, starttls: bool) -> Result<Dialed, DialError> {
        let settings = &self.settings;
        let gate = Gate::default();
        let stream = within(settings.connect_timeout, Stage::Connect, async {
            let stream = TcpStream::connect((settings.host.as_str(), settings.port)).await?;
            stream.set_nodelay(true)?;
            Ok::<_, io::Error>(stream)
        })
        .await?;
        let wire = match &self.implicit {
            None => Wire::plain(stream, gate.clone()),
            Some((connector, name)) => {
                let stream =
                    within(settings.connect_timeout, Stage::Tls, connector.connect(name.clone(), stream)).await?;
                Wire::encrypted(stream, gate.clone())
            }
        }
        .map_err(|error| DialError { stage: Stage::Connect, trouble: error.into() })?;

        let command = settings.command_timeout;
        let connect = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &self.hello);
        let mut smtp = within(command, Stage::Hello, connect).await?;
        if starttls {
            if smtp.can_starttls() {
                let upgrade = smtp.starttls(self.starttls.clone(), &self.hello);
                within(settings.connect_timeout, Stage::Tls, upgrade).await?;
            } else if settings.tls == SmtpTls::Required {
                let trouble = Trouble::Tls("the server does not offer STARTTLS".to_owned());
                return Err(DialError { stage: Stage::Tls, trouble });
            }
        }
        if let Some(credentials) = &self.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if smtp.server_info().get_auth_mechanism(&mechanisms).is_none() {
                let trouble = Trouble::Unsupported(
                    "AUTH PLAIN or LOGIN here: check the port and `tls`, or leave the credentials out",
                );
                return Err(DialError { stage: Stage::Auth, trouble });
            }
            within(command, Stage::Auth, smtp.auth(&mechanisms, credentials)).await?;
        }
        // lettre keeps only the extensions that it uses itself: one more EHLO per connection tells about
        // PIPELINING, which saves two round trips on every mail.
        let offers = within(command, Stage::Hello, smtp.command(Ehlo::new(self.hello.clone()))).await?;
        let has = |keyword: &str| offers.message().any(|line| line.trim().eq_ignore_ascii_case(keyword));
        Ok(Dialed { pipelining: has("PIPELINING"), smtputf8: has("SMTPUTF8"), smtp, gate })
    }
}

fn implicit_tls(host: &str, ca: Option<&[u8]>) -> Result<(TlsConnector, ServerName<'static>), TransportError> {
    let extra_roots = CertificateDer::pem_slice_iter(ca.unwrap_or_default())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TransportError::setting("ca", format!("{error}; give a PEM file with certificates")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra_roots, Arc::clone(&provider))
        .map_err(tls_error)?;
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| TransportError::setting("url", "the host is neither a name nor an IP address"))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectRefused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            // What rustls refuses (a certificate, a protocol) comes as invalid data.
            io::ErrorKind::InvalidData => Self::Tls(error.to_string()),
            _ => Self::Lost(error.to_string()),
        }
    }
}

/// A step's outcome, or its timeout.
pub(super) async fn within<T, E: Into<Trouble>>(
    limit: Duration,
    stage: Stage,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, DialError> {
    match timeout(limit, step).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(DialError { stage, trouble: error.into() }),
        Err(_) => Err(DialError { stage, trouble: Trouble::TimedOut }),
    }
}
