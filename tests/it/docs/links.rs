//! Links: each leads to an existing file and an existing heading in it.

use super::{pages, text_of, top};

/// The lines of a page that stand outside of blocks.
fn prose(text: &str) -> Vec<&str> {
    let mut is_block = false;
    let outside = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_block ^= is_fence;
        !is_block && !is_fence
    });
    outside.collect()
}

fn links(text: &str) -> Vec<&str> {
    let behind = prose(text).into_iter().flat_map(|line| line.split("](").skip(1));
    behind.map(|rest| rest.split(')').next().unwrap()).collect()
}

/// Returns the anchors of the headings of a page, as code hosts make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let letters = heading.trim_start_matches('#').trim().chars();
        let kept = letters.filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(|heading| anchor(heading).to_lowercase()).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut followed = 0;
    for page in pages() {
        let text = text_of(&page);
        let path = top().join(&page);
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{page} has a link to {link}, which is not there");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                assert!(anchors(&text).iter().any(|there| there == anchor), "{page}: no heading for {link}");
            }
            followed += 1;
        }
    }
    assert!(followed >= 50, "{followed}");
}

#[test]
fn every_page_is_named_in_the_readme() {
    let readme = text_of("README.md");
    let named = links(&readme);
    for page in pages().iter().filter(|page| page.starts_with("docs/")) {
        assert!(named.contains(&page.as_str()), "{page} is not in the README");
    }
}
