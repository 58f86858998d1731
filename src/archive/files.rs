//! Files of an archive: its regular files, each under a path of its own; of several under one path the last.
//!
//! Folders and symbolic links are none, nor is a name that leads out of the archive.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::{Entry, EntryMeta, Index, listing};

/// The rows of an index that are files, in the order of the directory.
pub struct Files {
    rows: Box<[u32]>,
}

/// A file of an archive.
#[derive(Debug, Clone)]
pub struct ArchivedFile {
    /// Its path: the entry's name as text, without `./` or a slash before it.
    pub path: String,
    /// The entry.
    pub entry: EntryMeta,
}

impl Files {
    /// Finds the files of an archive. A million entries take a second, so call it where that may block.
    pub fn of(index: &Index) -> Self {
        let mut rows: Vec<u32> = Vec::new();
        let mut has_variants = false;
        let mut last: Option<(&[u8], u32)> = None;
        for &row in index.in_order() {
            let name = index.name(row);
            match last {
                Some((same, _)) if same == name => {}
                Some((_, row)) => rows.push(row),
                None => {}
            }
            last = Some((name, row));
            has_variants |=
                name.starts_with(b".") || name.starts_with(b"/") || std::str::from_utf8(name).is_err();
        }
        rows.extend(last.map(|(_, row)| row));
        rows.retain(|row| is_regular(&index.entry(*row)) && path_of(index.name(*row)).is_some());
        rows.sort_unstable();
        if has_variants {
            // Two names may be one path: `a` and `./a`.
            let mut newest: HashMap<Cow<'_, str>, u32> = HashMap::with_capacity(rows.len());
            for &row in &rows {
                newest.extend(path_of(index.name(row)).map(|path| (path, row)));
            }
            rows = newest.into_values().collect();
            rows.sort_unstable();
        }
        Self { rows: rows.into_boxed_slice() }
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether there is a file at `path`.
    pub fn has(&self, index: &Index, path: &str) -> bool {
        self.select(index, |own, _| own == path, &(0..0)).0 > 0
    }

    /// Counts the files that `wanted` selects by path and entry, and returns those of them in `window`.
    pub fn select(
        &self,
        index: &Index,
        wanted: impl Fn(&str, &Entry<'_>) -> bool,
        window: &Range<usize>,
    ) -> (usize, Vec<ArchivedFile>) {
        let (mut count, mut selected) = (0, Vec::new());
        for &row in &self.rows {
            let Some(path) = path_of(index.name(row)) else { continue };
            let entry = index.entry(row);
            if !wanted(&path, &entry) {
                continue;
            }
            if window.contains(&count) {
                selected.push(ArchivedFile { path: path.into_owned(), entry: entry.into() });
            }
            count += 1;
        }
        (count, selected)
    }

    /// Returns the files in `window`.
    pub fn page(&self, index: &Index, window: &Range<usize>) -> Vec<ArchivedFile> {
        let (start, end) = (window.start.min(self.rows.len()), window.end.min(self.rows.len()));
        let file = |row: &u32| {
            let path = path_of(index.name(*row))?.into_owned();
            Some(ArchivedFile { path, entry: index.entry(*row).into() })
        };
        self.rows.get(start..end).unwrap_or_default().iter().filter_map(file).collect()
    }

    /// Returns the rows of every entry whose path is `path`, in order, and how many of the other entries are files.
    pub(super) fn at(index: &Index, path: &str) -> (Vec<u32>, usize) {
        let is_here = |row: &u32| path_of(index.name(*row)).is_some_and(|own| own == path);
        let (rows, others): (Vec<u32>, Vec<u32>) = (0..index.len() as u32).partition(is_here);
        let is_file = |row: &&u32| is_regular(&index.entry(**row)) && path_of(index.name(**row)).is_some();
        (rows, others.iter().filter(is_file).count())
    }
}

pub(super) fn is_regular(entry: &Entry<'_>) -> bool {
    const TYPE: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    listing::mode(entry) & TYPE == REGULAR
}

/// Returns the path of an entry; `None` if it leads out of the archive, or nowhere.
fn path_of(name: &[u8]) -> Option<Cow<'_, str>> {
    if name.contains(&0) {
        return None;
    }
    let text = match std::str::from_utf8(name) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(name.iter().map(|byte| from_code_page(*byte)).collect::<String>()),
    };
    let mut path = &*text;
    loop {
        path = match path.strip_prefix("./").or_else(|| path.strip_prefix('/')) {
            Some(rest) => rest,
            None => break,
        };
    }
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return None;
    }
    let start = text.len() - path.len();
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..]),
        Cow::Owned(text) => Cow::Owned(text[start..].to_owned()),
    })
}

/// Characters 128 to 255 of code page 437, which zip writers use that do not know Unicode (APPNOTE, appendix D).
const CODE_PAGE_437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧\
     ╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

fn from_code_page(byte: u8) -> char {
    match byte {
        0..=127 => char::from(byte),
        _ => CODE_PAGE_437.chars().nth(usize::from(byte - 128)).unwrap_or('\u{fffd}'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_name_without_what_leads_to_it() {
        for (name, path) in [
            (&b"a/b"[..], Some("a/b")),
            (b"./a", Some("a")),
            (b"/./a", Some("a")),
            (b"a/../b", None),
            (b"..", None),
            (b"a//b", None),
            (b"a\0", None),
            (b"", None),
            (b"\x84.txt", Some("ä.txt")),
            ("ä".as_bytes(), Some("ä")),
        ] {
            assert_eq!(path_of(name).as_deref(), path, "{name:?}");
        }
        assert_eq!(CODE_PAGE_437.chars().count(), 128);
    }
}
