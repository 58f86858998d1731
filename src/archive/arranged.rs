//! An arranged folder shows people a part of a folder's items: sorted as they ask for it, or searched by name, with more
//! of each item than a listing has.
//!
//! It is made of one or more indexes, of which an earlier one comes first where two have an item of the same path. Every
//! item of the folder is looked at for each part; none is held but by its number.

use std::cmp::Ordering;

use std::ops::Range;

use super::paths::{Paths, as_path, prefix_of};
use super::{EntryMeta, Index, listing};
use crate::yielding::YieldBudget;

/// Up to so many items are sorted by the numbers in their names; more by the bytes of their names.
const NATURAL_ITEMS: usize = 100_000;

/// The longest path of an item that can be addressed, in bytes.
const ADDRESSABLE_BYTES: usize = 2048;

/// How much of a name is shown, in characters.
const SHOWN_CHARACTERS: usize = 255;

/// What is shown of a folder.
#[derive(Debug, Clone, Default)]
pub struct Arrangement {
    /// The folder; empty for the root.
    pub folder: String,
    /// Only files below it whose path from there contains this text, in any letter case of ASCII.
    pub search: Option<String>,
    /// The order of the items; folders come first.
    pub order: ItemOrder,
    /// Whether the order is reversed, folders still first.
    pub descending: bool,
    /// The positions that are shown.
    pub window: Range<usize>,
}

/// The order of the items of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ItemOrder {
    /// By name, numbers in it by their value.
    #[default]
    Name,
    /// By uncompressed size.
    Size,
    /// By time of the last change.
    Modified,
}

/// A part of a folder.
#[derive(Debug, Clone)]
pub struct ArrangedFolder {
    /// How many items there are in all.
    pub total: usize,
    /// How many of these are files.
    pub files: usize,
    /// The uncompressed size of these files in bytes.
    pub size_bytes: u64,
    /// The items whose position lies in the window.
    pub items: Vec<ArrangedItem>,
    /// The name of a file of the folder that tells about it, such as `README.md`.
    pub readme: Option<String>,
    /// How many entries of all have names that are no paths and so are not shown; counted for the root alone.
    pub unnameable: usize,
}

/// An item of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrangedItem {
    /// Its path from the folder, without a slash at its end and cut at 255 characters.
    pub name: String,
    /// Its whole path; a folder's ends with a slash. `None` if it is too long for an address.
    pub path: Option<String>,
    /// Whether it is a folder.
    pub is_directory: bool,
    /// Whether it is a symbolic link.
    pub is_link: bool,
    /// A file's uncompressed length in bytes, as the directory states it.
    pub size_bytes: u64,
    /// A file's compressed length in bytes.
    pub compressed_bytes: u64,
    /// A file's time of the last change.
    pub modified_unix_seconds: Option<i64>,
    /// Why a file cannot be read, as far as the directory tells.
    pub fault: Option<String>,
}

/// An item by its numbers.
#[derive(Clone, Copy)]
struct Child {
    source: u32,
    row: u32,
    /// How much of the row's name is its path.
    path_bytes: u32,
    is_directory: bool,
}

