//! An oddity is a fault of one directory record: its entry is refused, the others are not. The texts are
//! shown to clients.

use thiserror::Error;

/// Why the entry of a directory record cannot be read, known from the record alone.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Oddity {
    /// Its local header or its compressed bytes do not lie between the file's first byte and the directory.
    #[error("entry is outside its archive")]
    OutsideArchive,
    /// A size or an offset should be in a ZIP64 extra field, which is missing or too short.
    #[error("entry lacks the zip64 field that its sizes call for")]
    NoZip64Field,
    /// It is said to lie on another part of a split archive.
    #[error("entry is on another disk of a split archive, which is not supported")]
    OtherDisk,
}

impl Oddity {
    const ALL: [Self; 3] = [Self::OutsideArchive, Self::NoZip64Field, Self::OtherDisk];

    /// Returns a header offset that no entry of a file can have, to stand for the oddity.
    pub(super) fn as_offset(self) -> u64 {
        u64::MAX - self as u64
    }

    /// Returns the oddity that `offset` stands for, if any.
    pub(super) fn of_offset(offset: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(u64::MAX - offset).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Oddity;

    #[test]
    fn each_oddity_has_an_offset_of_its_own_and_true_offsets_have_none() {
        for oddity in Oddity::ALL {
            assert_eq!(Oddity::of_offset(oddity.as_offset()), Some(oddity));
        }
        for offset in [0, 1, i64::MAX as u64, u64::MAX - Oddity::ALL.len() as u64] {
            assert_eq!(Oddity::of_offset(offset), None);
        }
    }
}
