//! An overlay lists single files beside the entries of an archive; a file comes before an entry of its path.

use std::collections::HashMap;
use std::ops::Range;

use super::paths::Paths;
use super::{Index, Listing, ListingEntry, Outline};
use crate::yielding::YieldBudget;

/// The items that single files add to a folder, in the order of its listing.
#[derive(Debug)]
pub struct Overlay {
    items: Vec<ListingEntry>,
    recursive: bool,
}

impl Overlay {
    /// Takes all items of a folder of the archive that the files would make; `None` if they have no such folder.
    pub fn of(files: &Index, folder: &str, recursive: bool) -> Option<Self> {
        let outline = Outline::of(files, folder, recursive)?;
        Some(Self { items: outline.page(files, 0..outline.total()).items, recursive })
    }

    /// Returns the items in `window` for an archive that has no such folder.
    pub fn alone(self, window: &Range<usize>) -> Listing {
        let total = self.items.len();
        let shown = window.start.min(total)..window.end.min(total);
        let items = self.items.into_iter().skip(shown.start).take(shown.len()).collect();
        Listing { total, items }
    }

    /// Returns the window of the archive's own items that [`Overlay::merge`] needs for `window`.
    pub fn widen(&self, window: &Range<usize>) -> Range<usize> {
        window.start.saturating_sub(self.items.len())..window.end
    }

    /// How many bytes of heap it holds.
    pub fn heap_bytes(&self) -> usize {
        self.items.iter().map(|item| size_of_val(item) + item.name.len() + item.path.len()).sum()
    }

    /// Returns the items in `window` of both. `own` has those of the archive in [`Overlay::widen`].
    pub fn merge(&self, index: &Index, own: Listing, window: &Range<usize>) -> Listing {
        let mut pace = YieldBudget::begin();
        let added: Vec<&ListingEntry> = self
            .items
            .iter()
            .filter(|item| {
                pace.tick();
                !contains(index, &item.path)
            })
            .collect();
        let total = own.total + added.len();
        let first = self.widen(window).start;
        if own.items.is_empty() && first > 0 {
            return Listing { total, items: Vec::new() };
        }
        // Items that stand before the first of the archive's here are before the window, too.
        let before = match own.items.first() {
            Some(item) if first > 0 => added.partition_point(|it| self.key(it) < self.key(item)),
            _ => 0,
        };
        let same: HashMap<&str, &ListingEntry> =
            self.items.iter().map(|item| (item.path.as_str(), item)).collect();
        let mut added = added[before..].iter().map(|item| (*item).clone()).peekable();
        let mut own = own.items.into_iter().peekable();
        let next = || match (own.peek(), added.peek()) {
            (Some(one), Some(other)) if self.key(other) < self.key(one) => added.next(),
            (Some(one), _) => {
                let file = same.get(one.path.as_str()).filter(|item| !item.is_directory);
                let file = file.map(|item| (*item).clone());
                let one = own.next();
                file.or(one)
            }
            (None, _) => added.next(),
        };
        let behind = window.start.saturating_sub(first + before);
        let items = std::iter::from_fn(next).skip(behind).take(window.len()).collect();
        Listing { total, items }
    }

    /// What items are sorted by.
    fn key<'a>(&self, item: &'a ListingEntry) -> (bool, &'a str) {
        (!self.recursive && !item.is_directory, &item.path)
    }
}

/// Whether the archive shows a file or a folder at `path`.
fn contains(index: &Index, path: &str) -> bool {
    let first = Paths::below(index, path).next();
    first.is_some_and(|(_, found)| path.ends_with('/') || found == path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::archive::{AssembledFile, Assembly};

    fn index(paths: &[String], size: u64) -> Index {
        let file =
            |path: &String| AssembledFile { path: path.clone(), size, crc32: 0, modified_unix_seconds: 0 };
        Assembly::plan(paths.iter().map(file).collect()).index().unwrap()
    }

    fn paths() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::btree_set("[ab](/[ab!]){0,3}", 0..8)
            .prop_map(|paths| paths.into_iter().collect())
    }

    proptest! {
        /// Any page is that part of all items, and all items are those of an archive with both.
        #[test]
        fn pages_are_those_of_an_archive_with_both(
            own in paths(),
            files in paths(),
            folder in "(a|a/b|b)?",
            recursive: bool,
            start in 0usize..12,
            length in 0usize..12,
        ) {
            let (archive, window) = (index(&own, 1), start..start + length);
            let mut all = own;
            all.retain(|path| !files.contains(path));
            all.extend_from_slice(&files);
            all.sort();
            let expected = index(&all, 0).list(&folder, recursive, window.clone());
            let overlay = Overlay::of(&index(&files, 2), &folder, recursive);
            let outline = Outline::of(&archive, &folder, recursive);
            let found = match (overlay, outline) {
                (None, None) => None,
                (None, Some(outline)) => Some(outline.page(&archive, window)),
                (Some(overlay), None) => Some(overlay.alone(&window)),
                (Some(overlay), Some(outline)) => {
                    let own = outline.page(&archive, overlay.widen(&window));
                    Some(overlay.merge(&archive, own, &window))
                }
            };
            let shown = |listing: Option<Listing>| {
                listing.map(|it| (it.total, it.items.into_iter().map(|item| item.path).collect::<Vec<_>>()))
            };
            if let Some(found) = &found {
                for item in found.items.iter().filter(|item| !item.is_directory) {
                    prop_assert_eq!(item.size_bytes, if files.contains(&item.path) { 2 } else { 1 });
                }
            }
            prop_assert_eq!(shown(found), shown(expected));
        }
    }
}
