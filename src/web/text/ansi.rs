//! Lines of text with numbers, and the colours of a terminal as classes.
//!
//! Escape sequences (ECMA-48) other than those for colours and weight are dropped, and of a line that a terminal would
//! have written over only what stands there at the end is shown.

use std::iter::Peekable;
use std::str::Chars;

use super::Html;

/// Most lines that are shown.
const MOST_LINES: usize = 20_000;

/// Most numbers of one escape sequence that are read.
const MOST_NUMBERS: usize = 16;

const ESCAPE: char = '\u{1b}';

/// Lines as HTML.
#[derive(Debug)]
pub(in crate::web) struct Lines {
    pub(in crate::web) html: Html,
    /// How many lines are shown.
    pub(in crate::web) count: usize,
    /// Whether there are more.
    pub(in crate::web) is_cut: bool,
}

/// The look of text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Style {
    /// Colour of the text and behind it, from 0 to 7.
    front: Option<u8>,
    back: Option<u8>,
    bold: bool,
    dim: bool,
    italic: bool,
    underlined: bool,
}

/// Writes a text as numbered lines, which can be linked to as `#L1`.
pub(in crate::web) fn numbered_lines(text: &str) -> Lines {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut lines = Lines { html: Html::with_capacity(text.len() * 2), count: 0, is_cut: false };
    let mut style = Style::default();
    for line in text.split('\n') {
        if lines.count == MOST_LINES {
            lines.is_cut = true;
            break;
        }
        lines.count += 1;
        let number = lines.count;
        lines.html.markup(&format!(
            "<li id=\"L{number}\"><a href=\"#L{number}\" tabindex=\"-1\" aria-label=\"Line {number}\"></a><span class=\"line\">"
        ));
        write_line(&mut lines.html, line.strip_suffix('\r').unwrap_or(line), &mut style);
        lines.html.markup("</span></li>\n");
    }
    lines
}

fn write_line(html: &mut Html, line: &str, style: &mut Style) {
    // What runners write around the sections of a log.
    let is_mark = |text: &str| text.starts_with("section_start:") || text.starts_with("section_end:");
    let line = match line.split_once('\r') {
        Some((mark, rest)) if is_mark(mark) => rest,
        None if is_mark(line) => "",
        _ => line,
    };
    let begin = html.len();
    let mut rest = line.chars().peekable();
    let (mut is_open, mut is_returned) = (false, false);
    let mut shown = Style::default();
    while let Some(c) = rest.next() {
        match c {
            '\r' => is_returned = true,
            ESCAPE => skip_or_apply(&mut rest, style),
            // A terminal shows nothing for these.
            '\u{7}' | '\u{8}' => {}
            c => {
                if std::mem::take(&mut is_returned) {
                    html.truncate(begin);
                    (is_open, shown) = (false, Style::default());
                }
                if shown != *style {
                    if is_open {
                        html.markup("</span>");
                    }
                    is_open = begin_span(html, *style);
                    shown = *style;
                }
                html.character(c);
            }
        }
    }
    if is_open {
        html.markup("</span>");
    }
}

/// Begins a span of a style, unless it is the plain one.
fn begin_span(html: &mut Html, style: Style) -> bool {
    let mut classes = Vec::new();
    let front = style.front.map(|colour| format!("f{colour}"));
    let back = style.back.map(|colour| format!("g{colour}"));
    classes.extend(front.as_deref());
    classes.extend(back.as_deref());
    let flags = [(style.bold, "b"), (style.dim, "d"), (style.italic, "i"), (style.underlined, "u")];
    classes.extend(flags.into_iter().filter(|(is_on, _)| *is_on).map(|(_, class)| class));
    if classes.is_empty() {
        return false;
    }
    html.markup(&format!("<span class=\"{}\">", classes.join(" ")));
    true
}

