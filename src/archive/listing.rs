//! A listing is a page of the items of an archive's folder.
//!
//! Folders need no entry of their own: every path implies its parent folders. Names that are not plain paths
//! are left out, as in GitLab, and so are the folders they would imply.
//!
//! An [`Outline`] is made in one pass over the names below a folder, which reads each byte a few times and
//! counts the slashes of a deep name. It keeps a mark now and then, so that a page of a million names costs
//! no more than one of a thousand.

use std::mem::size_of_val;
use std::ops::Range;

use super::{
    Entry, Index,
    paths::{Paths, prefix_of},
};
use crate::yielding::YieldBudget;

/// The number of names between two marks.
const MARKED_NAMES: u32 = if cfg!(test) { 2 } else { 256 };

/// The number of bytes of long names after which a mark comes sooner.
const MARKED_BYTES: usize = if cfg!(test) { 40 } else { 32 * 1024 };

/// One page of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// How many items the folder holds, on all pages.
    pub total: usize,
    /// The items whose position, counted from 0, lies in the window.
    pub items: Vec<ListingEntry>,
}

/// A file, or a folder with or without an entry of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingEntry {
    /// The last segment of the path, without a slash.
    pub name: String,
    /// The whole path; a folder's ends with a slash.
    pub path: String,
    /// Whether it is a folder.
    pub is_directory: bool,
    /// A file's decompressed length in bytes, as the directory states it; 0 for a folder.
    pub size_bytes: u64,
    /// File type and permission bits as in `stat`. The type is a file, a folder or a symlink; a symlink
    /// counts as a file, of mode `0o120777`.
    pub mode: u32,
}

/// The number of items of a folder, and where to look for them in the index.
#[derive(Debug)]
pub struct Outline {
    prefix: String,
    recursive: bool,
    /// The number of items; if the listing is not recursive, `folders` of these are folders and the others
    /// files.
    total: usize,
    folders: usize,
    /// The length of the longest path, in bytes.
    longest: usize,
    /// In the order of the walk; the first is at its beginning.
    marks: Box<[Mark]>,
}

/// A place in the walk over the names below a folder.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The number of rows that were not visited yet.
    ahead: u32,
    /// The last row that was shown; `NONE` for none.
    last: u32,
    /// The number of items met: all in a recursive listing, else the folders.
    items: u32,
    /// The number of files met, if the listing is not recursive.
    files: u32,
}

const NONE: u32 = u32::MAX;

impl Index {
    /// Returns the items of `folder` whose position lies in `window`; "" or "/" is the root, which always
    /// exists, and a folder's trailing slash may be missing. `None` if the path is a file or does not exist.
    ///
    /// Without `recursive`, folders come first and then files, both sorted by the bytes of their path; with
    /// it, everything below, sorted by the bytes of the path. A folder's slash is part of its path.
    ///
    /// The [`Outline`] is made for this one page: keep one for several pages.
    pub fn list(&self, folder: &str, recursive: bool, window: Range<usize>) -> Option<Listing> {
        Some(Outline::of(self, folder, recursive)?.page(self, window))
    }
}

impl Outline {
    /// Makes the outline of `folder`, with the arguments of [`Index::list`].
    ///
    /// A million entries take 40 ms, or 300 ms if the directory is unsorted: call it where that may block.
    pub fn of(index: &Index, folder: &str, recursive: bool) -> Option<Self> {
        let prefix = prefix_of(folder);
        let mut walk = Walk::begin(index, &prefix);
        let (mut pace, mut marks) = (YieldBudget::begin(), vec![walk.mark()]);
        let (mut is_empty, mut names, mut bytes, mut longest) = (true, 0, 0, 0);
        loop {
            let step = if recursive { walk.next_name() } else { walk.next_child() };
            let Some(step) = step else { break };
            pace.tick();
            is_empty = false;
            longest = longest.max(step.path.len());
            (names, bytes) = (names + 1, bytes + step.path.len());
            if names == MARKED_NAMES || bytes >= MARKED_BYTES {
                (names, bytes) = (0, 0);
                marks.push(walk.mark());
                pace.checkpoint();
            }
        }
        let (items, files) = (walk.items as usize, walk.files as usize);
        let marks = marks.into_boxed_slice();
        (prefix.is_empty() || !is_empty).then_some(Self {
            prefix,
            recursive,
            total: items + files,
            folders: items,
            longest,
            marks,
        })
    }

