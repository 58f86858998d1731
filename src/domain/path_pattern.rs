//! Path pattern: a path in which `*` stands for any characters, slashes too, and everything else for itself.

/// A pattern of whole paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern(String);

impl PathPattern {
    /// Reads a pattern; every text is one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it has no wildcard, so that it is one path.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Returns the pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches a whole path. Takes at most the product of both lengths, whatever the pattern.
    pub fn matches(&self, path: &str) -> bool {
        let (pattern, path) = (self.0.as_bytes(), path.as_bytes());
        let (mut at, mut from) = (0, 0);
        // Behind the last wildcard, and where in the path what it stands for ends.
        let mut retry: Option<(usize, usize)> = None;
        while from < path.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    at += 1;
                    retry = Some((at, from));
                }
                Some(byte) if *byte == path[from] => {
                    at += 1;
                    from += 1;
                }
                _ => match retry {
                    Some((behind, end)) => {
                        retry = Some((behind, end + 1));
                        (at, from) = (behind, end + 1);
                    }
                    None => return false,
                },
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wildcard_crosses_slashes_and_nothing_else_has_a_meaning() {
        let matches = |pattern: &str, path: &str| PathPattern::new(pattern).matches(path);
        assert!(matches("log/*", "log/a/b.txt") && matches("*", "") && matches("*.log", "a/b.log"));
        assert!(matches("dist/**/*", "dist/a/b") && !matches("dist/**/*", "dist/index.html"));
        assert!(!matches("log/*", "xlog/a") && !matches("a", "A") && !matches("a*", "ba"));
        assert!(matches("a?b", "a?b") && !matches("a?b", "axb"));
        assert!(matches("100%_[x]", "100%_[x]") && !matches("a_b", "axb") && !matches("a%b", "a--b"));
        assert!(matches("*a*b*", "xaxbx") && !matches("*a*b*", "xbxax"));
    }

    proptest! {
        #[test]
        fn a_path_matches_itself_and_every_pattern_made_of_it(path in "[a-c/]{0,12}", at in 0usize..13, end in 0usize..13) {
            prop_assert!(PathPattern::new(path.clone()).matches(&path));
            let (at, end) = (at.min(path.len()), end.min(path.len()));
            let (at, end) = (at.min(end), at.max(end));
            let pattern = PathPattern::new(format!("{}*{}", &path[..at], &path[end..]));
            prop_assert!(pattern.matches(&path));
        }
    }
}
