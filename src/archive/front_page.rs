//! Front page: the HTML file of an archive with which a person begins to look at what it shows.

use super::Index;
use super::files::is_regular;
use crate::domain::EntryPath;

/// Finds the front page in some indexes: the HTML file nearest to the root, one named `index` before others, then the
/// first by its bytes.
pub fn front_page(indexes: &[&Index]) -> Option<String> {
    let pages = indexes.iter().flat_map(|index| {
        let is_page = |row: &&u32| is_html(index.name(**row)) && is_regular(&index.entry(**row));
        index.in_order().iter().filter(is_page).map(|row| index.name(*row))
    });
    let rank = |name: &&[u8]| {
        let depth = name.iter().filter(|byte| **byte == b'/').count();
        let own = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        (depth, !own.to_ascii_lowercase().starts_with(b"index."), name.to_vec())
    };
    let can_be_opened = |name: &&[u8]| EntryPath::from_bytes(name.to_vec()).is_ok();
    let first = pages.filter(can_be_opened).min_by_key(rank)?;
    String::from_utf8(first.to_vec()).ok()
}

/// Whether a name is that of an HTML file.
fn is_html(name: &[u8]) -> bool {
    let ends = |ending: &[u8]| {
        name.len() > ending.len() && name[name.len() - ending.len()..].eq_ignore_ascii_case(ending)
    };
    ends(b".html") || ends(b".htm")
}