impl ArrangedFolder {
    /// Arranges a folder; `None` if no index has it. The root always exists.
    pub fn of(indexes: &[&Index], wanted: &Arrangement) -> Option<Self> {
        let folder = Folder { indexes, prefix: prefix_of(&wanted.folder) };
        let mut children = match wanted.search.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => {
                folder.exists().then_some(())?;
                folder.search(text)
            }
            None => folder.children()?,
        };
        if indexes.len() > 1 {
            children.sort_by(|one, other| {
                folder.path(one).cmp(folder.path(other)).then(one.source.cmp(&other.source))
            });
            children.dedup_by(|later, first| folder.path(later) == folder.path(first));
        }
        folder.sort(&mut children, wanted.order, wanted.descending);
        let files = children.iter().filter(|child| !child.is_directory);
        let sizes = files.clone().map(|child| folder.entry(child).uncompressed_size);
        let size_bytes = sizes.fold(0_u64, u64::saturating_add);
        let window = wanted.window.start.min(children.len())..wanted.window.end.min(children.len());
        Some(Self {
            total: children.len(),
            files: files.count(),
            size_bytes,
            items: children[window].iter().map(|child| folder.item(child)).collect(),
            readme: wanted.search.is_none().then(|| folder.readme(&children)).flatten(),
            unnameable: if folder.prefix.is_empty() { folder.unnameable() } else { 0 },
        })
    }

    /// Finds the files before and after the one at `path` in its folder, by name.
    pub fn neighbours(indexes: &[&Index], path: &str) -> (Option<String>, Option<String>) {
        let end = path.rfind('/').map_or(0, |at| at + 1);
        let folder = Folder { indexes, prefix: path[..end].to_owned() };
        let mut files = folder.children().unwrap_or_default();
        files.retain(|child| !child.is_directory);
        folder.sort(&mut files, ItemOrder::Name, false);
        files.dedup_by(|later, first| folder.path(later) == folder.path(first));
        let Some(at) = files.iter().position(|child| folder.path(child) == path) else { return (None, None) };
        let path = |at: usize| {
            let path = folder.path(files.get(at)?);
            (path.len() <= ADDRESSABLE_BYTES).then(|| path.to_owned())
        };
        (at.checked_sub(1).and_then(path), path(at + 1))
    }

    /// Returns the deepest folder above `path` that is there; empty for the root.
    pub fn nearest(indexes: &[&Index], path: &str) -> String {
        let slashes = path.trim_end_matches('/').match_indices('/').map(|(at, _)| at);
        let is_there = |end: &usize| Folder { indexes, prefix: path[..=*end].to_owned() }.exists();
        slashes
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .find(is_there)
            .map_or("", |end| &path[..=end])
            .to_owned()
    }
}

/// A folder of some indexes.
struct Folder<'a> {
    indexes: &'a [&'a Index],
    /// Its path with a slash at its end; empty for the root.
    prefix: String,
}

impl<'a> Folder<'a> {
    fn exists(&self) -> bool {
        self.prefix.is_empty()
            || self.indexes.iter().any(|index| Paths::below(index, &self.prefix).next().is_some())
    }

    /// Returns the items right below the folder; `None` if there is no such folder.
    fn children(&self) -> Option<Vec<Child>> {
        let (mut found, mut exists) = (Vec::new(), self.prefix.is_empty());
        let mut pace = YieldBudget::begin();
        for (source, index) in self.indexes.iter().enumerate() {
            let mut paths = Paths::below(index, &self.prefix);
            while let Some((row, path)) = paths.next() {
                pace.tick();
                exists = true;
                let rest = &path[self.prefix.len()..];
                if rest.is_empty() {
                    continue;
                }
                let end = rest.find('/').map(|at| self.prefix.len() + at + 1);
                if let Some(end) = end {
                    paths.skip_below(&path[..end]);
                }
                found.push(Child {
                    source: source as u32,
                    row,
                    path_bytes: end.unwrap_or(path.len()) as u32,
                    is_directory: end.is_some(),
                });
            }
        }
        exists.then_some(found)
    }

    /// Returns the files anywhere below the folder whose path from there contains a text.
    fn search(&self, text: &str) -> Vec<Child> {
        let wanted = text.to_ascii_lowercase();
        let mut found = Vec::new();
        let mut pace = YieldBudget::begin();
        for (source, index) in self.indexes.iter().enumerate() {
            for (row, path) in Paths::below(index, &self.prefix) {
                pace.tick();
                let rest = &path.as_bytes()[self.prefix.len()..];
                if path.ends_with('/') || !contains_ignoring_case(rest, wanted.as_bytes()) {
                    continue;
                }
                let path_bytes = path.len() as u32;
                found.push(Child { source: source as u32, row, path_bytes, is_directory: false });
            }
        }
        found
    }

