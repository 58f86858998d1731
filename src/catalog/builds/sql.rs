//! SQL that is put together from parts, each with the texts that it binds.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::domain::Result;

/// SQL on the rows of pipelines, called `b`; a NUL stands for each text that is bound, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) bound: Vec<String>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), bound: Vec::new() }
    }

    pub(super) fn is_one_of(column: &str, values: &[String]) -> Self {
        let places = vec!["\0"; values.len()].join(", ");
        Self { text: format!("{column} IN ({places})"), bound: values.to_vec() }
    }

    fn push(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.bound.extend_from_slice(&other.bound);
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        self.text.push_str(" AND ");
        self.push(other);
        self
    }

    /// Puts `before` and `after` around it.
    pub(super) fn within(self, before: &str, after: &str) -> Self {
        Self { text: format!("{before}{}{after}", self.text), ..self }
    }

    /// Joins several, at least one.
    pub(super) fn join(all: &[Self], between: &str) -> Self {
        let mut joined = Self::default();
        for (number, one) in all.iter().enumerate() {
            if number > 0 {
                joined.text.push_str(between);
            }
            joined.push(one);
        }
        joined
    }

    /// Runs the statement and returns its column `id`.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) fn load(self, db: &mut Db) -> Result<Vec<i64>> {
        // SQLite numbers parameters as they appear, so they are used in order.
        let mut pieces = self.text.split('\0');
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for (number, piece) in (1..).zip(pieces) {
            text.push_str(&format!("${number}{piece}"));
        }
        let mut query = diesel::sql_query(text).into_boxed::<MultiBackend>();
        for value in self.bound {
            query = query.bind::<Text, _>(value);
        }
        let rows: Vec<Row> = query.load(db)?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
}
