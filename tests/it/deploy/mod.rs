//! The files of `deploy/`, used as shipped.
//!
//! The proxies run in front of real nodes, the commands of the backup page run, and settings that several
//! files share are compared.

mod agreement;
mod backup;
mod fronts;
mod gitlab;
mod nginx_and_haproxy;

use std::path::Path;

/// A file of the folder.
fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The text with each of these replaced; all of them have to be in it.
fn adapted(mut text: String, replacements: &[(&str, &str)]) -> String {
    for (from, to) in replacements {
        assert!(text.contains(from), "there is no {from:?} in\n{text}");
        text = text.replace(from, to);
    }
    text
}
