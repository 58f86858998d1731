//! Pair: a certificate with those that lead to its authority, and its private key, from two PEM files.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};

use super::validity;
use crate::domain::{Error, Result, Timestamp};
use crate::settings::{Settings, open_without_waiting};

/// Largest file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

const CERTIFICATE: &str = "server.tls_certificate";
const KEY: &str = "server.tls_key";

/// The two files.
#[derive(Debug, Clone)]
pub(super) struct PairFiles {
    certificate: PathBuf,
    key: PathBuf,
}

/// A pair that belongs together.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// When the certificate ends to be valid, if that can be read.
    pub(super) ends_at: Option<Timestamp>,
}

/// What the file system says about both files; it differs after one was written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([Option<[i128; 4]>; 2]);

impl PairFiles {
    /// Returns the configured files; `None` if none is.
    ///
    /// # Errors
    /// If only one of them is.
    pub(super) fn of(settings: &Settings) -> Result<Option<Self>> {
        match (&settings.tls_certificate, &settings.tls_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                Ok(Some(Self { certificate: certificate.clone(), key: key.clone() }))
            }
            (Some(_), None) => Err(Error::internal(format!("{KEY}: not set, and {CERTIFICATE} is"))),
            (None, Some(_)) => Err(Error::internal(format!("{CERTIFICATE}: not set, and {KEY} is"))),
        }
    }

    /// Reads both files. Blocks.
    ///
    /// # Errors
    /// A sentence with the key of the setting, the path and the reason; never with what a file holds.
    pub(super) fn read(&self, provider: &CryptoProvider) -> std::result::Result<Pair, String> {
        let chain = chain(&self.certificate).map_err(|why| says(CERTIFICATE, &self.certificate, &why))?;
        let key = private_key(&self.key).map_err(|why| says(KEY, &self.key, &why))?;
        let ends_at = chain.first().and_then(|certificate| validity::ends_at(certificate));
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let why =
                    format!("the key does not belong to the certificate in {}", self.certificate.display());
                says(KEY, &self.key, &why)
            }
            TlsError::InvalidCertificate(error) => {
                says(CERTIFICATE, &self.certificate, &format!("the first certificate is invalid: {error:?}"))
            }
            error => says(KEY, &self.key, &format!("the key cannot be used: {error}")),
        })?;
        Ok(Pair { key: Arc::new(key), ends_at })
    }

    /// Looks at both files. Blocks.
    pub(super) fn stamp(&self) -> Stamp {
        let look = |path: &Path| {
            let file = std::fs::metadata(path).ok()?;
            let changed = i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec());
            Some([file.dev().into(), file.ino().into(), file.size().into(), changed])
        };
        Stamp([look(&self.certificate), look(&self.key)])
    }
}

#[cfg(test)]
impl Stamp {
    /// Returns a stamp that equals another of the same number.
    pub(super) fn of_test(number: i128) -> Self {
        Self([Some([number; 4]), None])
    }
}

fn says(key: &str, path: &Path, why: &str) -> String {
    format!("{key}: {}: {why}", path.display())
}

fn read(path: &Path) -> std::result::Result<Vec<u8>, String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        open_without_waiting(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > MAX_FILE_BYTES => Err("the file is larger than 1 MiB".into()),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(format!("the file cannot be read: {error}")),
    }
}

fn chain(path: &Path) -> std::result::Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(path)?;
    let chain: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("the file has no certificate in PEM form".into()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(shown(&error)),
    }
}

fn private_key(path: &Path) -> std::result::Result<PrivateKeyDer<'static>, String> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound if has(&bytes, b"ENCRYPTED PRIVATE KEY") => {
            "the key is encrypted; expected one without a passphrase".into()
        }
        pem::Error::NoItemsFound => "the file has no private key in PEM form".into(),
        error => shown(&error),
    })
}

/// Returns what is wrong with a PEM file; the library's own words may hold a line of it.
fn shown(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "the file ends inside a section of PEM".into(),
        pem::Error::Base64Decode(_) => "a section of PEM is no base64".into(),
        _ => "the file is no valid PEM".into(),
    }
}

fn has(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
