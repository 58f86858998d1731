//! What a project is to the rules: who may see it, and under which path it is known.

named! {
    /// Who may see that a project exists.
    pub enum Visibility ("visibility") {
        /// Members only.
        Private = "private",
        /// Everybody who is signed in.
        Internal = "internal",
        /// Everybody.
        Public = "public",
    }
}

/// How a request names a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectRef {
    /// By its number.
    Id(i64),
    /// By its full path, `group/sub/project`, in any case.
    Path(String),
}

/// The longest full path of a project, in bytes; GitLab's routes stop far below it.
const MAX_PATH_BYTES: usize = 1024;

/// Whether `path` can be a project's full path: at least one segment of letters, digits, `_`, `-`
/// and `.`, none of them empty, starting with `-` or `.`, or made of digits alone when it is the
/// only one (a number names a project by id).
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
