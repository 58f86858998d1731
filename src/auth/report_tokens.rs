//! Report tokens: a segment of a path that lets a browser read one archive and nothing else, for some hours.
//!
//! A report cannot be given the cookies of the person who looks at it, so its address carries the permission. It names
//! who got it, and every request asks again whether that person may still read the archive. Of a person whom only the
//! upstream knows it holds the token to ask with, sealed: who has the address alone, or the catalog alone, has no token.
//! The seal covers the name of the upstream, so that no other upstream ever gets the token.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::aead::{CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, UnboundKey};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use super::keys::{SigningKey, SigningKeys};
use super::seal::{self, SEAL_BYTES};
use crate::domain::{Error, Result, Timestamp};
use crate::upstream::{Asker, Place};

/// How long a token lasts at most, in hours. It ends at a full hour, so that the tokens of an hour are the same and what
/// browsers have kept is of use.
const LIFETIME_HOURS: i64 = 8;

const HOUR_MILLIS: i64 = 3_600_000;

const VERSION: u8 = 1;

/// The length of a signature, in bytes.
const SIGNATURE_BYTES: usize = 32;

/// The longest text of an upstream's token that is sealed, in bytes; GitLab's have less than 200.
const MOST_SEALED_BYTES: usize = 512;

/// The longest token, in characters: a version, seven numbers of at most ten bytes, what is sealed, the signature.
const MOST_CHARACTERS: usize =
    (1 + 7 * 10 + MOST_SEALED_BYTES + SEAL_BYTES + SIGNATURE_BYTES).div_ceil(3) * 4;

/// How many bytes of a signature make a label, and in how many characters.
const LABEL_BYTES: usize = 20;
const LABEL_CHARACTERS: usize = 32;

/// The files that a report consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportSubject {
    /// What stands for a job's archive: this archive and the single files beside it, or the files alone.
    OfJob {
        /// The job.
        job_id: i64,
        /// The archive, if there is one.
        archive_id: Option<i64>,
    },
    /// Another archive of a job.
    Named {
        /// The job.
        job_id: i64,
        /// The archive.
        archive_id: i64,
    },
}

/// Who got a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportHolder {
    /// Nobody who is known.
    Anonymous,
    /// The owner of the personal token with this ID.
    PersonalToken(i64),
    /// Who is signed in with the session of this ID, which stands for a token that is registered here.
    Session(i64),
    /// A user of the upstream.
    Foreign {
        /// The name of the upstream.
        upstream: String,
        /// The session with which he is signed in, if he is.
        session_id: Option<i64>,
        /// His token.
        asker: Asker,
    },
}

/// A permission to read a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportToken {
    /// What may be read.
    pub subject: ReportSubject,
    /// Who got it.
    pub holder: ReportHolder,
    /// When it ends, in hours since 1970.
    until_hours: i64,
}

/// A token with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReport {
    /// The token.
    pub token: ReportToken,
    /// Its text, a segment of a path.
    pub text: String,
    /// The name of what may be read, as a label of a host: 32 characters, which nobody can make up.
    pub label: String,
}

impl ReportSubject {
    /// The job whose files these are.
    pub const fn job_id(self) -> i64 {
        match self {
            Self::OfJob { job_id, .. } | Self::Named { job_id, .. } => job_id,
        }
    }

    /// The archive, if there is one.
    pub const fn archive_id(self) -> Option<i64> {
        match self {
            Self::OfJob { archive_id, .. } => archive_id,
            Self::Named { archive_id, .. } => Some(archive_id),
        }
    }

    fn numbers(self) -> [u64; 3] {
        let (kind, archive) = match self {
            Self::OfJob { archive_id, .. } => (0, archive_id.unwrap_or(0)),
            Self::Named { archive_id, .. } => (1, archive_id),
        };
        [kind, self.job_id().cast_unsigned(), archive.cast_unsigned()]
    }

    fn of_numbers([kind, job_id, archive]: [u64; 3]) -> Option<Self> {
        let (job_id, archive) = (job_id.cast_signed(), archive.cast_signed());
        match kind {
            0 => Some(Self::OfJob { job_id, archive_id: (archive != 0).then_some(archive) }),
            1 => Some(Self::Named { job_id, archive_id: archive }),
            _ => None,
        }
    }
}