    fn path(&self, child: &Child) -> &'a str {
        let name = &self.indexes[child.source as usize].name(child.row)[..child.path_bytes as usize];
        // Only names that are paths were found, and they are cut behind a slash.
        str::from_utf8(name).unwrap_or_default()
    }

    fn entry(&self, child: &Child) -> super::Entry<'a> {
        self.indexes[child.source as usize].entry(child.row)
    }

    fn sort(&self, children: &mut [Child], order: ItemOrder, descending: bool) {
        let is_natural = children.len() <= NATURAL_ITEMS;
        let by_name = |one: &Child, other: &Child| {
            let (one, other) = (self.path(one), self.path(other));
            if is_natural { natural(one, other) } else { one.cmp(other) }
        };
        let modified = |child: &Child| self.entry(child).modified_unix_seconds.unwrap_or(i64::MIN);
        let mut pace = YieldBudget::begin();
        children.sort_by(|one, other| {
            pace.tick();
            let by_order = match order {
                ItemOrder::Name => by_name(one, other),
                _ if one.is_directory && other.is_directory => by_name(one, other),
                ItemOrder::Size => {
                    self.entry(one).uncompressed_size.cmp(&self.entry(other).uncompressed_size)
                }
                ItemOrder::Modified => modified(one).cmp(&modified(other)),
            };
            let by_order = if descending { by_order.reverse() } else { by_order };
            other.is_directory.cmp(&one.is_directory).then(by_order).then_with(|| by_name(one, other))
        });
    }

    fn item(&self, child: &Child) -> ArrangedItem {
        let path = self.path(child);
        let name = path[self.prefix.len()..].trim_end_matches('/');
        let mut shown: String = name.chars().take(SHOWN_CHARACTERS).collect();
        if shown.len() < name.len() {
            shown.push('…');
        }
        let path = (path.len() <= ADDRESSABLE_BYTES).then(|| path.to_owned());
        if child.is_directory {
            return ArrangedItem {
                name: shown,
                path,
                is_directory: true,
                is_link: false,
                size_bytes: 0,
                compressed_bytes: 0,
                modified_unix_seconds: None,
                fault: None,
            };
        }
        let entry = self.entry(child);
        ArrangedItem {
            name: shown,
            path,
            is_directory: false,
            is_link: listing::mode(&entry) == 0o120_777,
            size_bytes: entry.uncompressed_size,
            compressed_bytes: entry.compressed_size,
            modified_unix_seconds: entry.modified_unix_seconds,
            fault: EntryMeta::from(entry).check_supported().err().map(|fault| fault.to_string()),
        }
    }

    /// Finds the file that tells about the folder.
    fn readme(&self, children: &[Child]) -> Option<String> {
        let is_readme = |child: &&Child| {
            let name = &self.path(child)[self.prefix.len()..];
            !child.is_directory && ["README.md", "readme.md", "Readme.md"].contains(&name)
        };
        children.iter().find(is_readme).map(|child| self.path(child).to_owned())
    }

    /// Counts the entries whose names are no paths.
    fn unnameable(&self) -> usize {
        let mut pace = YieldBudget::begin();
        let mut is_hidden = |index: &Index, row: u32| {
            pace.tick();
            as_path(index.name(row)).is_none()
        };
        self.indexes
            .iter()
            .map(|index| (0..index.len() as u32).filter(|row| is_hidden(index, *row)).count())
            .sum()
    }
}

fn contains_ignoring_case(text: &[u8], lower: &[u8]) -> bool {
    text.windows(lower.len())
        .any(|part| part.iter().zip(lower).all(|(one, other)| one.to_ascii_lowercase() == *other))
}

/// Compares two names, runs of digits in them by their value.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one.as_bytes(), other.as_bytes());
    while let (Some(a), Some(b)) = (left.first(), right.first()) {
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (number, rest) = digits(left);
            let (other_number, other_rest) = digits(right);
            let by_value = number.len().cmp(&other_number.len()).then_with(|| number.cmp(other_number));
            if by_value != Ordering::Equal {
                return by_value;
            }
            (left, right) = (rest, other_rest);
        } else if a == b {
            (left, right) = (&left[1..], &right[1..]);
        } else {
            let by_letter = a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase());
            return by_letter.then(a.cmp(b));
        }
    }
    left.len().cmp(&right.len()).then_with(|| one.cmp(other))
}

/// Splits a run of digits off, without zeros at its beginning.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    let zeros = run.iter().position(|byte| *byte != b'0').unwrap_or(run.len());
    (&run[zeros..], rest)
}

#[cfg(test)]
#[path = "tests/arranged.rs"]
mod tests;