    /// Whether it is the outline of `folder`.
    pub fn is_of(&self, folder: &str, recursive: bool) -> bool {
        self.recursive == recursive && self.prefix == prefix_of(folder)
    }

    /// How many items the folder holds.
    pub fn total(&self) -> usize {
        self.total
    }

    /// How many bytes of heap it holds.
    pub fn heap_bytes(&self) -> usize {
        self.prefix.len() + size_of_val(&*self.marks)
    }

    /// Returns how many bytes a page of so many items takes at most.
    pub fn page_bytes(&self, window: &Range<usize>) -> usize {
        let shown = window.end.min(self.total).saturating_sub(window.start);
        // The path, and its last segment.
        shown.saturating_mul(size_of::<ListingEntry>() + 2 * self.longest)
    }

    /// Returns the items whose position lies in `window`. `index` is the one that the outline was made of;
    /// some hundred names are read for each item, and none before and after them.
    pub fn page(&self, index: &Index, window: Range<usize>) -> Listing {
        let mut items = Vec::new();
        if self.recursive {
            self.put_all(index, &window, &mut items);
        } else {
            let end = window.end.min(self.folders);
            self.put(index, window.start..end, |mark| mark.items, |step| step.is_folder(), &mut items);
            let files = window.start.saturating_sub(self.folders)..window.end.saturating_sub(self.folders);
            self.put(index, files, |mark| mark.files, |step| !step.is_folder(), &mut items);
        }
        Listing { total: self.total, items }
    }

    /// Appends the items of one kind whose position among their kind lies in `window`.
    fn put(
        &self,
        index: &Index,
        window: Range<usize>,
        met: impl Fn(&Mark) -> u32,
        is_of_kind: impl Fn(&Step<'_>) -> bool,
        items: &mut Vec<ListingEntry>,
    ) {
        let mut position = window.start;
        'marks: while position < window.end {
            // The last mark before the item: an item of the kind lies between it and the next.
            let at = self.marks.partition_point(|mark| met(mark) as usize <= position) - 1;
            let mark = &self.marks[at];
            let behind = self.marks.get(at + 1).map_or(0, |mark| mark.ahead);
            let mut walk = Walk::resume(index, &self.prefix, mark);
            let mut number = met(mark) as usize;
            while walk.paths.ahead() > behind as usize && position < window.end {
                let Some(step) = walk.next_child() else { return };
                if step.path == self.prefix || !is_of_kind(&step) {
                    continue;
                }
                if number == position {
                    items.push(step.item(index));
                    position += 1;
                }
                number += 1;
            }
            if number <= position && behind == 0 {
                break 'marks;
            }
        }
    }

    fn put_all(&self, index: &Index, window: &Range<usize>, items: &mut Vec<ListingEntry>) {
        let at = self.marks.partition_point(|mark| mark.items as usize <= window.start) - 1;
        let mut walk = Walk::resume(index, &self.prefix, &self.marks[at]);
        while (walk.items as usize) < window.end {
            let (first, before) = (walk.items as usize, walk.last);
            let Some(step) = walk.next_name() else { return };
            let Some(position) = (walk.items as usize).checked_sub(1) else { continue };
            if position < window.start || step.path == self.prefix {
                continue;
            }
            let implied = (first..).zip(implied_folders(before, step.path));
            let shown = implied.filter(|(number, _)| window.contains(number));
            items.extend(shown.map(|(_, at)| index.folder(&step.path[..=at], None)));
            if window.contains(&position) {
                items.push(step.item(index));
            }
        }
    }
}

/// A walk over the names below a folder, in byte order.
struct Walk<'a> {
    paths: Paths<'a>,
    prefix: &'a str,
    last_row: u32,
    /// The last path that was met, or the folder itself.
    last: &'a str,
    items: u32,
    files: u32,
}

