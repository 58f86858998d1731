//! Tokens: makes and looks up personal tokens, job tokens and those of agents.
//!
//! The text of a token exists only where it is made or sent: the catalog stores its SHA-256.

mod job;
mod personal;
mod runtime;
mod session;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

pub(super) use job::authenticate_job;
pub use job::{find_job, new_job_token};
pub(super) use personal::{authenticate_personal, personal_by_id};
pub use personal::{grant_with_token, new_personal_token};
pub use runtime::RuntimeToken;
pub use session::{find_session, new_session_token};

use crate::domain::{Error, Result, Sha256Digest};

/// Six bits each: 43 characters hold 258 bits.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const RANDOM_CHARACTERS: usize = 43;

/// A new token, before its owner has seen it. It cannot be printed by accident.
pub struct NewToken {
    /// Text, to be shown to the owner once.
    pub text: SecretString,
    /// Digest, to be stored.
    pub sha256: Sha256Digest,
}

/// Makes a token that begins with `prefix`.
pub(super) fn new_token(prefix: &str) -> Result<NewToken> {
    let mut random = [0; RANDOM_CHARACTERS];
    getrandom::fill(&mut random).map_err(|e| Error::internal(e.to_string()))?;
    let random = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)]));
    let text: String = prefix.chars().chain(random).collect();
    Ok(NewToken { sha256: Sha256Digest::of(text.as_bytes()), text: text.into() })
}

/// Whether a text can be the random part of a token.
pub(super) fn has_random_part(text: &str) -> bool {
    text.len() == RANDOM_CHARACTERS && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// Returns the digest by which a token is looked up.
pub(super) fn digest(token: &SecretString) -> Sha256Digest {
    Sha256Digest::of(token.expose_secret().as_bytes())
}

/// Compares two digests in constant time.
pub(super) fn is_same(stored: Sha256Digest, shown: Sha256Digest) -> bool {
    stored.as_bytes().ct_eq(shown.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_are_long_plain_and_never_the_same() {
        let mut seen = HashSet::new();
        for number in 0..1000 {
            let (token, prefix) = match number % 2 {
                0 => (new_personal_token().unwrap(), "glpat-"),
                _ => (new_job_token().unwrap(), "glcbt-"),
            };
            let random = token.text.expose_secret().strip_prefix(prefix).unwrap();
            assert_eq!(random.len(), 43);
            assert!(random.bytes().all(|b| ALPHABET.contains(&b)));
            assert_eq!(token.sha256, Sha256Digest::of(token.text.expose_secret().as_bytes()));
            assert!(seen.insert(random.to_owned()));
        }
        let letters: HashSet<char> = seen.iter().flat_map(|random| random.chars()).collect();
        assert_eq!(letters.len(), ALPHABET.len());
    }
}
