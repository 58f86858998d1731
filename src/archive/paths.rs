//! Paths are the entry names that may be shown, walked in byte order.
//!
//! Byte order puts `a-b` before `a/` and `a0` after it: all names below a folder are in one run, but the file
//! `a` and the folder `a/` may be far apart.

use super::Index;

/// Returns `name` as a path if it may be shown: valid UTF-8 without NUL, whose segments are neither empty nor
/// `.` nor `..`. One trailing slash marks a folder.
pub(super) fn as_path(name: &[u8]) -> Option<&str> {
    let segments = name.strip_suffix(b"/").unwrap_or(name);
    let plain = segments.split(|&byte| byte == b'/').all(|segment| !matches!(segment, b"" | b"." | b".."));
    if !plain || name.contains(&0) {
        return None;
    }
    str::from_utf8(name).ok()
}

/// Returns `folder` with exactly the one slash that the names below it have; empty for the root.
pub(super) fn prefix_of(folder: &str) -> String {
    match folder.strip_suffix('/').unwrap_or(folder) {
        "" => String::new(),
        folder => format!("{folder}/"),
    }
}

/// The rows that are shown: of those whose name is a path, the first of each name.
#[derive(Clone)]
pub(super) struct Paths<'a> {
    index: &'a Index,
    rows: &'a [u32],
    last: &'a str,
}

impl<'a> Paths<'a> {
    /// Walks the paths that begin with `prefix`, in byte order.
    pub(super) fn below(index: &'a Index, prefix: &str) -> Self {
        Self { index, rows: index.rows_below(prefix.as_bytes()), last: "" }
    }

    /// The number of rows that were not visited yet.
    pub(super) fn ahead(&self) -> usize {
        self.rows.len()
    }

    /// Like [`Paths::below`], from where `ahead` rows were not visited yet and row `last` was the last one
    /// shown.
    pub(super) fn resume(index: &'a Index, prefix: &str, ahead: usize, last: Option<u32>) -> Self {
        let rows = index.rows_below(prefix.as_bytes());
        let last = last.and_then(|row| str::from_utf8(index.name(row)).ok()).unwrap_or("");
        Self { index, rows: &rows[rows.len().saturating_sub(ahead)..], last }
    }

    /// Skips the names that begin with `folder`, which must be where the walk is. Reads a few rows for each
    /// power of two of their number, so that small folders are cheap, too.
    pub(super) fn skip_below(&mut self, folder: &str) {
        let is_below = |&row: &u32| self.index.name(row).starts_with(folder.as_bytes());
        let mut ahead = 1;
        while self.rows.get(ahead - 1).is_some_and(is_below) {
            ahead *= 2;
        }
        let known = ahead / 2;
        let maybe = &self.rows[known..self.rows.len().min(ahead)];
        self.rows = &self.rows[known + maybe.partition_point(is_below)..];
    }
}

impl<'a> Iterator for Paths<'a> {
    type Item = (u32, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&row, rest) = self.rows.split_first()?;
            self.rows = rest;
            let name = self.index.name(row);
            if name == self.last.as_bytes() {
                continue;
            }
            if let Some(path) = as_path(name) {
                self.last = path;
                return Some((row, path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{as_path, prefix_of};

    #[test]
    fn only_plain_names_are_paths() {
        for name in ["a", "a/", "a/b", ".a", "a.", "...", "a/.b/..c/d..", "a\\..\\b", "é", " "] {
            assert_eq!(as_path(name.as_bytes()), Some(name));
        }
        let refused = "|/|.|..|./|../|/a|./a|../a|a//|a//b|a/./b|a/../b|a/.|a/..|a/./|a/../|a\0|\0/a|//";
        for name in refused.split('|') {
            assert_eq!(as_path(name.as_bytes()), None, "{name:?}");
        }
        for name in [&b"\xff"[..], b"a/\xc3", b"\xed\xa0\x80/b"] {
            assert_eq!(as_path(name), None);
        }
    }

    #[test]
    fn folder_may_be_named_with_its_slash_or_without() {
        for (folder, prefix) in [("", ""), ("/", ""), ("a", "a/"), ("a/b/", "a/b/"), ("a//", "a//")] {
            assert_eq!(prefix_of(folder), prefix);
        }
    }
}
