//! Makes credentials. Their text exists only where it is made: the catalog gets the digest.

use secrecy::SecretString;

use crate::domain::{Error, Result, Sha256Digest};

/// What GitLab's personal tokens begin with; scanners for leaked secrets look for it.
const PERSONAL: &str = "glpat-";

/// What GitLab's job tokens begin with.
const JOB: &str = "glcbt-";

/// Six bits each: 43 of them hold 258 bits.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const RANDOM_CHARACTERS: usize = 43;

/// A token that nobody has seen yet. It cannot be printed by accident.
pub struct FreshToken {
    /// To be shown to its owner once.
    pub text: SecretString,
    /// To be kept.
    pub sha256: Sha256Digest,
}

/// Makes a personal token of at least 256 random bits, in letters that need no quoting anywhere.
///
/// # Errors
/// `Internal` when the system gives no randomness.
pub fn fresh_personal_token() -> Result<FreshToken> {
    fresh(PERSONAL)
}

/// Makes a token for a job, as long and as plain as a personal one.
///
/// # Errors
/// `Internal` when the system gives no randomness.
pub fn fresh_job_token() -> Result<FreshToken> {
    fresh(JOB)
}

fn fresh(prefix: &str) -> Result<FreshToken> {
    let mut random = [0; RANDOM_CHARACTERS];
    getrandom::fill(&mut random).map_err(|e| Error::internal(e.to_string()))?;
    let random = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)]));
    let text: String = prefix.chars().chain(random).collect();
    Ok(FreshToken { sha256: Sha256Digest::of(text.as_bytes()), text: text.into() })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn tokens_are_long_plain_and_never_the_same() {
        let mut seen = HashSet::new();
        for number in 0..1000 {
            let (token, prefix) = match number % 2 {
                0 => (fresh_personal_token().unwrap(), "glpat-"),
                _ => (fresh_job_token().unwrap(), "glcbt-"),
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
