//! Images: the pictures of the pages, which `tests/screenshots` takes.

use super::{text_of, top};

const FOLDER: &str = "docs/images";
const PAGES: &[&str] = &["project", "pipeline", "job", "browse", "view"];
const WIDTH: u32 = 1280;
const HEIGHT: u32 = 800;
const MOST_BYTES: usize = 150_000;

/// The names of the pictures, each page light and dark.
fn names() -> Vec<String> {
    let both = |page: &&str| ["dark", "light"].map(|scheme| format!("{page}-{scheme}.png"));
    let mut names: Vec<String> = PAGES.iter().flat_map(both).collect();
    names.sort();
    names
}

/// Returns the width and the height that a PNG states.
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    Some((number(0)?, number(4)?))
}

#[test]
fn the_pictures_of_the_pages_are_small_and_of_one_size() {
    let files = std::fs::read_dir(top().join(FOLDER)).unwrap();
    let mut found: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, names());
    for name in found {
        let bytes = std::fs::read(top().join(FOLDER).join(&name)).unwrap();
        assert_eq!(size(&bytes), Some((WIDTH, HEIGHT)), "{name}");
        assert!(bytes.len() < MOST_BYTES, "{name} has {} bytes", bytes.len());
    }
}

#[test]
fn every_picture_is_shown_in_the_page_about_pages() {
    let text = text_of("docs/pages.md");
    for name in names() {
        assert!(text.contains(&format!("](images/{name})")), "{name}");
    }
    assert!(text_of("README.md").contains("](docs/images/job-light.png)"));
}
