//! The way out for plugins that may send requests, and its bounds.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions};

use super::names::{Names, SystemNames};
use crate::site::{Host, Target};
use crate::units::{Size, Span};

/// The way out, and its bounds. A plugin may set shorter times for a request, and no longer ones.
#[derive(Clone)]
pub struct Network {
    /// What names stand for.
    pub names: Arc<dyn Names>,
    /// How long it may take to look up a name and to connect.
    pub connect: Span,
    /// How long an answer may take to begin.
    pub first_byte: Span,
    /// How long an answer may pause.
    pub idle: Span,
    /// How large the body of an answer may be.
    pub response: Size,
    tls: Arc<Tls>,
}

#[derive(Default)]
struct Tls {
    /// Certificates (DER) that are trusted besides the usual ones.
    extra: Vec<Vec<u8>>,
    /// Made for the first request that needs it.
    config: OnceLock<Option<Arc<ClientConfig>>>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            names: Arc::new(SystemNames),
            connect: Span::seconds(10),
            first_byte: Span::seconds(120),
            idle: Span::seconds(60),
            response: Size::mib(64),
            tls: Arc::default(),
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("connect", &self.connect)
            .field("first_byte", &self.first_byte)
            .field("idle", &self.idle)
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// The same, with these certificates (DER) trusted besides those that browsers trust.
    #[must_use]
    pub fn trusting(self, certificates: Vec<Vec<u8>>) -> Self {
        Self { tls: Arc::new(Tls { extra: certificates, config: OnceLock::new() }), ..self }
    }

    /// All addresses of a target.
    pub(super) async fn addresses(
        &self,
        target: &Target,
        options: Option<&RequestOptions>,
    ) -> Result<Vec<IpAddr>, Error> {
        let name = match &target.host {
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(name) => name,
        };
        let limit = shorter(self.connect, options.and_then(|options| options.connect_timeout));
        match timeout(limit, self.names.addresses(name)).await {
            Err(_) => Err(Error::DnsTimeout),
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(Ok(_)) => Err(Error::DestinationNotFound),
            Ok(Err(error)) => Err(Error::DnsError { rcode: Some(error.to_string()), info_code: None }),
        }
    }

    pub(super) fn tls(&self) -> Result<Arc<ClientConfig>, Error> {
        let config = self.tls.config.get_or_init(|| match config(&self.tls.extra) {
            Ok(config) => Some(Arc::new(config)),
            Err(error) => {
                tracing::error!("plugins cannot use TLS: {error}");
                None
            }
        });
        config.clone().ok_or(Error::ConfigurationError)
    }
}

fn config(extra: &[Vec<u8>]) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in extra {
        roots.add(CertificateDer::from(certificate.as_slice()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The bound, or less if the plugin asks for less.
pub(super) fn shorter(bound: Span, wish: Option<Duration>) -> Duration {
    wish.map_or(bound.0, |wish| wish.min(bound.0))
}
