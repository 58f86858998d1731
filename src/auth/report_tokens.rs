//! Report tokens: a segment of a path that lets a browser read one archive and nothing else, for some hours.
//!
//! A report cannot be given the cookies of the person who looks at it, so its address carries the permission. It names
//! who got it, and every request asks again whether that person may still read the archive.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;

use super::keys::{SigningKey, SigningKeys};
use crate::domain::{Result, Timestamp};

/// How long a token lasts at most, in hours. It ends at a full hour, so that the tokens of an hour are the same and what
/// browsers have kept is of use.
const LIFETIME_HOURS: i64 = 8;

const HOUR_MILLIS: i64 = 3_600_000;

const VERSION: u8 = 1;

/// The length of a signature, in bytes.
const SIGNATURE_BYTES: usize = 32;

/// The longest token, in characters: every number has at most ten bytes.
const MOST_CHARACTERS: usize = 128;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportHolder {
    /// Nobody who is known.
    Anonymous,
    /// The owner of the personal token with this ID.
    PersonalToken(i64),
}

/// A permission to read a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    fn numbers(self) -> [u64; 2] {
        match self {
            Self::Anonymous => [0, 0],
            Self::PersonalToken(id) => [1, id.cast_unsigned()],
        }
    }

    fn of_numbers(numbers: [u64; 2]) -> Option<Self> {
        match numbers {
            [0, 0] => Some(Self::Anonymous),
            [1, id] => Some(Self::PersonalToken(id.cast_signed())),
            _ => None,
        }
    }
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
        Ok(self.signed(&*keys.newest(now).await?))
    }

    /// Reads the text of a token, ended or not; `None` if none of our keys has signed it.
    ///
    /// # Errors
    /// Those of the catalog, which keeps the keys.
    pub async fn verify(keys: &SigningKeys, text: &str) -> Result<Option<SignedReport>> {
        let Some((key_id, token)) = Self::read(text) else { return Ok(None) };
        let Some(key) = keys.find(key_id).await? else { return Ok(None) };
        let signed = token.signed(&key);
        // Both texts are public to whoever sent the one; the comparison must not tell where they begin to differ.
        let is_same = subtle::ConstantTimeEq::ct_eq(signed.text.as_bytes(), text.as_bytes());
        Ok(bool::from(is_same).then_some(signed))
    }

    fn signed(self, key: &SigningKey) -> SignedReport {
        let mut bytes = vec![VERSION];
        write_number(&mut bytes, key.id.cast_unsigned());
        for number in self.numbers() {
            write_number(&mut bytes, number);
        }
        let signature = hmac::sign(&key.reports, &[b"token\n", bytes.as_slice()].concat());
        bytes.extend_from_slice(signature.as_ref());
        SignedReport { token: self, text: BASE64_URL_SAFE_NO_PAD.encode(bytes), label: self.label(key) }
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

    /// Reads the ID of the key and the token, whoever signed it.
    fn read(text: &str) -> Option<(i64, Self)> {
        if text.len() > MOST_CHARACTERS {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, _) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
        let (&VERSION, mut rest) = signed.split_first()? else { return None };
        let mut next = || read_number(&mut rest);
        let key_id = next()?.cast_signed();
        let subject = ReportSubject::of_numbers([next()?, next()?, next()?])?;
        let holder = ReportHolder::of_numbers([next()?, next()?])?;
        let until_hours = next()?.cast_signed();
        rest.is_empty().then_some((key_id, Self { subject, holder, until_hours }))
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::keys::derived_for_tests;

    fn token(job_id: i64, holder: ReportHolder) -> ReportToken {
        let subject = ReportSubject::OfJob { job_id, archive_id: Some(9) };
        ReportToken::new(subject, holder, Timestamp::from_millis(HOUR_MILLIS * 500_000 + 1))
    }

    #[test]
    fn a_token_is_the_same_for_an_hour_and_ends_within_eight() {
        let key = derived_for_tests(7);
        let subject = ReportSubject::Named { job_id: 1, archive_id: 2 };
        let at = |millis| ReportToken::new(subject, ReportHolder::Anonymous, Timestamp::from_millis(millis));
        let (begin, end) = (HOUR_MILLIS * 500_000, HOUR_MILLIS * 500_001 - 1);
        assert_eq!(at(begin).signed(&key), at(end).signed(&key));
        assert_ne!(at(begin).signed(&key).text, at(end + 1).signed(&key).text);
        assert!(!at(begin).is_over(Timestamp::from_millis(begin + 8 * HOUR_MILLIS - 1)));
        assert!(at(end).is_over(Timestamp::from_millis(begin + 8 * HOUR_MILLIS)));
        let text = at(begin).signed(&key).text;
        assert!((50..=80).contains(&text.len()), "{text}");
    }

    #[test]
    fn a_label_names_an_archive_whoever_looks_at_it() {
        let key = derived_for_tests(7);
        let label = token(1, ReportHolder::Anonymous).signed(&key).label;
        assert_eq!(label.len(), LABEL_CHARACTERS);
        assert!(label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{label}");
        assert_eq!(token(1, ReportHolder::PersonalToken(3)).signed(&key).label, label);
        assert_ne!(token(2, ReportHolder::Anonymous).signed(&key).label, label);
        assert_ne!(token(1, ReportHolder::Anonymous).signed(&derived_for_tests(8)).label, label);
    }

    #[test]
    fn base32_is_that_of_the_standard() {
        assert_eq!(base32(b"fooba"), "mzxw6ytb");
        assert_eq!(base32(&[0xff; 5]), "77777777");
    }

    proptest! {
        #[test]
        fn what_was_signed_is_read_and_nothing_else(
            job_id: i64, archive: i64, id: i64, named: bool, key_id: i64, flip in 0_usize..2000,
        ) {
            let subject = if named {
                ReportSubject::Named { job_id, archive_id: archive }
            } else {
                ReportSubject::OfJob { job_id, archive_id: (archive != 0).then_some(archive) }
            };
            let holder = if id % 2 == 0 { ReportHolder::Anonymous } else { ReportHolder::PersonalToken(id) };
            let token = ReportToken::new(subject, holder, Timestamp::from_millis(id));
            let key = derived_for_tests(key_id);
            let text = token.signed(&key).text;
            prop_assert!(text.len() <= MOST_CHARACTERS);
            prop_assert_eq!(ReportToken::read(&text), Some((key_id, token)));
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&text).unwrap();
            let at = flip % (bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            let bent = BASE64_URL_SAFE_NO_PAD.encode(bytes);
            if let Some((id, read)) = ReportToken::read(&bent) {
                prop_assert!(id != key_id || read.signed(&key).text != bent);
            }
        }

        #[test]
        fn no_text_is_a_panic(text in "[A-Za-z0-9_-]{0,140}", other in ".{0,40}") {
            ReportToken::read(&text);
            ReportToken::read(&other);
        }
    }
}