/// Reads what follows an escape character, and takes over a change of the style.
fn skip_or_apply(rest: &mut Peekable<Chars<'_>>, style: &mut Style) {
    match rest.next() {
        Some('[') => {
            let mut parameters = String::new();
            for c in rest.by_ref() {
                match c {
                    '\u{40}'..='\u{7e}' => {
                        if c == 'm' {
                            style.apply(&parameters);
                        }
                        return;
                    }
                    c if parameters.len() < 64 => parameters.push(c),
                    _ => {}
                }
            }
        }
        // A string, such as a title or a link, up to its end.
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(c) = rest.next() {
                if c == '\u{7}' || c == ESCAPE {
                    if c == ESCAPE && rest.peek() == Some(&'\\') {
                        rest.next();
                    }
                    return;
                }
            }
        }
        // One character more, such as that of a character set.
        Some('(' | ')' | '*' | '+' | '#' | ' ' | '%') => {
            rest.next();
        }
        _ => {}
    }
}

impl Style {
    /// Applies the parameters of `ESC [ … m`.
    fn apply(&mut self, parameters: &str) {
        let numbers = parameters.split([';', ':']).take(MOST_NUMBERS);
        let numbers: Vec<u16> =
            numbers.map(|text| if text.is_empty() { 0 } else { text.parse().unwrap_or(999) }).collect();
        let mut numbers = numbers.into_iter();
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underlined = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underlined = false,
                30..=37 => self.front = Some((number - 30) as u8),
                90..=97 => self.front = Some((number - 90) as u8),
                40..=47 => self.back = Some((number - 40) as u8),
                100..=107 => self.back = Some((number - 100) as u8),
                38 => self.front = extended(&mut numbers),
                48 => self.back = extended(&mut numbers),
                39 => self.front = None,
                49 => self.back = None,
                _ => {}
            }
        }
    }
}

/// Reads a colour of 256 or of millions: the first sixteen are known, others are shown as plain text.
fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match numbers.next() {
        Some(5) => numbers.next().filter(|number| *number < 16).map(|number| (number % 8) as u8),
        Some(2) => {
            numbers.nth(2);
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let html = numbered_lines(text).html.to_string();
        let inner = html.split("<span class=\"line\">").skip(1);
        inner.map(|line| line.split("</span></li>").next().unwrap().to_owned()).collect()
    }

    #[test]
    fn colours_become_classes_and_nothing_else_is_left_of_escapes() {
        assert_eq!(lines("\u{1b}[1;31mred\u{1b}[0m plain\n"), ["<span class=\"f1 b\">red</span> plain"]);
        assert_eq!(
            lines("\u{1b}[32ma\nb\u{1b}[m"),
            ["<span class=\"f2\">a</span>", "<span class=\"f2\">b</span>"]
        );
        assert_eq!(lines("\u{1b}[38;5;1mx\u{1b}[38;2;1;2;3my\u{1b}[0K"), ["<span class=\"f1\">x</span>y"]);
        assert_eq!(lines("a\u{1b}]8;;http://x\u{7}b\u{1b}]0;t\u{1b}\\c\u{1b}(Bd\u{1b}"), ["abcd"]);
    }

    #[test]
    fn a_line_is_what_a_terminal_shows_at_the_end() {
        assert_eq!(lines("1%\r2%\r100%\r\nnext"), ["100%", "next"]);
        assert_eq!(
            lines("section_start:1:x[collapsed=true]\r\u{1b}[0KHeader\nsection_end:2:x\r\u{1b}[0K"),
            ["Header", ""]
        );
        assert_eq!(lines("<b>\u{1}"), ["&lt;b&gt;\u{2401}"]);
    }

    #[test]
    fn lines_are_bounded_and_numbered() {
        let cut = numbered_lines(&"\n".repeat(MOST_LINES + 5));
        assert_eq!((cut.count, cut.is_cut), (MOST_LINES, true));
        assert!(numbered_lines("a\nb").html.to_string().contains("<li id=\"L2\"><a href=\"#L2\""));
    }

    proptest! {
        #[test]
        fn spans_are_closed_and_no_escape_is_left(text in "(\u{1b}\\[[0-9;]{0,6}[mKH]|[a<\r\n\u{1b}\\[\\]])*") {
            let html = numbered_lines(&text).html.to_string();
            prop_assert_eq!(html.matches("<span").count(), html.matches("</span>").count());
            prop_assert!(!html.contains(ESCAPE) && !html.contains("<<"));
        }
    }
}
