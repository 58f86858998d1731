//! Tables of separated values (RFC 4180), up to a bound.

/// Most rows that are shown.
const MOST_ROWS: usize = 1_000;

/// Most columns that are shown.
const MOST_COLUMNS: usize = 100;

/// Longest cell that is shown, in characters.
const MOST_CHARACTERS: usize = 500;

/// A table; its first row names the columns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::web) struct Table {
    pub(in crate::web) head: Vec<String>,
    pub(in crate::web) rows: Vec<Vec<String>>,
    /// Whether there are more rows.
    pub(in crate::web) is_cut: bool,
}

/// Whether a file's name says that it is a table.
pub(in crate::web) fn is_table(name: &str) -> bool {
    [".csv", ".tsv"].iter().any(|ending| name.to_ascii_lowercase().ends_with(ending))
}

/// Reads a table. Its cells are separated by tabs if its first line has one, else by what that line has most of.
pub(in crate::web) fn read_table(text: &str) -> Table {
    let first = text.lines().next().unwrap_or_default();
    let separator = if first.contains('\t') {
        '\t'
    } else if first.matches(';').count() > first.matches(',').count() {
        ';'
    } else {
        ','
    };
    let mut table = Table::default();
    let (mut row, mut cell, mut characters) = (Vec::new(), String::new(), 0);
    let mut rest = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = rest.next() {
        match c {
            '"' if is_quoted && rest.peek() == Some(&'"') => {
                rest.next();
                put(&mut cell, &mut characters, '"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if characters == 0 => is_quoted = true,
            '\r' if !is_quoted && rest.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => {
                end_cell(&mut row, &mut cell, &mut characters);
                end_row(&mut table, &mut row);
                if table.rows.len() == MOST_ROWS {
                    table.is_cut = rest.peek().is_some();
                    return table;
                }
            }
            c if c == separator && !is_quoted => end_cell(&mut row, &mut cell, &mut characters),
            c => put(&mut cell, &mut characters, c),
        }
    }
    if characters > 0 || !row.is_empty() {
        end_cell(&mut row, &mut cell, &mut characters);
        end_row(&mut table, &mut row);
    }
    table
}

fn put(cell: &mut String, characters: &mut usize, c: char) {
    if *characters < MOST_CHARACTERS {
        cell.push(c);
    }
    *characters += 1;
}

fn end_cell(row: &mut Vec<String>, cell: &mut String, characters: &mut usize) {
    let mut cell = std::mem::take(cell);
    if std::mem::take(characters) > MOST_CHARACTERS {
        cell.push('…');
    }
    if row.len() < MOST_COLUMNS {
        row.push(cell);
    }
}

fn end_row(table: &mut Table, row: &mut Vec<String>) {
    let row = std::mem::take(row);
    if table.head.is_empty() {
        table.head = row;
    } else {
        table.rows.push(row);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_may_hold_what_separates_others() {
        let table = read_table("a,b\r\n\"x, \"\"y\"\"\nz\",2\n3");
        assert_eq!(table.head, ["a", "b"]);
        assert_eq!(table.rows, [vec!["x, \"y\"\nz".to_owned(), "2".into()], vec!["3".into()]]);
        assert_eq!(read_table("a;b\n1;2").rows, [vec!["1".to_owned(), "2".into()]]);
        assert_eq!(read_table("a\tb,c\n1\t2").rows, [vec!["1".to_owned(), "2".into()]]);
        assert_eq!(read_table(""), Table::default());
    }

    #[test]
    fn a_million_rows_show_a_thousand() {
        let table = read_table(&"a,b\n".repeat(1_000_000));
        assert_eq!((table.rows.len(), table.is_cut), (1_000, true));
        assert!(!read_table(&"a\n".repeat(1_001)).is_cut);
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "[a,;\"\t\r\n]{0,60}") {
            let table = read_table(&text);
            prop_assert!(table.rows.iter().all(|row| row.len() <= MOST_COLUMNS));
        }
    }
}
