//! Issuers of ID tokens: each has a key of its own, made for the test, and serves its description and its key set on a
//! loopback port, counting what it is asked.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use artigate::settings::{KeySource, OidcSettings, PullMode, UpstreamKind, UpstreamSettings};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use super::until;

/// The audience of every token of the tests.
pub const AUDIENCE: &str = "https://artifacts.example.com";

/// A pair of keys and its ID.
pub struct SigningPair {
    pub kid: String,
    keys: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl SigningPair {
    /// An RSA pair. Making one takes a while, so all tests of a run share four, of which each test takes one after the
    /// other, whatever runs beside it.
    pub fn rsa(kid: &str) -> Self {
        static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        thread_local! {
            static NEXT: Cell<usize> = const { Cell::new(0) };
        }
        let made = MADE.get_or_init(|| {
            let make = |_| {
                let arguments = [
                    "genpkey",
                    "-quiet",
                    "-algorithm",
                    "RSA",
                    "-pkeyopt",
                    "rsa_keygen_bits:2048",
                    "-outform",
                    "DER",
                ];
                let output = Command::new("openssl").args(arguments).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                output.stdout
            };
            (0..4).map(make).collect()
        });
        let der = &made[NEXT.replace(NEXT.get() + 1) % made.len()];
        let keys = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)).unwrap();
        Self { kid: kid.to_owned(), keys: Pair::Rsa(keys) }
    }

    /// A new pair on P-256.
    pub fn ec(kid: &str) -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let keys = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap();
        Self { kid: kid.to_owned(), keys: Pair::Ec(keys) }
    }

    /// The public key as a key set has it.
    pub fn jwk(&self) -> Value {
        match &self.keys {
            Pair::Rsa(keys) => {
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(keys.public());
                json!({
                    "kty": "RSA", "kid": self.kid, "use": "sig", "alg": "RS256", "n": encoded(n), "e": encoded(e),
                })
            }
            Pair::Ec(keys) => {
                let point = keys.public_key().as_ref();
                json!({
                    "kty": "EC", "kid": self.kid, "crv": "P-256", "use": "sig", "alg": "ES256",
                    "x": encoded(&point[1..33]), "y": encoded(&point[33..]),
                })
            }
        }
    }

    /// Signs claims.
    pub fn token(&self, claims: &Value) -> String {
        let alg = match self.keys {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
        };
        self.token_with_header(&json!({"alg": alg, "kid": self.kid, "typ": "JWT"}), claims)
    }

    /// Signs claims below a header that may lie.
    pub fn token_with_header(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        format!("{signed}.{}", encoded(self.signature(signed.as_bytes())))
    }

    fn signature(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.keys {
            Pair::Rsa(keys) => {
                let mut signature = vec![0; keys.public().modulus_len()];
                keys.sign(&RSA_PKCS1_SHA256, &random, signed, &mut signature).unwrap();
                signature
            }
            Pair::Ec(keys) => keys.sign(&random, signed).unwrap().as_ref().to_vec(),
        }
    }
}

/// A running issuer.
pub struct Issuer {
    pub address: SocketAddr,
    pub pair: SigningPair,
    documents: Arc<Mutex<BTreeMap<String, String>>>,
    calls: Arc<AtomicUsize>,
    held: Arc<AtomicBool>,
}

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/keys";

impl Issuer {
    pub fn start(pair: SigningPair) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let documents: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
        let calls = Arc::new(AtomicUsize::new(0));
        let (served, counted) = (Arc::clone(&documents), Arc::clone(&calls));
        let held = Arc::new(AtomicBool::new(false));
        let holds = Arc::clone(&held);
        // The thread ends with the process: it waits in `accept`.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let Some(Ok(first)) = lines.next() else { continue };
                let head: Vec<String> =
                    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let lower = head.join("\n").to_ascii_lowercase();
                assert!(!lower.contains("authorization") && !lower.contains("token"), "{head:?}");
                counted.fetch_add(1, Ordering::SeqCst);
                until(60_000, "the issuer is let go", || !holds.load(Ordering::SeqCst));
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let found = served.lock().unwrap().get(&path).cloned();
                let answer = found.unwrap_or_else(|| {
                    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        .into()
                });
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let issuer = Self { address, pair, documents, calls, held };
        issuer.serve_json(
            DISCOVERY,
            &json!({"issuer": issuer.url(), "jwks_uri": format!("{}{KEYS}", issuer.url())}),
        );
        issuer.serve_keys(&[issuer.pair.jwk()]);
        issuer
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often it was asked for anything.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Whether every answer waits.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
    }

    pub fn serve_keys(&self, keys: &[Value]) {
        self.serve_json(KEYS, &json!({ "keys": keys }));
    }

    pub fn serve_discovery(&self, description: &Value) {
        self.serve_json(DISCOVERY, description);
    }

    fn serve_json(&self, path: &str, body: &Value) {
        self.serve(path, "200 OK", "Content-Type: application/json\r\n", &body.to_string());
    }

    /// Answers the keys with this from now on.
    pub fn serve_instead_of_keys(&self, status: &str, headers: &str, body: &str) {
        self.serve(KEYS, status, headers, body);
    }

    fn serve(&self, path: &str, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        self.documents.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Nothing is answered but errors from now on.
    pub fn break_down(&self) {
        self.documents.lock().unwrap().clear();
    }

    /// Settings that trust this issuer; `allow` is a list of tables of claims.
    pub fn upstream(&self, name: &str, kind: UpstreamKind, allow: Value) -> UpstreamSettings {
        UpstreamSettings {
            name: name.to_owned(),
            kind,
            path: name.to_owned(),
            url: self.url(),
            ca_certificates: None,
            service_token: None,
            remember: std::time::Duration::ZERO,
            concurrency: 32,
            pull: PullMode::Off,
            pull_hosts: Vec::new(),
            cache_bytes: 0,
            poll_timeout: std::time::Duration::from_secs(70),
            timeout: std::time::Duration::from_secs(5),
            hooks: Vec::new(),
            application: None,
            oidc: Some(OidcSettings {
                issuer: self.url(),
                keys: KeySource::Discovery,
                audience: AUDIENCE.to_owned(),
                allow: serde_json::from_value(allow).unwrap(),
                max_lifetime: std::time::Duration::from_secs(86_400),
            }),
        }
    }
}
