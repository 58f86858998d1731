//! Text of files, turned into HTML that shows it and nothing else.
//!
//! Whatever a file holds, its bytes become escaped text; the only markup is what stands here. Every form has a bound on
//! what it shows.

mod ansi;
mod csv;
mod diff;
mod html;
mod json;
mod junit;
mod markdown;

pub(super) use ansi::{Lines, numbered_lines};
pub(super) use csv::{Table, is_table, read_table};
pub(super) use diff::difference;
pub(super) use html::Html;
pub(super) use json::indented;
pub(super) use junit::{Summary, summarize};
pub(super) use markdown::{MOST_BYTES as MOST_MARKDOWN_BYTES, Places, rendered};

/// Returns bytes as text, if they are text: UTF-8 without NUL, the last character of which may be cut.
pub(super) fn as_text(bytes: &[u8], is_cut: bool) -> Option<&str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.contains(&0) {
        return None;
    }
    match str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if is_cut && error.error_len().is_none() => {
            str::from_utf8(&bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::as_text;

    #[test]
    fn text_is_told_by_its_bytes() {
        assert_eq!(as_text(b"", false), Some(""));
        assert_eq!(as_text("\u{feff}ä".as_bytes(), false), Some("ä"));
        assert_eq!(as_text(b"a\0b", false), None);
        assert_eq!(as_text(b"a\xff", true), None);
        assert_eq!(as_text(&"aä".as_bytes()[..2], true), Some("a"));
        assert_eq!(as_text(&"aä".as_bytes()[..2], false), None);
    }
}
