//! User: the rules for a username.

/// Whether `name` is a valid username: not empty, no spaces, no control characters.
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
