//! Differences of two texts, line by line, with some lines around each (Myers' algorithm).

use super::Html;

/// Most lines of a text that is compared.
const MOST_LINES: usize = 20_000;

/// Most lines that may be added and removed; with more, the texts have too little in common to be compared.
const MOST_CHANGES: usize = 1_000;

/// How many equal lines are shown around a change.
const CONTEXT: usize = 3;

/// Longest line that is shown, in characters.
const MOST_CHARACTERS: usize = 2_000;

/// A line of both texts or of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

/// Writes the differences of two texts; `None` if they are too long or too different.
pub(in crate::web) fn difference(before: &str, after: &str) -> Option<Html> {
    let (one, other): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    if one.len() > MOST_LINES || other.len() > MOST_LINES {
        return None;
    }
    Some(written(&merged(&one, &other)?))
}

/// Returns the lines of both texts in one order.
fn merged<'a>(one: &[&'a str], other: &[&'a str]) -> Option<Vec<Line<'a>>> {
    let begin = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (left, right) = (&one[begin..], &other[begin..]);
    let end = left.iter().rev().zip(right.iter().rev()).take_while(|(a, b)| a == b).count();
    let (left, right) = (&left[..left.len() - end], &right[..right.len() - end]);
    let mut lines: Vec<Line<'a>> = one[..begin].iter().map(|line| Line::Same(line)).collect();
    lines.extend(middle(left, right)?);
    lines.extend(one[one.len() - end..].iter().map(|line| Line::Same(line)));
    Some(lines)
}

/// Finds a shortest way from one text to the other; `None` if it has too many changes.
fn middle<'a>(one: &[&'a str], other: &[&'a str]) -> Option<Vec<Line<'a>>> {
    let (n, m) = (one.len() as isize, other.len() as isize);
    let most = MOST_CHANGES.min(one.len() + other.len()) as isize;
    let offset = most + 1;
    let at = |diagonal: isize| (diagonal + offset) as usize;
    // How far into the first text each diagonal reaches, with as many changes as there are rows before.
    let mut reach = vec![0_isize; (2 * most + 3) as usize];
    let mut rows: Vec<Vec<isize>> = Vec::new();
    for changes in 0..=most {
        rows.push(reach[at(-changes - 1)..=at(changes + 1)].to_vec());
        for diagonal in (-changes..=changes).step_by(2) {
            let goes_down = diagonal == -changes
                || diagonal != changes && reach[at(diagonal - 1)] < reach[at(diagonal + 1)];
            let mut x = if goes_down { reach[at(diagonal + 1)] } else { reach[at(diagonal - 1)] + 1 };
            while x < n
                && x - diagonal < m
                && x - diagonal >= 0
                && one[x as usize] == other[(x - diagonal) as usize]
            {
                x += 1;
            }
            reach[at(diagonal)] = x;
            if x >= n && x - diagonal >= m {
                return Some(way_back(one, other, &rows));
            }
        }
    }
    None
}

/// Walks back from the end of both texts along the rows that [`middle`] has kept.
fn way_back<'a>(one: &[&'a str], other: &[&'a str], rows: &[Vec<isize>]) -> Vec<Line<'a>> {
    let (mut x, mut y) = (one.len() as isize, other.len() as isize);
    let mut lines = Vec::new();
    for (changes, row) in rows.iter().enumerate().rev() {
        let changes = changes as isize;
        let reach = |diagonal: isize| row[(diagonal + changes + 1) as usize];
        let diagonal = x - y;
        let goes_down =
            diagonal == -changes || diagonal != changes && reach(diagonal - 1) < reach(diagonal + 1);
        let before = if goes_down { diagonal + 1 } else { diagonal - 1 };
        let (from_x, from_y) = if changes == 0 { (0, 0) } else { (reach(before), reach(before) - before) };
        while x > from_x && y > from_y {
            (x, y) = (x - 1, y - 1);
            lines.push(Line::Same(one[x as usize]));
        }
        if changes == 0 {
            break;
        }
        if goes_down {
            y -= 1;
            lines.push(Line::Added(other[y as usize]));
        } else {
            x -= 1;
            lines.push(Line::Removed(one[x as usize]));
        }
    }
    lines.reverse();
    lines
}

/// Writes changes with the lines around them.
fn written(lines: &[Line<'_>]) -> Html {
    let is_change = |line: &Line<'_>| !matches!(line, Line::Same(_));
    let mut is_near = vec![false; lines.len()];
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| is_change(line)) {
        let (from, to) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(lines.len()));
        is_near[from..to].fill(true);
    }
    let mut html = Html::default();
    let mut was_near = true;
    for (line, is_near) in lines.iter().zip(is_near) {
        if is_near && !was_near {
            html.markup("<li class=\"dull\"><span class=\"line\">…</span></li>\n");
        }
        was_near = is_near;
        if !is_near {
            continue;
        }
        let (class, sign, text) = match line {
            Line::Same(text) => ("same", "  ", text),
            Line::Removed(text) => ("bad", "- ", text),
            Line::Added(text) => ("good", "+ ", text),
        };
        html.markup(&format!("<li class=\"{class}\"><span class=\"line\">{sign}"));
        text.chars().take(MOST_CHARACTERS).for_each(|c| html.character(c));
        html.markup("</span></li>\n");
    }
    html
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(before: &str, after: &str) -> Vec<String> {
        let html = difference(before, after).unwrap().to_string();
        html.split("<span class=\"line\">")
            .skip(1)
            .map(|it| it.split("</span>").next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn changes_are_shown_with_lines_around_them() {
        assert_eq!(shown("a\nb\nc", "a\nx\nc"), ["  a", "- b", "+ x", "  c"]);
        assert_eq!(shown("a", "a"), Vec::<String>::new());
        assert_eq!(shown("", "<b>"), ["+ &lt;b&gt;"]);
        let before: String = (0..20).map(|number| format!("{number}\n")).collect();
        let after = before.replace("2\n3\n", "2\n").replace("15\n", "15\nnew\n");
        assert_eq!(
            shown(&before, &after),
            [
                "  0", "  1", "  2", "- 3", "  4", "  5", "  6", "…", "  13", "  14", "  15", "+ new",
                "  16", "  17", "  18"
            ]
        );
    }

    #[test]
    fn texts_without_anything_in_common_are_not_compared() {
        let lines = |word: &str| (0..2_000).map(|number| format!("{word}{number}\n")).collect::<String>();
        assert!(difference(&lines("a"), &lines("b")).is_none());
        assert!(difference(&"x\n".repeat(MOST_LINES + 1), "").is_none());
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_from_the_lines(
            one in proptest::collection::vec("[abc]", 0..12),
            other in proptest::collection::vec("[abc]", 0..12),
        ) {
            let one: Vec<&str> = one.iter().map(String::as_str).collect();
            let other: Vec<&str> = other.iter().map(String::as_str).collect();
            let lines = merged(&one, &other).unwrap();
            let left = lines.iter().filter_map(|line| match line {
                Line::Same(text) | Line::Removed(text) => Some(*text),
                Line::Added(_) => None,
            });
            let right = lines.iter().filter_map(|line| match line {
                Line::Same(text) | Line::Added(text) => Some(*text),
                Line::Removed(_) => None,
            });
            prop_assert_eq!(left.collect::<Vec<_>>(), one);
            prop_assert_eq!(right.collect::<Vec<_>>(), other);
        }
    }
}