/// A step of a walk.
struct Step<'a> {
    path: &'a str,
    /// The row of exactly this path, if there is one.
    row: Option<u32>,
}

impl Step<'_> {
    fn is_folder(&self) -> bool {
        self.path.ends_with('/')
    }

    fn item(&self, index: &Index) -> ListingEntry {
        match self.row {
            Some(row) if !self.is_folder() => index.file(self.path, row),
            row => index.folder(self.path, row),
        }
    }
}

impl<'a> Walk<'a> {
    fn begin(index: &'a Index, prefix: &'a str) -> Self {
        let paths = Paths::below(index, prefix);
        Self { paths, prefix, last_row: NONE, last: prefix, items: 0, files: 0 }
    }

    fn resume(index: &'a Index, prefix: &'a str, mark: &Mark) -> Self {
        let row = (mark.last != NONE).then_some(mark.last);
        let paths = Paths::resume(index, prefix, mark.ahead as usize, row);
        // The name of a row that was shown is a path.
        let last = row.and_then(|row| str::from_utf8(index.name(row)).ok()).unwrap_or(prefix);
        Self { paths, prefix, last_row: mark.last, last, items: mark.items, files: mark.files }
    }

    fn mark(&self) -> Mark {
        Mark { ahead: self.paths.ahead() as u32, last: self.last_row, items: self.items, files: self.files }
    }

    fn next_path(&mut self) -> Option<(u32, &'a str)> {
        let (row, path) = self.paths.next()?;
        (self.last_row, self.last) = (row, path);
        Some((row, path))
    }

    /// Returns the next item right below the folder, or the folder itself.
    fn next_child(&mut self) -> Option<Step<'a>> {
        let (row, path) = self.next_path()?;
        match path[self.prefix.len()..].find('/') {
            Some(at) => {
                let folder = &path[..self.prefix.len() + at + 1];
                self.items += 1;
                self.paths.skip_below(folder);
                Some(Step { path: folder, row: (folder == path).then_some(row) })
            }
            None => {
                self.files += u32::from(path != self.prefix);
                Some(Step { path, row: Some(row) })
            }
        }
    }

    /// Returns the next name below the folder, or the folder itself. Counts the folders that it implies, too.
    fn next_name(&mut self) -> Option<Step<'a>> {
        let before = self.last;
        let (row, path) = self.next_path()?;
        if path != self.prefix {
            self.items += implied_folders(before, path).count() as u32 + 1;
        }
        Some(Step { path, row: Some(row) })
    }
}

/// Returns the positions in `path` where folders end that do not contain `last`, the path before it. `last`
/// sorts before `path`, so they differ at the latest in the last byte.
fn implied_folders<'a>(last: &str, path: &'a str) -> impl Iterator<Item = usize> + use<'a> {
    let shared = shared_bytes(last, path);
    (shared..path.len() - 1).filter(|&at| path.as_bytes()[at] == b'/')
}

impl Index {
    fn file(&self, path: &str, row: u32) -> ListingEntry {
        let entry = self.entry(row);
        item(path, entry.uncompressed_size, mode(&entry))
    }

    fn folder(&self, path: &str, row: Option<u32>) -> ListingEntry {
        item(path, 0, row.map_or(IMPLIED_FOLDER, |row| mode(&self.entry(row))))
    }
}

const IMPLIED_FOLDER: u32 = 0o040_755;

/// Returns the mode that is shown of an entry: its own permissions, or usual ones, and a type that agrees
/// with its name.
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

fn item(path: &str, size_bytes: u64, mode: u32) -> ListingEntry {
    let bare = path.strip_suffix('/').unwrap_or(path);
    let name = bare.rsplit('/').next().unwrap_or(bare);
    ListingEntry {
        name: name.to_owned(),
        path: path.to_owned(),
        is_directory: path.ends_with('/'),
        size_bytes,
        mode,
    }
}

/// Returns the length of the common prefix of two paths in bytes.
fn shared_bytes(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
}
