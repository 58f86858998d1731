//! The only author of object names.

use std::fmt;
use std::str::FromStr;

/// A blob's name in the store: 32 random hex digits behind a folder of the first two. Random, so
/// that it is never used twice and tells nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreKey(String);

/// How many parts the store is listed in: one for each folder.
pub const SHARDS: u16 = 256;

/// The text is no store key.
#[derive(Debug, thiserror::Error)]
#[error("not a store key")]
pub struct NotAKey;

impl StoreKey {
    /// A key that nothing has had before.
    pub fn random() -> Self {
        let name = uuid::Uuid::new_v4().simple().to_string();
        Self(format!("{}/{name}", &name[..2]))
    }

    /// The key as rows hold it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder it lies in.
    pub(super) fn folder(&self) -> &str {
        &self.0[..2]
    }

    /// What it is called in there.
    pub(super) fn name(&self) -> &str {
        &self.0[3..]
    }

    /// The folder that is listed as a shard.
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
    fn a_key_survives_its_row_and_nothing_else_is_a_key() {
        let key = StoreKey::random();
        assert_eq!(key.as_str().parse::<StoreKey>().unwrap(), key);
        for bad in ["", "ab", "../../etc/passwd", "ab/cd", "ab/0123456789abcdef0123456789abcdef"] {
            assert!(bad.parse::<StoreKey>().is_err(), "{bad}");
        }
    }
}
