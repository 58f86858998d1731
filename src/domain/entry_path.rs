//! Entry path: a checked path inside an archive.
//!
//! It is compared byte for byte with entry names: nothing is normalised, a backslash is an ordinary
//! character, and case matters.

use std::fmt;

/// A valid path in an archive: not empty, valid UTF-8, without NUL, not absolute, and without a `..` segment.
#[derive(Clone, PartialEq, Eq)]
pub struct EntryPath(String);

/// Why bytes are no [`EntryPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is empty.
    #[error("path is empty")]
    Empty,
    /// It is not UTF-8.
    #[error("path is not valid UTF-8")]
    NotUtf8,
    /// It contains a NUL byte.
    #[error("path contains a NUL byte")]
    Nul,
    /// It begins with a slash.
    #[error("path is absolute")]
    Absolute,
    /// It has a `..` segment, which would leave the archive.
    #[error("path contains a `..` segment")]
    Climbs,
}

impl EntryPath {
    /// Checks decoded bytes.
    ///
    /// # Errors
    /// The first [`PathError`] found.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, PathError> {
        if bytes.is_empty() {
            return Err(PathError::Empty);
        }
        let path = String::from_utf8(bytes).map_err(|_| PathError::NotUtf8)?;
        if path.contains('\0') {
            return Err(PathError::Nul);
        }
        if path.starts_with('/') {
            return Err(PathError::Absolute);
        }
        if path.split('/').any(|segment| segment == "..") {
            return Err(PathError::Climbs);
        }
        Ok(Self(path))
    }

    /// Returns the whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last segment, for the name of a download; that of a folder without its slash.
    pub fn base_name(&self) -> &str {
        let path = self.0.trim_end_matches('/');
        path.rsplit('/').next().unwrap_or(path)
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(bytes: &[u8]) -> PathError {
        EntryPath::from_bytes(bytes.to_vec()).unwrap_err()
    }

    #[test]
    fn each_fault_is_named() {
        assert_eq!(fault(b""), PathError::Empty);
        assert_eq!(fault(b"a\xff"), PathError::NotUtf8);
        assert_eq!(fault(b"a\0b"), PathError::Nul);
        assert_eq!(fault(b"/etc/passwd"), PathError::Absolute);
        assert_eq!(fault(b".."), PathError::Climbs);
        assert_eq!(fault(b"a/../b"), PathError::Climbs);
    }

    #[test]
    fn odd_names_that_do_not_climb_are_kept_as_they_are() {
        for name in ["a\\..\\b", "..a/b..", "./", "dir/", "ü/\n", "a//b"] {
            let path = EntryPath::from_bytes(name.as_bytes().to_vec()).unwrap();
            assert_eq!(path.as_str(), name);
        }
        assert_eq!(EntryPath::from_bytes(b"a/dir/".to_vec()).unwrap().base_name(), "dir");
    }

    proptest! {
        #[test]
        fn a_checked_path_stays_below_its_root(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(path) = EntryPath::from_bytes(bytes) {
                let climbs = std::path::Path::new(path.as_str()).components().any(|c| {
                    !matches!(c, std::path::Component::Normal(_) | std::path::Component::CurDir)
                });
                prop_assert!(!climbs);
            }
        }
    }
}
