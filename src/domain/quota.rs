//! Quota: how many bytes of artifacts a project may have, or all projects of a group together.

use std::fmt;

use super::byte_size::show_roughly;

/// From how many percent of a quota on it is nearly used up.
const WARN_PERCENT: i128 = 80;

/// Whose quota it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaOwner {
    /// The project at this full path.
    Project(String),
    /// The group at this full path.
    Group(String),
}

impl fmt::Display for QuotaOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(path) => write!(f, "project {path}"),
            Self::Group(path) => write!(f, "group {path}"),
        }
    }
}

/// A quota, and how much of it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Whose it is.
    pub owner: QuotaOwner,
    /// What may be stored, in bytes.
    pub max_bytes: i64,
    /// What is stored, in bytes.
    pub used_bytes: i64,
}

impl Quota {
    /// Returns how many bytes are left, none when more are used than allowed.
    pub fn left_bytes(&self) -> u64 {
        u64::try_from(self.max_bytes.saturating_sub(self.used_bytes)).unwrap_or(0)
    }

    /// Says that more bytes do not fit: what is used, what is allowed, and what was to be added if that is known.
    pub fn refusal(&self, added_bytes: Option<u64>) -> String {
        let Self { owner, max_bytes, used_bytes } = self;
        let size = |bytes: i64| show_roughly(bytes.unsigned_abs());
        let added = added_bytes.map_or_else(|| "more".to_owned(), show_roughly);
        let (used, max) = (size(*used_bytes), size(*max_bytes));
        format!("{owner} stores {used} of the {max} that it may store (max_storage); {added} do not fit")
    }

    /// Whether it is nearly used up.
    pub fn is_nearly_used_up(&self) -> bool {
        is_nearly_used_up(self.used_bytes, self.max_bytes)
    }
}

/// What an upload may have at most.
#[derive(Debug, Clone, Default)]
pub struct UploadRoom {
    /// The limit for one artifact in bytes; `None` for none.
    pub limit_bytes: Option<u64>,
    /// The quota of which the least is left; `None` if none limits the project.
    pub quota: Option<Quota>,
    /// What of the quota is used by bytes that the upload may be the same as, or replaces.
    pub own_bytes: u64,
}

impl UploadRoom {
    /// Returns the most bytes that the upload may have; `None` for no limit.
    pub fn most_bytes(&self) -> Option<u64> {
        [self.limit_bytes, self.left_of_quota()].into_iter().flatten().min()
    }

    /// Returns the quota, if less is left of it than one artifact may have.
    pub fn quota_in_the_way(&self) -> Option<&Quota> {
        let left = self.left_of_quota()?;
        self.quota.as_ref().filter(|_| self.limit_bytes.is_none_or(|limit| left < limit))
    }

    fn left_of_quota(&self) -> Option<u64> {
        Some(self.quota.as_ref()?.left_bytes().saturating_add(self.own_bytes))
    }
}

/// Whether so much of a quota is used that people are warned.
pub fn is_nearly_used_up(used_bytes: i64, max_bytes: i64) -> bool {
    i128::from(used_bytes) * 100 >= i128::from(max_bytes) * WARN_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(used_bytes: i64, max_bytes: i64) -> Quota {
        Quota { owner: QuotaOwner::Project("group/project".into()), max_bytes, used_bytes }
    }

    #[test]
    fn four_fifths_are_nearly_all() {
        assert!(!quota(79, 100).is_nearly_used_up());
        assert!(quota(80, 100).is_nearly_used_up());
        assert!(quota(i64::MAX, i64::MAX).is_nearly_used_up());
    }

    #[test]
    fn a_refusal_says_what_is_used_and_what_is_allowed() {
        assert_eq!(
            quota(9 << 20, 10 << 20).refusal(Some(2 << 20)),
            "project group/project stores 9 MiB of the 10 MiB that it may store (max_storage); 2 MiB do not fit"
        );
        assert_eq!((quota(9, 10).left_bytes(), quota(11, 10).left_bytes()), (1, 0));
    }

    #[test]
    fn the_tighter_limit_of_an_upload_counts() {
        let room = |limit_bytes, used, own_bytes| UploadRoom {
            limit_bytes,
            quota: Some(quota(used, 10)),
            own_bytes,
        };
        assert_eq!(UploadRoom::default().most_bytes(), None);
        assert_eq!((room(None, 4, 0).most_bytes(), room(None, 4, 3).most_bytes()), (Some(6), Some(9)));
        let tight = room(Some(6), 4, 0);
        assert!(tight.most_bytes() == Some(6) && tight.quota_in_the_way().is_none());
        assert!(room(Some(7), 4, 0).quota_in_the_way().is_some());
    }
}
