//! Key set (RFC 7517): the public keys of an issuer, by their IDs.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value};

use super::json::object;
use super::jwt::{Algorithm, UnverifiedToken};

/// Most keys of a set.
const MAX_KEYS: usize = 64;

/// Longest modulus, in bytes.
const MAX_MODULUS_BYTES: usize = 1024;

/// Shortest modulus, in bytes.
const MIN_MODULUS_BYTES: usize = 256;

/// Length of a coordinate on P-256, in bytes.
const COORDINATE_BYTES: usize = 32;

/// The keys of an issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

/// A public key. It verifies one algorithm, whatever a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    id: String,
    numbers: Numbers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Numbers {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The uncompressed point.
    P256(Vec<u8>),
}

impl KeySet {
    /// Parses a set. A key of another kind, or for another use, is skipped; only the first 64 keys count. `None` for a
    /// text that is no set, or has no key that can be used.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let set = object(text)?;
        let keys = set.get("keys")?.as_array()?;
        let keys: Vec<Key> =
            keys.iter().take(MAX_KEYS).filter_map(|key| Key::read(key.as_object()?)).collect();
        if keys.is_empty() { None } else { Some(Self(keys)) }
    }

    /// Finds the key that a token names, if its kind fits the token's algorithm.
    pub fn find(&self, id: &str, algorithm: Algorithm) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id && key.algorithm() == algorithm)
    }
}

impl Key {
    fn read(key: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let number = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
        if text("use").is_some_and(|what| what != "sig") {
            return None;
        }
        let (numbers, algorithm) = match text("kty")? {
            "RSA" => (Numbers::rsa(&number("n")?, &number("e")?)?, "RS256"),
            "EC" if text("crv") == Some("P-256") => (Numbers::p256(&number("x")?, &number("y")?)?, "ES256"),
            _ => return None,
        };
        if text("alg").is_some_and(|named| named != algorithm) {
            return None;
        }
        Some(Self { id: text("kid")?.to_owned(), numbers })
    }

    const fn algorithm(&self) -> Algorithm {
        match self.numbers {
            Numbers::Rsa { .. } => Algorithm::Rs256,
            Numbers::P256(_) => Algorithm::Es256,
        }
    }

    /// Whether the token's signature was made with this key.
    pub fn verifies(&self, token: &UnverifiedToken<'_>) -> bool {
        if token.algorithm != self.algorithm() {
            return false;
        }
        match &self.numbers {
            Numbers::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(&RSA_PKCS1_2048_8192_SHA256, token.signed, &token.signature)
                .is_ok(),
            Numbers::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(token.signed, &token.signature)
                .is_ok(),
        }
    }
}

impl Numbers {
    fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        // Some write a zero before the number.
        let [modulus, exponent] = [modulus, exponent].map(|bytes| {
            let begin = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
            bytes[begin..].to_vec()
        });
        let fits = (MIN_MODULUS_BYTES..=MAX_MODULUS_BYTES).contains(&modulus.len())
            && (1..=8).contains(&exponent.len());
        fits.then_some(Self::Rsa { modulus, exponent })
    }

    fn p256(x: &[u8], y: &[u8]) -> Option<Self> {
        let fits = x.len() == COORDINATE_BYTES && y.len() == COORDINATE_BYTES;
        fits.then(|| Self::P256([&[4], x, y].concat()))
    }
}

#[cfg(test)]
#[path = "key_set_tests.rs"]
mod tests;