impl ReportHolder {
    /// Returns a user of an upstream as a holder; `None` for a token that is too long for an address, or a job's.
    pub fn foreign(upstream: &str, session_id: Option<i64>, asker: &Asker) -> Option<Self> {
        let (place, token) = asker.token()?;
        let is_sealed = place != Place::Job && token.expose_secret().len() <= MOST_SEALED_BYTES;
        is_sealed.then(|| Self::Foreign { upstream: upstream.to_owned(), session_id, asker: asker.clone() })
    }

    fn numbers(&self) -> [u64; 2] {
        match self {
            Self::Anonymous => [0, 0],
            Self::PersonalToken(id) => [1, id.cast_unsigned()],
            Self::Session(id) => [2, id.cast_unsigned()],
            Self::Foreign { session_id, asker, .. } => {
                let is_personal = asker.token().is_some_and(|(place, _)| place == Place::Personal);
                [if is_personal { 3 } else { 4 }, session_id.unwrap_or(0).cast_unsigned()]
            }
        }
    }

    /// `told` is the token that was sealed, and the name of its upstream.
    fn of_numbers(numbers: [u64; 2], told: Option<(SecretString, &str)>) -> Option<Self> {
        let foreign = |place, id: u64, (token, upstream): (SecretString, &str)| {
            let session_id = (id != 0).then(|| id.cast_signed());
            Asker::with_token(place, &token).and_then(|asker| Self::foreign(upstream, session_id, &asker))
        };
        match (numbers, told) {
            ([0, 0], None) => Some(Self::Anonymous),
            ([1, id], None) => Some(Self::PersonalToken(id.cast_signed())),
            ([2, id], None) => Some(Self::Session(id.cast_signed())),
            ([3, id], Some(told)) => foreign(Place::Personal, id, told),
            ([4, id], Some(told)) => foreign(Place::Bearer, id, told),
            _ => None,
        }
    }
}

/// A token as it is read: signed by somebody, with its seal closed.
struct Unopened<'a> {
    signed: &'a [u8],
    signature: &'a [u8],
    key_id: i64,
    subject: ReportSubject,
    holder: [u64; 2],
    until_hours: i64,
    /// What the seal covers besides the token and the name of the upstream.
    numbers: &'a [u8],
    sealed: &'a [u8],
}

impl<'a> Unopened<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (signed, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
        let (&VERSION, mut rest) = signed.split_first()? else { return None };
        let mut next = || read_number(&mut rest);
        let key_id = next()?.cast_signed();
        let subject = ReportSubject::of_numbers([next()?, next()?, next()?])?;
        let holder = [next()?, next()?];
        let until_hours = next()?.cast_signed();
        let numbers = &signed[..signed.len() - rest.len()];
        Some(Self { signed, signature, key_id, subject, holder, until_hours, numbers, sealed: rest })
    }

    /// Checks the signature, and opens the seal; `None` if the key has not made them, or for another upstream.
    fn open(&self, key: &SigningKey, upstream: Option<&str>) -> Option<ReportToken> {
        hmac::verify(&key.reports, &[b"token\n", self.signed].concat(), self.signature).ok()?;
        let told = match self.sealed {
            [] => None,
            sealed => Some((unsealed(key, &beside(self.numbers, upstream?), sealed)?, upstream?)),
        };
        let holder = ReportHolder::of_numbers(self.holder, told)?;
        Some(ReportToken { subject: self.subject, holder, until_hours: self.until_hours })
    }
}

/// Returns what the seal covers besides the token of an upstream. The numbers say where they end.
fn beside(numbers: &[u8], upstream: &str) -> Vec<u8> {
    [numbers, upstream.as_bytes()].concat()
}

/// Seals a text beside others. The same texts give the same bytes, so that the addresses of an hour are the same: what
/// makes each seal different is made of both, by a key of ours.
fn sealed(key: &SigningKey, beside: &[u8], text: &SecretString) -> Result<Vec<u8>> {
    let text = text.expose_secret().as_bytes();
    let length = (beside.len() as u64).to_le_bytes();
    let tag = hmac::sign(&key.reports, &[b"seal\n", length.as_slice(), beside, text].concat());
    let mut nonce = [0; NONCE_LEN];
    nonce.copy_from_slice(&tag.as_ref()[..NONCE_LEN]);
    seal::seal(&sealing_key(key)?, nonce, beside, text)
}

