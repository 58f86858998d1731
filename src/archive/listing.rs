//! What a folder of an archive holds, a page at a time. Folders need no entry of their own:
//! every path implies those above it. Names that are no plain paths are left out, as GitLab
//! does, and so is what they would imply.
//!
//! Hostile names cannot make it slow: it goes once over the names below the folder, looks at
//! each byte a few times, counts the slashes of a deep name, and makes only the window's items.

use std::ops::Range;

use super::{
    Entry, Index,
    paths::{Paths, prefix_of},
};

/// One page of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// How many items the folder holds, on all pages.
    pub total: usize,
    /// Those whose position, counted from 0, lies in the window.
    pub items: Vec<Item>,
}

/// A file, or a folder with or without an entry of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The last segment of the path, without a slash.
    pub name: String,
    /// The whole path; a folder's ends with a slash.
    pub path: String,
    /// Whether it is a folder.
    pub is_directory: bool,
    /// A file's length when unpacked, as the directory states it; 0 for a folder.
    pub size_bytes: u64,
    /// File type and permission bits as in `stat`. Never anything but a file, a folder or a
    /// symlink; the latter counts as a file, of mode `0o120777`.
    pub mode: u32,
}

impl Index {
    /// The items of `folder` whose position lies in `window`; "" or "/" is the root, which is
    /// always there, and a folder's trailing slash may be missing. `None` where the path names
    /// nothing, or a file.
    ///
    /// Without `recursive`, folders come first and then files, both sorted by the bytes of
    /// their path; with it, all that lies below, sorted by the bytes of the path. A folder's
    /// slash is part of its path.
    ///
    /// Below a million entries it takes 40 ms, or 300 ms where the directory is in no order: do it
    /// where that may block. The caller bounds the window: an archive can imply far more folders
    /// than it has entries.
    pub fn list(&self, folder: &str, recursive: bool, window: Range<usize>) -> Option<Listing> {
        let prefix = prefix_of(folder);
        let paths = Paths::below(self, &prefix);
        if !prefix.is_empty() && paths.clone().next().is_none() {
            return None;
        }
        Some(match recursive {
            true => self.list_all(paths, &prefix, &window),
            false => self.list_children(paths, &prefix, &window),
        })
    }

    fn list_children(&self, mut paths: Paths<'_>, prefix: &str, window: &Range<usize>) -> Listing {
        let mut items = Vec::new();
        let mut folders = 0;
        let mut files = 0;
        // Where files begin is known only at the end; till then they are kept as numbers.
        let mut first_files = Vec::new();
        while let Some((row, path)) = paths.next() {
            match path[prefix.len()..].find('/') {
                Some(at) => {
                    let folder = &path[..prefix.len() + at + 1];
                    if window.contains(&folders) {
                        items.push(self.folder(folder, (folder == path).then_some(row)));
                    }
                    folders += 1;
                    paths.skip_below(folder);
                }
                None if path == prefix => (),
                None => {
                    if files < window.end {
                        first_files.push((row, path));
                    }
                    files += 1;
                }
            }
        }
        let from = window.start.saturating_sub(folders);
        let shown = window.end.saturating_sub(folders).saturating_sub(from);
        items.extend(first_files.iter().skip(from).take(shown).map(|&(row, path)| self.file(path, row)));
        Listing { total: folders + files, items }
    }

    fn list_all(&self, paths: Paths<'_>, prefix: &str, window: &Range<usize>) -> Listing {
        let mut items = Vec::new();
        let mut total = 0;
        let mut last = prefix;
        for (row, path) in paths.filter(|&(_, path)| path != prefix) {
            // Folders that lie behind the part shared with the last path are met first here. The
            // last path sorts before this one, so they differ at the latest in the last byte.
            let shared = shared_bytes(last, path);
            let slashes = (shared..path.len() - 1).filter(|&at| path.as_bytes()[at] == b'/');
            let position = total + slashes.clone().count();
            if window.start <= position && total < window.end {
                let implied = (total..).zip(slashes).filter(|(number, _)| window.contains(number));
                items.extend(implied.map(|(_, at)| self.folder(&path[..=at], None)));
                if window.contains(&position) {
                    items.push(match path.ends_with('/') {
                        true => self.folder(path, Some(row)),
                        false => self.file(path, row),
                    });
                }
            }
            total = position + 1;
            last = path;
        }
        Listing { total, items }
    }

    fn file(&self, path: &str, row: u32) -> Item {
        let entry = self.entry(row);
        item(path, entry.unpacked_bytes, mode(&entry))
    }

    fn folder(&self, path: &str, row: Option<u32>) -> Item {
        item(path, 0, row.map_or(IMPLIED_FOLDER, |row| mode(&self.entry(row))))
    }
}

const IMPLIED_FOLDER: u32 = 0o040_755;

/// The mode that an entry is shown with: its own permissions, or usual ones, and a type that
/// agrees with its name.
pub(super) fn mode(entry: &Entry<'_>) -> u32 {
    const PERMISSIONS: u32 = 0o7777;
    match (entry.is_directory(), entry.unix_mode) {
        (true, None) => IMPLIED_FOLDER,
        (true, Some(mode)) => 0o040_000 | mode & PERMISSIONS,
        (false, None) => 0o100_644,
        (false, Some(mode)) if mode & 0o170_000 == 0o120_000 => 0o120_777,
        (false, Some(mode)) => 0o100_000 | mode & PERMISSIONS,
    }
}

fn item(path: &str, size_bytes: u64, mode: u32) -> Item {
    let bare = path.strip_suffix('/').unwrap_or(path);
    let name = bare.rsplit('/').next().unwrap_or(bare);
    Item { name: name.to_owned(), path: path.to_owned(), is_directory: path.ends_with('/'), size_bytes, mode }
}

/// How many bytes two paths have in common from their beginning on.
fn shared_bytes(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
}
