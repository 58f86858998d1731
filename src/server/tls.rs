//! TLS: encrypts the connections of the listener, with a certificate that can be replaced while it serves.

mod pair;
mod replace;
mod validity;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::DISCONNECT_TIMEOUT;
use super::admission::counted_as;
use super::farewell::Farewell;
use super::turns::Turns;
use crate::domain::{Clock, Error, Result, Timestamp};
use crate::http::unreadable::Unreadable;
use crate::settings::Settings;
use pair::{Pair, PairFiles, Stamp};
pub(super) use replace::watch;

/// The name of HTTP/2 in a handshake.
pub(super) const HTTP_2: &[u8] = b"h2";

/// The names of HTTP/1.1 and its predecessor, which some clients insist on.
const HTTP_1: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// How long a handshake may take from its turn on.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most handshakes in progress: each takes memory for what has arrived of it. A connection that sends nothing
/// has not begun one.
const HANDSHAKES: usize = 512;

/// Most handshakes in progress of one address.
const HANDSHAKES_OF_AN_ADDRESS: usize = 64;

/// First byte of a handshake.
const HANDSHAKE: u8 = 0x16;

/// TLS of one listener.
pub(super) struct Tls {
    /// Offers HTTP/2 and HTTP/1.1.
    acceptor: TlsAcceptor,
    /// Offers HTTP/1.1.
    spare: TlsAcceptor,
    in_use: Arc<InUse>,
    files: PairFiles,
    /// Of the files before they were read at the start.
    stamp: Stamp,
    provider: Arc<CryptoProvider>,
    clock: Clock,
    handshakes: Turns,
}

/// The pair that new connections get.
#[derive(Debug)]
struct InUse(RwLock<Pair>);

impl InUse {
    fn set(&self, pair: Pair) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pair;
    }

    fn ends_at(&self) -> Option<Timestamp> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).ends_at
    }
}

impl ResolvesServerCert for InUse {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

impl Tls {
    /// Reads certificate and key; `None` if none is configured. Blocks.
    ///
    /// # Errors
    /// `Internal`, with the setting, the file and the reason, if one of them cannot be used.
    pub(super) fn of(settings: &Settings, clock: &Clock) -> Result<Option<Arc<Self>>> {
        let Some(files) = PairFiles::of(settings)? else { return Ok(None) };
        let provider = Arc::new(ring::default_provider());
        let stamp = files.stamp();
        let pair = files.read(&provider).map_err(Error::internal)?;
        replace::warn_of_end(pair.ends_at, clock.now());
        let in_use = Arc::new(InUse(RwLock::new(pair)));
        let acceptor = |names: &[&[u8]]| -> Result<TlsAcceptor> {
            let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
            let builder = builder.with_safe_default_protocol_versions().map_err(Error::internal)?;
            let mut config = builder.with_no_client_auth().with_cert_resolver(in_use.clone());
            config.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
            Ok(Arc::new(config).into())
        };
        let (acceptor, spare) = (acceptor(&[&[HTTP_2], &HTTP_1[..]].concat())?, acceptor(&HTTP_1)?);
        let (clock, handshakes) = (clock.clone(), Turns::new(HANDSHAKES, HANDSHAKES_OF_AN_ADDRESS));
        Ok(Some(Arc::new(Self { acceptor, spare, in_use, files, stamp, provider, clock, handshakes })))
    }

    /// Returns when the certificate in use ends to be valid, if that can be read.
    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        self.in_use.ends_at()
    }

    /// Begins TLS on a connection, within `most`; `None` if that fails, which is logged.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        peer: Option<SocketAddr>,
        most: Duration,
    ) -> Option<TlsStream<TcpStream>> {
        let accepted = async {
            let stream = speaks_tls(stream, peer).await?;
            let _turn = self.handshakes.wait(peer.map(|peer| counted_as(peer.ip()))).await;
            timeout(HANDSHAKE_TIMEOUT, self.acceptor.accept(stream)).await?
        };
        within(most, peer, accepted).await
    }

    /// Like [`Tls::accept`], for a spare connection: those are bounded already, and serve one request.
    pub(super) async fn accept_spare(
        &self,
        stream: TcpStream,
        peer: Option<SocketAddr>,
        most: Duration,
    ) -> Option<TlsStream<TcpStream>> {
        let accepted = async { self.spare.accept(speaks_tls(stream, peer).await?).await };
        within(most, peer, accepted).await
    }
}

async fn within(
    most: Duration,
    peer: Option<SocketAddr>,
    accepted: impl Future<Output = io::Result<TlsStream<TcpStream>>>,
) -> Option<TlsStream<TcpStream>> {
    match timeout(most, accepted).await.map_err(io::Error::from).flatten() {
        Ok(stream) => Some(stream),
        Err(error) => {
            let client = peer.map(|peer| tracing::field::display(peer.ip().to_canonical()));
            tracing::debug!(client.address = client, %error, "a TLS handshake failed");
            None
        }
    }
}

/// Returns the connection if its first byte begins a handshake. A client that speaks something else gets a
/// response that it can read, if that is HTTP.
async fn speaks_tls(mut stream: TcpStream, peer: Option<SocketAddr>) -> io::Result<TcpStream> {
    let mut first = [0];
    match (stream.peek(&mut first).await?, first) {
        (0, _) => Err(io::ErrorKind::UnexpectedEof.into()),
        (_, [HANDSHAKE]) => Ok(stream),
        _ => {
            let wrong = Unreadable::wrong("this port speaks TLS: the address begins with https://");
            let mut farewell = Farewell::new(wrong.refuse(peer, Some(&[])), DISCONNECT_TIMEOUT);
            std::future::poll_fn(|cx| farewell.poll(&mut stream, false, cx)).await?;
            Err(io::Error::other("the client does not speak TLS"))
        }
    }
}
