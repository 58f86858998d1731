//! Output of the listing commands: JSON for scripts, aligned text for people.
//!
//! Both are written from the same records, so they never differ. Text cannot be parsed: a value may hold
//! spaces. Control characters are escaped, never sent to the terminal.

use std::io::{ErrorKind, Write};

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::CommandError;

/// Named values in display order.
#[derive(Default)]
pub(super) struct Record(Vec<Field>);

struct Field {
    name: &'static str,
    value: Value,
    /// The text for people, where it differs from the JSON value.
    shown: Option<String>,
}

impl Record {
    /// Adds a value.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push(Field { name, value: value.into(), shown: None });
        self
    }

    /// Adds a value that the text output shows as `shown`.
    pub(super) fn with_shown(
        mut self,
        name: &'static str,
        value: impl Into<Value>,
        shown: Option<String>,
    ) -> Self {
        self.0.push(Field { name, value: value.into(), shown });
        self
    }

    fn text(&self, name: &str) -> String {
        self.0.iter().find(|field| field.name == name).map_or_else(String::new, |f| f.lines().join(","))
    }
}

impl Field {
    fn lines(&self) -> Vec<String> {
        match (&self.shown, &self.value) {
            (Some(shown), _) => vec![shown.clone()],
            (None, Value::Array(items)) if !items.is_empty() => items.iter().map(text).collect(),
            (None, Value::Object(map)) if !map.is_empty() => {
                map.iter().map(|(name, value)| format!("{} {}", escaped(name), text(value))).collect()
            }
            (None, value) => vec![text(value)],
        }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|field| (field.name, &field.value)))
    }
}

/// Prints records as one JSON array, or as a table: a heading and one line per record with these columns.
pub(super) fn print_all(columns: &[&str], records: &[Record], json: bool) -> Result<(), CommandError> {
    if json {
        return print_json(&records);
    }
    let heading = columns.iter().map(|name| name.to_uppercase()).collect();
    let rows = records.iter().map(|record| columns.iter().map(|name| record.text(name)).collect());
    print(&aligned(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))
}

/// Prints one record as a JSON object, or as one line per value.
pub(super) fn print_one(record: &Record, json: bool) -> Result<(), CommandError> {
    if json {
        return print_json(record);
    }
    let mut rows = Vec::new();
    for field in &record.0 {
        for (number, line) in field.lines().into_iter().enumerate() {
            let name = if number == 0 { field.name } else { "" };
            rows.push(vec![name.to_owned(), line]);
        }
    }
    print(&aligned(&rows))
}

/// Prints text to standard output. A closed pipe is no error.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    match write(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CommandError::Configuration(anyhow::anyhow!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes and flushes the whole text to standard output; a closed pipe is an error.
pub(super) fn write(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| CommandError::Data(e.into()))?;
    print(&format!("{text}\n"))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) if text.is_empty() => "-".into(),
        Value::String(text) => escaped(text),
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Object(map) if map.is_empty() => "-".into(),
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    let character = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(character).collect()
}

/// Aligns columns with two spaces between them and no trailing spaces.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_stands_behind_the_last() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = aligned(&[row(["ID", "NAME"]), row(["1000", "a"]), row(["2", "ü-longer"])]);
        assert_eq!(text, "ID    NAME\n1000  a\n2     ü-longer\n");
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        assert_eq!(text(&"a\u{1b}[2Jb\n".into()), "a\\u{1b}[2Jb\\n");
    }

    #[test]
    fn a_record_keeps_its_order_in_json() {
        let record = Record::default().with("z", 1).with_shown("a", 1024, Some("1 KiB".into()));
        assert_eq!(serde_json::to_string(&record).unwrap(), r#"{"z":1,"a":1024}"#);
        assert_eq!(record.text("a"), "1 KiB");
    }
}
