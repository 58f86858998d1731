//! What a file's page shows of its contents: by what the bytes are, and only where those do not tell by its name.

use crate::http::content_disposition::content_type;
use crate::web::text::{
    Html, Lines, MOST_MARKDOWN_BYTES, Places, Summary, Table, as_text, indented, is_table, numbered_lines,
    read_table, rendered, summarize,
};

/// The contents of a file as a page shows them.
pub(super) enum Shown {
    Empty,
    /// Bytes that are no text.
    Binary,
    Lines(Lines),
    Markdown(Html),
    Table(Table),
    /// A test report, and its text below the summary.
    Report(Summary, Lines),
    Media(Media),
}

/// What a browser shows or plays without running anything of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Image,
    Audio,
    Video,
}

impl Shown {
    /// Whether the file can be looked at as lines of text instead.
    pub(super) fn has_source(&self) -> bool {
        matches!(self, Self::Markdown(_) | Self::Table(_))
    }

    /// Whether only the beginning of the file is shown, of which `is_cut` was read.
    pub(super) fn is_cut(&self, is_cut: bool) -> bool {
        match self {
            Self::Empty | Self::Binary | Self::Media(_) => false,
            Self::Lines(lines) | Self::Report(_, lines) => is_cut || lines.is_cut,
            Self::Markdown(_) => is_cut,
            Self::Table(table) => is_cut || table.is_cut,
        }
    }
}

/// Tells by a file's name whether it is shown or played.
pub(super) fn media(name: &str) -> Option<Media> {
    // A name ending in `.ts` is a program more often than a film, so films are listed.
    Some(match content_type(name) {
        "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif" | "image/svg+xml"
        | "image/bmp" | "image/x-icon" => Media::Image,
        "audio/mpeg" | "audio/ogg" | "audio/wav" | "audio/flac" | "audio/mp4" | "audio/m4a" | "audio/aac" => {
            Media::Audio
        }
        "video/mp4" | "video/webm" | "video/ogg" => Media::Video,
        _ => return None,
    })
}

/// Tells by a file's name whether a browser would show it as a page.
pub(super) fn is_html(name: &str) -> bool {
    matches!(content_type(name), "text/html" | "application/xhtml+xml")
}

/// Turns the beginning of a file into what a page shows, or into its source if that is wanted.
pub(super) fn shown(name: &str, bytes: &[u8], is_cut: bool, wants_source: bool, places: &Places) -> Shown {
    if let Some(media) = media(name) {
        return Shown::Media(media);
    }
    if bytes.is_empty() {
        return Shown::Empty;
    }
    let Some(text) = as_text(bytes, is_cut) else { return Shown::Binary };
    let lower = name.to_ascii_lowercase();
    let is_markdown = lower.ends_with(".md") || lower.ends_with(".markdown");
    if !wants_source {
        if is_markdown && text.len() <= MOST_MARKDOWN_BYTES {
            return Shown::Markdown(rendered(text, places));
        }
        if is_table(name) {
            return Shown::Table(read_table(text));
        }
    }
    if text.trim_start().starts_with('<')
        && let Some(mut summary) = summarize(text)
    {
        summary.is_partial |= is_cut;
        return Shown::Report(summary, numbered_lines(text));
    }
    match (lower.ends_with(".json") || lower.ends_with(".map")).then(|| indented(text)).flatten() {
        Some(indented) => Shown::Lines(numbered_lines(&indented)),
        None => Shown::Lines(numbered_lines(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, bytes: &[u8]) -> Shown {
        shown(name, bytes, false, false, &Places::default())
    }

    #[test]
    fn what_is_shown_goes_by_the_bytes_first() {
        assert!(matches!(of("a.md", b"# x"), Shown::Markdown(_)));
        assert!(matches!(of("a.md", b"\0"), Shown::Binary));
        assert!(matches!(of("a", b""), Shown::Empty));
        assert!(matches!(of("a.html", b"<html>"), Shown::Lines(_)));
        assert!(matches!(of("a.xml", b"<testsuite/>"), Shown::Report(..)));
        assert!(matches!(of("a.svg", b"<svg/>"), Shown::Media(Media::Image)));
        assert!(matches!(of("a.ts", b"let x;"), Shown::Lines(_)));
        assert!(matches!(shown("a.csv", b"a,b", false, true, &Places::default()), Shown::Lines(_)));
    }
}
