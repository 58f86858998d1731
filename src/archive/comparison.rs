//! A comparison tells how the files of two archives differ, by checksum and size from both directories: nothing is
//! decompressed.

use std::ops::Range;

use super::Index;
use super::paths::Paths;
use crate::yielding::YieldBudget;

/// How the files of an archive differ from those of an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many files only the later one has.
    pub added: usize,
    /// How many files only the earlier one has.
    pub removed: usize,
    /// How many files both have, with other contents.
    pub changed: usize,
    /// How many files are the same in both.
    pub same: usize,
    /// The differences whose position lies in the window, by the bytes of their paths.
    pub differences: Vec<Difference>,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its path.
    pub path: String,
    /// Its size in the earlier archive in bytes; `None` if it is not there.
    pub before: Option<u64>,
    /// Its size in the later archive in bytes; `None` if it is not there.
    pub after: Option<u64>,
}

/// The files of an index by their paths.
fn files(index: &Index) -> impl Iterator<Item = (u32, &str)> {
    Paths::below(index, "").filter(|(_, path)| !path.ends_with('/'))
}

impl Comparison {
    /// Compares two archives.
    pub fn of(before: &Index, after: &Index, window: &Range<usize>) -> Self {
        let (mut earlier, mut later) = (files(before).peekable(), files(after).peekable());
        let (mut found, mut position) = (Self::default(), 0);
        let mut pace = YieldBudget::begin();
        loop {
            pace.tick();
            let (old, new) = match (earlier.peek(), later.peek()) {
                (None, None) => return found,
                (Some((_, old)), Some((_, new))) if old == new => (earlier.next(), later.next()),
                (Some((_, old)), Some((_, new))) if new < old => (None, later.next()),
                (Some(_), _) => (earlier.next(), None),
                (None, Some(_)) => (None, later.next()),
            };
            let (one, other) = (old.map(|(row, _)| before.entry(row)), new.map(|(row, _)| after.entry(row)));
            let number = match (&one, &other) {
                (Some(one), Some(other))
                    if one.crc32 == other.crc32 && one.uncompressed_size == other.uncompressed_size =>
                {
                    found.same += 1;
                    continue;
                }
                (Some(_), Some(_)) => &mut found.changed,
                (Some(_), None) => &mut found.removed,
                (None, _) => &mut found.added,
            };
            *number += 1;
            if window.contains(&position) {
                let path = old.or(new).map_or("", |(_, path)| path).to_owned();
                let (before, after) =
                    (one.map(|it| it.uncompressed_size), other.map(|it| it.uncompressed_size));
                found.differences.push(Difference { path, before, after });
            }
            position += 1;
        }
    }

    /// How many files differ.
    pub fn total(&self) -> usize {
        self.added + self.removed + self.changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{AssembledFile, Assembly};

    fn index(files: &[(&str, u32)]) -> Index {
        let file = |(path, crc32): &(&str, u32)| AssembledFile {
            path: (*path).to_owned(),
            size: 1,
            crc32: *crc32,
            modified_unix_seconds: 0,
        };
        Assembly::plan(files.iter().map(file).collect()).index().unwrap()
    }

    #[test]
    fn files_are_added_removed_changed_or_the_same() {
        let before = index(&[("a", 1), ("b", 1), ("d/c", 1), ("same", 1)]);
        let after = index(&[("a", 1), ("b", 2), ("d/x", 1), ("same", 1)]);
        let found = Comparison::of(&before, &after, &(0..10));
        assert_eq!((found.added, found.removed, found.changed, found.same), (1, 1, 1, 2));
        let shown: Vec<_> = found
            .differences
            .iter()
            .map(|it| (it.path.as_str(), it.before.is_some(), it.after.is_some()))
            .collect();
        assert_eq!(shown, [("b", true, true), ("d/c", true, false), ("d/x", false, true)]);
        assert_eq!(Comparison::of(&before, &after, &(1..2)).differences, found.differences[1..2]);
        assert_eq!(Comparison::of(&after, &after, &(0..10)).total(), 0);
    }
}
