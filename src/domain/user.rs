//! What a user is to the rules: how it may be called, and what its tokens may be good for.

named! {
    /// What a personal token is good for: GitLab's names, and one of our own. Only `api`, `read_api`
    /// and `registry` open anything here; the others are for clients that ask for them by name.
    pub enum Scope ("scope") {
        /// Reads and changes.
        Api = "api",
        /// Reads.
        ReadApi = "read_api",
        /// Reads its own user.
        ReadUser = "read_user",
        /// Reads code.
        ReadRepository = "read_repository",
        /// Reads and changes code.
        WriteRepository = "write_repository",
        /// Reads container images.
        ReadRegistry = "read_registry",
        /// Reads and changes container images.
        WriteRegistry = "write_registry",
        /// Tells us which users, projects, pipelines and jobs exist. GitLab knows no such scope.
        Registry = "registry",
    }
}

/// Whether `name` can be a user's short name: not empty, no spaces, no control characters.
pub fn is_valid_username(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_one_visible_word() {
        for good in ["root", "alice.smith", "jürgen", "a-b_c"] {
            assert!(is_valid_username(good), "{good}");
        }
        for bad in ["", "a b", "a\tb", "a\u{a0}b", "\u{1b}[31m"] {
            assert!(!is_valid_username(bad), "{bad:?}");
        }
    }
}
