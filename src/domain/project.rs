//! Project: its visibility, and the paths by which it is known.

named! {
    /// Who may see that a project exists.
    pub enum Visibility ("visibility") {
        /// Members only.
        Private = "private",
        /// Signed-in users.
        Internal = "internal",
        /// Everybody.
        Public = "public",
    }
}

/// A project's ID or path in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectRef {
    /// Its ID.
    Id(i64),
    /// Its full path, `group/sub/project`, in any case.
    Path(String),
}

/// Longest full path of a project, in bytes; GitLab's routes end far below it.
const MAX_PATH_BYTES: usize = 1024;

/// Whether `path` is a valid full path.
///
/// At least one segment of letters, digits, `_`, `-` and `.`, none of them empty, starting with `-` or `.`,
/// or made of digits alone if it is the only one (a number is a project's ID).
pub fn is_valid_path(path: &str) -> bool {
    let segment = |s: &str| {
        !s.is_empty()
            && !s.starts_with(['-', '.'])
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    };
    path.len() <= MAX_PATH_BYTES && path.split('/').all(segment) && !path.bytes().all(|b| b.is_ascii_digit())
}

/// Whether the allowlist entry `entry` (a project's or a group's full path) covers the project at
/// `path`; a group covers its nested groups. Case does not matter.
pub fn path_covers(entry: &str, path: &str) -> bool {
    path.get(..entry.len()).is_some_and(|head| head.eq_ignore_ascii_case(entry))
        && matches!(path.as_bytes().get(entry.len()), None | Some(b'/'))
        && !entry.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_covers_nested_groups_but_not_its_namesakes() {
        assert!(path_covers("group", "group/sub/project"));
        assert!(path_covers("Group/sub", "group/Sub/project"));
        assert!(path_covers("group/project", "group/project"));
        assert!(!path_covers("group", "groupies/project"));
        assert!(!path_covers("group/project", "group"));
        assert!(!path_covers("", "group"));
    }

    #[test]
    fn a_path_is_made_of_plain_segments() {
        for good in ["group/demo", "a", "g/s/pro.j", "42nd/street", "1/2"] {
            assert!(is_valid_path(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "a/../b", "-a", "a b", "ü", "42", "a\0"] {
            assert!(!is_valid_path(bad), "{bad}");
        }
    }
}
