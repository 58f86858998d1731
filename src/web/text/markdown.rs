//! Markdown without HTML of its own: raw HTML is dropped, links lead only to pages and mail, and pictures of other hosts
//! become links.

use pulldown_cmark::{Alignment, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::Html;

/// Longest text that is rendered, in bytes; a longer one is shown as it is.
pub(in crate::web) const MOST_BYTES: usize = 256 << 10;

/// Where the files beside a text are.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Places {
    /// The address of the folder's bytes, with a slash at its end; `None` if pictures are not shown.
    pub(in crate::web) pictures: Option<String>,
}

/// What becomes of a picture that has begun.
enum Picture {
    Shown,
    Linked,
    TextOnly,
}

/// Renders a text. Its headings come below the one of the page.
pub(in crate::web) fn rendered(text: &str, places: &Places) -> Html {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut pictures: Vec<Picture> = Vec::new();
    // Whether the links that have begun are shown as links.
    let mut links: Vec<bool> = Vec::new();
    let events = parser.filter_map(|event| match event {
        Event::Html(_)
        | Event::InlineHtml(_)
        | Event::Start(Tag::HtmlBlock)
        | Event::End(TagEnd::HtmlBlock) => None,
        Event::Start(Tag::Heading { level, .. }) => {
            let level = below(level);
            Some(Event::Start(Tag::Heading { level, id: None, classes: Vec::new(), attrs: Vec::new() }))
        }
        Event::End(TagEnd::Heading(level)) => Some(Event::End(TagEnd::Heading(below(level)))),
        // Alignments would be written as styles, which the policy of pages refuses.
        Event::Start(Tag::Table(columns)) => {
            Some(Event::Start(Tag::Table(vec![Alignment::None; columns.len()])))
        }
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let is_shown = is_safe(&dest_url) && !links.contains(&true);
            links.push(is_shown);
            is_shown.then_some(Event::Start(Tag::Link { link_type, dest_url, title, id }))
        }
        Event::End(TagEnd::Link) => links.pop().unwrap_or(false).then_some(Event::End(TagEnd::Link)),
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            if let (Some(folder), true) = (&places.pictures, is_relative(&dest_url)) {
                pictures.push(Picture::Shown);
                let dest_url = format!("{folder}{dest_url}").into();
                return Some(Event::Start(Tag::Image { link_type, dest_url, title, id }));
            }
            if !is_safe(&dest_url) || links.contains(&true) {
                pictures.push(Picture::TextOnly);
                return None;
            }
            pictures.push(Picture::Linked);
            links.push(true);
            Some(Event::Start(Tag::Link { link_type, dest_url, title, id }))
        }
        Event::End(TagEnd::Image) => match pictures.pop() {
            Some(Picture::Shown) => Some(Event::End(TagEnd::Image)),
            Some(Picture::Linked) => {
                links.pop();
                Some(Event::End(TagEnd::Link))
            }
            Some(Picture::TextOnly) | None => None,
        },
        other => Some(other),
    });
    let mut made = String::with_capacity(text.len() * 2);
    html::push_html(&mut made, events);
    Html::of_events(made)
}

fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H2,
        HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

/// Returns the scheme of an address as a browser reads it, which skips spaces and control characters.
fn scheme(address: &str) -> Option<String> {
    let bare: String = address.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    let end = bare.find([':', '/', '?', '#'])?;
    bare[end..].starts_with(':').then(|| bare[..end].to_ascii_lowercase())
}

/// Whether a link to an address can do no harm.
fn is_safe(address: &str) -> bool {
    scheme(address).is_none_or(|scheme| matches!(scheme.as_str(), "http" | "https" | "mailto"))
}

/// Whether an address is that of a file beside the text.
fn is_relative(address: &str) -> bool {
    let bare = address.trim_start_matches(|c: char| c.is_control() || c.is_whitespace());
    scheme(address).is_none() && !bare.is_empty() && !bare.starts_with(['/', '\\', '?', '#'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn html(text: &str) -> String {
        let places = Places { pictures: Some("/g/p/-/jobs/1/artifacts/raw/d/".into()) };
        rendered(text, &places).to_string()
    }

    #[test]
    fn raw_html_and_links_that_run_something_are_dropped() {
        let shown = html(
            "# T\n\n<script>alert(1)</script>\n\nx <b onclick=y>z</b>\n\n[a](javascript:alert(1)) [b](java&#10;script:x)",
        );
        for bad in ["script", "onclick", "<b", "href"] {
            assert!(!shown.contains(bad), "{bad} in {shown}");
        }
        assert!(shown.contains("<h2>T</h2>") && shown.contains('z'));
    }

    #[test]
    fn links_and_pictures_lead_where_a_reader_may_go() {
        assert_eq!(html("[a](b.md)"), "<p><a href=\"b.md\">a</a></p>\n");
        assert_eq!(
            html("![a](b.png)"),
            "<p><img src=\"/g/p/-/jobs/1/artifacts/raw/d/b.png\" alt=\"a\" /></p>\n"
        );
        assert_eq!(html("![a](https://x/b.png)"), "<p><a href=\"https://x/b.png\">a</a></p>\n");
        assert_eq!(html("[![a](https://x/b.png)](c)"), "<p><a href=\"c\">a</a></p>\n");
        assert_eq!(html("![a](data:image/png;base64,x)"), "<p>a</p>\n");
        assert!(!rendered("![a](b.png)", &Places::default()).to_string().contains("<img"));
    }

    #[test]
    fn tables_have_no_styles() {
        let shown = html("|a|b|\n|:-:|--:|\n|1|2|");
        assert!(shown.contains("<table>") && !shown.contains("style"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_script_or_a_style(text in "[a-c!\\[\\]()<>/:#|*`&;\"'= \n-]{0,60}(javascript:|<script>|<img src=x onerror=y>|\\[\\]\\(data:x\\))?.{0,10}") {
            let shown = html(&text);
            prop_assert!(!shown.contains("<script") && !shown.contains("onerror=y>") && !shown.contains(" style="), "{}", shown);
            prop_assert!(!shown.contains("href=\"javascript") && !shown.contains("href=\"data"), "{}", shown);
        }
    }
}
