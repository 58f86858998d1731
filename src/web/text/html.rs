//! HTML that is made here: markup of ours around escaped text.

use std::fmt;

use askama::filters::HtmlSafe;

/// A piece of HTML. It is only made of markup that stands in this module, and of escaped text.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Html(String);

impl Html {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// Appends markup of ours.
    pub(super) fn markup(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// Appends a character of a file.
    pub(super) fn character(&mut self, c: char) {
        match c {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            '\t' | '\n' => self.0.push(c),
            // Control characters have pictures of their own.
            '\0'..='\u{1f}' => self.0.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\u{7f}' => self.0.push('\u{2421}'),
            '\u{80}'..='\u{9f}' => self.0.push('\u{fffd}'),
            c => self.0.push(c),
        }
    }

    /// Appends text of a file.
    #[cfg(test)]
    fn text(&mut self, text: &str) {
        text.chars().for_each(|c| self.character(c));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets what comes after `bytes`, a length that [`Html::len`] returned.
    pub(super) fn truncate(&mut self, bytes: usize) {
        self.0.truncate(bytes);
    }

    /// Takes over HTML that the Markdown renderer made of events without raw HTML.
    pub(super) fn of_events(html: String) -> Self {
        Self(html)
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Templates write it as it is.
impl HtmlSafe for Html {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_makes_markup(text in ".{0,60}") {
            let mut html = Html::default();
            html.text(&text);
            prop_assert!(!html.to_string().contains(['<', '>', '"', '\'', '\u{1b}']), "{html}");
        }
    }
}
