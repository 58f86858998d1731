//! Store keys are the names of blobs; only this module makes them.

use std::fmt;
use std::str::FromStr;

/// A blob's name in the store: 32 hex digits in a folder of the first two, with enough random digits that no
/// key is ever used twice.
///
/// The digits are a UUID of version 8 whose last twelve are the ID of the writer that gave the key out; keys
/// of older releases are of version 4 and hold no writer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreKey(String);

/// The number of shards that the store is listed in: one for each folder.
pub const SHARDS: u16 = 256;

/// The text is not a store key.
#[derive(Debug, thiserror::Error)]
#[error("not a store key")]
pub struct NotAKey;

/// The position of the version in the digits of a UUID.
const VERSION_DIGIT: usize = 12;

/// The number of bits of a key that hold the writer's ID.
const WRITER_BITS: u32 = 48;

impl StoreKey {
    /// Returns a new key without a writer; no blob has had it before.
    pub fn random() -> Self {
        Self::named(uuid::Uuid::new_v4())
    }

    /// Returns a new key of the writer with the ID `number`, which is at least 0 and below 2^48.
    pub fn of_writer(number: i64) -> Self {
        let writer = (1_u128 << WRITER_BITS) - 1;
        let digits = (uuid::Uuid::new_v4().as_u128() & !writer) | (number as u128 & writer);
        Self::named(uuid::Builder::from_custom_bytes(digits.to_be_bytes()).into_uuid())
    }

    fn named(digits: uuid::Uuid) -> Self {
        let name = digits.simple().to_string();
        Self(format!("{}/{name}", &name[..2]))
    }

    /// Returns an ID for a new writer; it is unique as far as chance allows.
    pub fn random_writer() -> i64 {
        (uuid::Uuid::new_v4().as_u128() & ((1 << WRITER_BITS) - 1)) as i64
    }

    /// Returns the ID of the writer that gave the key out, if the key holds one.
    pub fn writer(&self) -> Option<i64> {
        let name = self.name();
        let tells = name.as_bytes()[VERSION_DIGIT] == b'8';
        let digits = &name[name.len() - WRITER_BITS as usize / 4..];
        tells.then(|| i64::from_str_radix(digits, 16).ok()).flatten()
    }

    /// The key as rows hold it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder it lies in.
    pub(super) fn folder(&self) -> &str {
        &self.0[..2]
    }

    /// The blob's name in the folder.
    pub(super) fn name(&self) -> &str {
        &self.0[3..]
    }

    /// The folder of a shard.
    pub(super) fn folder_of(shard: u16) -> String {
        format!("{shard:02x}")
    }
}

impl FromStr for StoreKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let hex = |s: &str| s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match text.split_once('/') {
            Some((folder, name)) if name.len() == 32 && hex(name) && folder == &name[..2] => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(NotAKey),
        }
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_writer_unless_it_is_of_none() {
        for number in [0, 1, (1 << 48) - 1, StoreKey::random_writer()] {
            let (key, other) = (StoreKey::of_writer(number), StoreKey::of_writer(number));
            assert_eq!(key.writer(), Some(number), "{key}");
            assert_ne!(key, other);
            assert_eq!(key.as_str().parse::<StoreKey>().unwrap().writer(), Some(number));
        }
        assert_eq!(StoreKey::random().writer(), None);
    }

    #[test]
    fn a_key_survives_its_row_and_nothing_else_is_a_key() {
        let key = StoreKey::random();
        assert_eq!(key.as_str().parse::<StoreKey>().unwrap(), key);
        for bad in ["", "ab", "../../etc/passwd", "ab/cd", "ab/0123456789abcdef0123456789abcdef"] {
            assert!(bad.parse::<StoreKey>().is_err(), "{bad}");
        }
    }
}
