//! UUID: the ID of a row in some dialects, which outlives restarts.

use std::fmt;
use std::str::FromStr;

/// A UUID (RFC 9562).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(::uuid::Uuid);

impl Uuid {
    /// Creates the UUID of a new row: version 7, so that rows are in order of time.
    pub fn for_row() -> Self {
        Self(::uuid::Uuid::now_v7())
    }

    /// Returns the UUID of a named thing within a row, such as an entry of an archive: version 5, so that it
    /// is the same whenever it is computed.
    pub fn within(self, name: &str) -> Self {
        Self(::uuid::Uuid::new_v5(&self.0, name.as_bytes()))
    }

    /// Returns its 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl TryFrom<&[u8]> for Uuid {
    type Error = ::uuid::Error;

    fn try_from(bytes: &[u8]) -> Result<Self, ::uuid::Error> {
        ::uuid::Uuid::from_slice(bytes).map(Self)
    }
}

/// Parses the form with hyphens, in either case.
impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        const HYPHENATED_LENGTH: usize = 36;
        let parsed = if text.len() == HYPHENATED_LENGTH { ::uuid::Uuid::try_parse(text).ok() } else { None };
        parsed.map(Self).ok_or(InvalidUuid)
    }
}

/// The text is no UUID with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a UUID")]
pub struct InvalidUuid;

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_read_as_it_is_written_and_in_no_other_form() {
        let row = Uuid::for_row();
        assert_eq!(row.to_string().parse(), Ok(row));
        assert_eq!(row.to_string().to_uppercase().parse(), Ok(row));
        assert_eq!(Uuid::try_from(row.as_bytes().as_slice()).unwrap(), row);
        for text in
            ["", "1", &row.to_string().replace('-', ""), &format!("{{{row}}}"), &format!("urn:uuid:{row}")]
        {
            assert_eq!(text.parse::<Uuid>(), Err(InvalidUuid), "{text}");
        }
    }

    #[test]
    fn a_name_within_a_row_has_one_uuid() {
        let row: Uuid = "01980e4c-0a3f-7c3e-9b6d-2f0d1b2c3d4e".parse().unwrap();
        assert_eq!(row.within("a/b"), row.within("a/b"));
        assert_ne!(row.within("a/b"), row.within("a/c"));
        assert_ne!(row.within("a/b"), Uuid::for_row().within("a/b"));
    }
}