fn unsealed(key: &SigningKey, beside: &[u8], sealed: &[u8]) -> Option<SecretString> {
    let text = seal::open(&sealing_key(key).ok()?, beside, sealed)?;
    String::from_utf8(text).ok().map(Into::into)
}

fn sealing_key(key: &SigningKey) -> Result<LessSafeKey> {
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key.seals).map_err(Error::internal)?))
}

impl ReportToken {
    /// Makes a token that ends within the next eight hours.
    pub fn new(subject: ReportSubject, holder: ReportHolder, now: Timestamp) -> Self {
        Self { subject, holder, until_hours: now.as_millis().div_euclid(HOUR_MILLIS) + LIFETIME_HOURS }
    }

    /// Whether it has ended.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until_hours.saturating_mul(HOUR_MILLIS) <= now.as_millis()
    }

    /// Signs it.
    ///
    /// # Errors
    /// Those of the catalog, which keeps the keys.
    pub async fn sign(self, keys: &SigningKeys, now: Timestamp) -> Result<SignedReport> {
        self.signed(&*keys.newest(now).await?)
    }

    /// Reads the text of a token, ended or not; `None` if none of our keys has signed it, or its holder is a user of
    /// another upstream than the one of this name.
    ///
    /// # Errors
    /// Those of the catalog, which keeps the keys.
    pub async fn verify(
        keys: &SigningKeys,
        upstream: Option<&str>,
        text: &str,
    ) -> Result<Option<SignedReport>> {
        if text.len() > MOST_CHARACTERS {
            return Ok(None);
        }
        let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(text) else { return Ok(None) };
        let Some(unopened) = Unopened::read(&bytes) else { return Ok(None) };
        let Some(key) = keys.find(unopened.key_id).await? else { return Ok(None) };
        Ok(unopened.open(&key, upstream).map(|token| token.with_text(text.to_owned(), &key)))
    }

    fn signed(self, key: &SigningKey) -> Result<SignedReport> {
        let mut bytes = vec![VERSION];
        write_number(&mut bytes, key.id.cast_unsigned());
        for number in self.numbers() {
            write_number(&mut bytes, number);
        }
        if let ReportHolder::Foreign { upstream, asker, .. } = &self.holder
            && let Some((_, token)) = asker.token()
        {
            let sealed = sealed(key, &beside(&bytes, upstream), token)?;
            bytes.extend(sealed);
        }
        let signature = hmac::sign(&key.reports, &[b"token\n", bytes.as_slice()].concat());
        bytes.extend_from_slice(signature.as_ref());
        Ok(self.with_text(BASE64_URL_SAFE_NO_PAD.encode(bytes), key))
    }

    fn with_text(self, text: String, key: &SigningKey) -> SignedReport {
        let label = self.label(key);
        SignedReport { token: self, text, label }
    }

    /// Names the subject by a signature, so that nobody can make a report share its origin with another.
    fn label(&self, key: &SigningKey) -> String {
        let mut message = b"label\n".to_vec();
        for number in self.subject.numbers() {
            write_number(&mut message, number);
        }
        base32(&hmac::sign(&key.reports, &message).as_ref()[..LABEL_BYTES])
    }

    fn numbers(&self) -> [u64; 6] {
        let ([kind, job, archive], [holder, id]) = (self.subject.numbers(), self.holder.numbers());
        [kind, job, archive, holder, id, self.until_hours.cast_unsigned()]
    }
}

/// Writes a number in seven bits a byte, the lowest first; all bytes but the last have the highest bit.
fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Writes bytes in letters and digits that a label of a host may have (RFC 4648, section 6, in lower case).
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::with_capacity(LABEL_CHARACTERS);
    for five in bytes.chunks_exact(5) {
        let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let letters = (0..8).rev().map(|at| ALPHABET[(bits >> (at * 5)) as usize & 31]);
        text.extend(letters.map(char::from));
    }
    text
}

#[cfg(test)]
#[path = "report_tokens_tests.rs"]
mod tests;
