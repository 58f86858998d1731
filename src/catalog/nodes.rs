//! Nodes: the processes that serve, each from its start on, for operators to see.
//!
//! A node shows itself from time to time and takes its row away when it stops; that of one that died stays for a day.
//! All times are those that nodes agree on.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::Db;
use super::db::MultiBackend;
use crate::domain::{Result, Timestamp};

/// How long a node is remembered that does not show itself any more, in milliseconds.
const MEMORY_MILLIS: i64 = 24 * 3600 * 1000;

/// A process that serves, or did within the last day and has not told that it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The number that it drew at its start.
    pub number: i64,
    /// Its release.
    pub version: String,
    /// When it showed itself first.
    pub started_at: Timestamp,
    /// When it showed itself last.
    pub seen_at: Timestamp,
}

impl Node {
    /// Returns its name, which its log tells as well.
    pub fn name(&self) -> String {
        name_of(self.number)
    }
}

/// Returns the name of the node with a number.
pub fn name_of(number: i64) -> String {
    format!("{number:012x}").chars().take(8).collect()
}

/// Records that a node is there. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn see(db: &mut Db, number: i64, version: &str, now: Timestamp) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO nodes (number, version, started_at, seen_at) VALUES ($1, $2, $3, $3) \
         ON CONFLICT (number) DO UPDATE SET seen_at = excluded.seen_at",
    )
    .bind::<BigInt, _>(number)
    .bind::<Text, _>(version)
    .bind::<BigInt, _>(now.as_millis())
    .execute(db)?;
    Ok(())
}

/// Forgets a node that stops. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn leave(db: &mut Db, number: i64) -> Result<()> {
    diesel::sql_query("DELETE FROM nodes WHERE number = $1").bind::<BigInt, _>(number).execute(db)?;
    Ok(())
}

/// Forgets nodes that have not shown themselves for a day. One that was seen far in the future has written that under a
/// wrong clock. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn forget_silent(db: &mut Db, now: Timestamp) -> Result<()> {
    let now = now.as_millis();
    diesel::sql_query("DELETE FROM nodes WHERE seen_at < $1 OR seen_at > $2")
        .bind::<BigInt, _>(now.saturating_sub(MEMORY_MILLIS))
        .bind::<BigInt, _>(now.saturating_add(MEMORY_MILLIS))
        .execute(db)?;
    Ok(())
}

/// Lists the nodes that were seen last, at most so many, in the order of their start.
///
/// # Errors
/// Those of the database.
pub fn list(db: &mut Db, most: i64) -> Result<Vec<Node>> {
    #[derive(QueryableByName)]
    #[diesel(check_for_backend(MultiBackend))]
    struct Row {
        #[diesel(sql_type = BigInt)]
        number: i64,
        #[diesel(sql_type = Text)]
        version: String,
        #[diesel(sql_type = BigInt)]
        started_at: i64,
        #[diesel(sql_type = BigInt)]
        seen_at: i64,
    }
    let query =
        "SELECT number, version, started_at, seen_at FROM nodes ORDER BY seen_at DESC, number LIMIT $1";
    let rows: Vec<Row> = diesel::sql_query(query).bind::<BigInt, _>(most).load(db)?;
    let node = |row: Row| Node {
        number: row.number,
        version: row.version,
        started_at: Timestamp::from_millis(row.started_at),
        seen_at: Timestamp::from_millis(row.seen_at),
    };
    let mut nodes: Vec<Node> = rows.into_iter().map(node).collect();
    nodes.sort_by_key(|node| (node.started_at, node.number));
    Ok(nodes)
}
