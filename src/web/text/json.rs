//! JSON with line breaks and indentation. It is not parsed, so its numbers and the order of its keys stay as they are, and
//! a text that is cut is shown as far as it goes.

/// Deepest indentation, in levels.
const MOST_LEVELS: usize = 32;

/// Most lines that are made.
const MOST_LINES: usize = 20_001;

/// Indents a JSON text; `None` if it has line breaks of its own, or is none.
pub(in crate::web) fn indented(text: &str) -> Option<String> {
    let trimmed = text.trim();
    if !trimmed.starts_with(['{', '[']) || trimmed.contains('\n') {
        return None;
    }
    let mut made = String::with_capacity(trimmed.len() * 2);
    let (mut level, mut lines, mut rest) = (0_usize, 1, trimmed.chars().peekable());
    let mut end_line = |made: &mut String, level: usize| {
        made.push('\n');
        made.extend(std::iter::repeat_n("  ", level.min(MOST_LEVELS)));
        lines += 1;
        lines < MOST_LINES
    };
    while let Some(c) = rest.next() {
        let goes_on = match c {
            '"' => {
                made.push(c);
                put_string(&mut made, &mut rest);
                true
            }
            '{' | '[' => {
                made.push(c);
                while rest.next_if(|next| next.is_whitespace()).is_some() {}
                match rest.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => {
                        made.push(end);
                        true
                    }
                    None => {
                        level += 1;
                        end_line(&mut made, level)
                    }
                }
            }
            '}' | ']' => {
                level = level.saturating_sub(1);
                let goes_on = end_line(&mut made, level);
                made.push(c);
                goes_on
            }
            ',' => {
                made.push(c);
                end_line(&mut made, level)
            }
            ':' => {
                made.push_str(": ");
                true
            }
            c if c.is_whitespace() => true,
            c => {
                made.push(c);
                true
            }
        };
        if !goes_on {
            break;
        }
    }
    Some(made)
}

/// Copies the rest of a string.
fn put_string(made: &mut String, rest: &mut impl Iterator<Item = char>) {
    let mut is_escaped = false;
    for c in rest {
        made.push(c);
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_on_one_line_gets_lines() {
        assert_eq!(
            indented(r#"{"b":1.10,"a":["x,y\"",{}],"c":[]}"#).as_deref(),
            Some("{\n  \"b\": 1.10,\n  \"a\": [\n    \"x,y\\\"\",\n    {}\n  ],\n  \"c\": []\n}")
        );
        assert_eq!(indented("{\n}"), None, "it has lines");
        assert_eq!(indented("hello"), None);
        assert_eq!(indented("[1,").as_deref(), Some("[\n  1,\n  "), "cut");
    }

    #[test]
    fn hostile_depth_takes_no_memory() {
        assert!(indented(&"[".repeat(1 << 20)).unwrap().len() < 4 << 20);
    }

    proptest! {
        #[test]
        fn the_value_stays_the_same(keys in proptest::collection::vec(("[a-c\\\\\"{},:\\[\\] ]{0,5}", -9i32..9), 0..4)) {
            let value = Value::Array(keys.iter().map(|(key, number)| serde_json::json!({ key: number })).collect());
            let shown = indented(&value.to_string()).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        }

        #[test]
        fn no_text_is_a_panic(text in ".{0,60}") {
            indented(&text);
        }
    }
}
