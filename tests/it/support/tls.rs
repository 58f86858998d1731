//! Certificates, and clients that speak TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use artigate::settings::Settings;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A certificate that signs itself, for `localhost` and the loopback's addresses, and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Runs openssl in a folder.
pub fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Pair {
    /// Makes `NAME.pem` and `NAME.key`, valid for a year.
    pub fn make(folder: &Path, name: &str) -> Self {
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        let subject = format!("/CN={name}");
        openssl(
            folder,
            &[
                &["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"][..],
                &["-days", "365", "-subj", &subject, "-keyout", &key, "-out", &certificate],
                &["-addext", "basicConstraints=critical,CA:FALSE"],
                &["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            ]
            .concat(),
        );
        Self { certificate: folder.join(certificate), key: folder.join(key) }
    }

    /// Makes one whose validity has ended.
    pub fn expired(folder: &Path, name: &str) -> Self {
        let pair = Self::make(folder, name);
        let config = format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase={name}.db\nserial={name}.serial\nnew_certs_dir=.\n\
             default_md=sha256\npolicy=policy\nx509_extensions=more\n[policy]\ncommonName=supplied\n\
             [more]\nbasicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n"
        );
        std::fs::write(folder.join("ca.cnf"), config).unwrap();
        std::fs::write(folder.join(format!("{name}.db")), "").unwrap();
        std::fs::write(folder.join(format!("{name}.serial")), "01\n").unwrap();
        let (request, key, out) = (format!("{name}.csr"), format!("{name}.key"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        openssl(folder, &["req", "-new", "-key", &key, "-subj", &subject, "-out", &request]);
        openssl(
            folder,
            &[
                &["ca", "-batch", "-config", "ca.cnf", "-selfsign", "-notext", "-keyfile", &key][..],
                &[
                    "-in",
                    &request,
                    "-out",
                    &out,
                    "-startdate",
                    "20200101000000Z",
                    "-enddate",
                    "20210101000000Z",
                ],
            ]
            .concat(),
        );
        pair
    }

    /// Lets the gateway of these settings speak TLS with it.
    pub fn set(&self, settings: &mut Settings) {
        settings.tls_certificate = Some(self.certificate.clone());
        settings.tls_key = Some(self.key.clone());
    }

    /// Puts another pair in the place of this one, each file in one step.
    pub fn replace_by(&self, other: &Self) {
        for (from, to) in [(&other.certificate, &self.certificate), (&other.key, &self.key)] {
            let beside = to.with_extension("new");
            std::fs::copy(from, &beside).unwrap();
            std::fs::rename(&beside, to).unwrap();
        }
    }

    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.certificate).unwrap()
    }

    /// How a client speaks TLS that trusts this certificate alone.
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// Speaks TLS on a connection that is open.
    pub fn begin(&self, socket: TcpStream, protocols: &[&str]) -> io::Result<Stream> {
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        let client = self.client(protocols);
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = StreamOwned::new(ClientConnection::new(client, name).unwrap(), socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    pub fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        self.begin(TcpStream::connect(address)?, &["http/1.1"])
    }

    /// What comes for a request on a connection of its own.
    pub fn get(&self, address: SocketAddr, path: &str) -> io::Result<String> {
        let mut stream = self.connect(address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Whether a server has this certificate in use.
    pub fn is_used_by(&self, address: SocketAddr) -> bool {
        self.connect(address).is_ok()
    }
}

/// A connection that speaks TLS.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;
