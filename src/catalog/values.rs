//! Column values: how domain values are stored, enums by their names, times as milliseconds, digests as
//! bytes.
//!
//! The domain does not depend on diesel, so the conversions are here.

use diesel::backend::Backend;
use diesel::deserialize::{FromSql, FromStaticSqlRow, Queryable, Result};
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Binary, Bool, Text};

use super::uploads::PieceDigest;
use crate::domain::artifact::{
    Accessibility, ArtifactFormat, ArtifactKind, ArtifactName, ArtifactState, MediaType, UploadState,
};
use crate::domain::build::{Agent, Author, PullRequest, TextMap};
use crate::domain::pipeline::Source;
use crate::domain::project::Visibility;
use crate::domain::role::Role;
use crate::domain::status::Status;
use crate::domain::step::Steps;
use crate::domain::tags::Tags;
use crate::domain::{Sha256Digest, Timestamp, Uuid};

macro_rules! stored_by_name {
    ($($Enum:ty),+ $(,)?) => {$(
        impl<DB: Backend> Queryable<Text, DB> for $Enum
        where
            String: FromStaticSqlRow<Text, DB>,
        {
            type Row = String;

            fn build(name: String) -> Result<Self> {
                Ok(name.parse()?)
            }
        }
    )+};
}

stored_by_name!(
    UploadState,
    Accessibility,
    ArtifactFormat,
    ArtifactKind,
    ArtifactName,
    ArtifactState,
    Role,
    Source,
    Status,
    Visibility
);

/// Declares how a value is read from its column, nullable or not.
macro_rules! stored_as {
    ($Value:ty, $Sql:ty, $Raw:ty, $make:expr) => {
        impl<DB: Backend> Queryable<$Sql, DB> for $Value
        where
            $Raw: FromStaticSqlRow<$Sql, DB>,
        {
            type Row = $Raw;

            fn build(raw: $Raw) -> Result<Self> {
                $make(raw)
            }
        }

        impl<DB: Backend> FromSql<$Sql, DB> for $Value
        where
            $Raw: FromSql<$Sql, DB>,
        {
            fn from_sql(raw: DB::RawValue<'_>) -> Result<Self> {
                $make(<$Raw as FromSql<$Sql, DB>>::from_sql(raw)?)
            }
        }
    };
}

stored_as!(Timestamp, BigInt, i64, |millis| Ok(Timestamp::from_millis(millis)));
stored_as!(MediaType, Text, String, |text: String| Ok(text.parse()?));
stored_as!(Uuid, Binary, Vec<u8>, |bytes: Vec<u8>| Ok(Uuid::try_from(bytes.as_slice())?));
stored_as!(Sha256Digest, Binary, Vec<u8>, |bytes: Vec<u8>| Ok(Sha256Digest::try_from(bytes)?));
stored_as!(PieceDigest, Binary, Vec<u8>, |bytes: Vec<u8>| {
    if bytes.is_empty() { Ok(PieceDigest(None)) } else { Ok(PieceDigest(Some(bytes.try_into()?))) }
});

/// Declares a value that is stored as JSON.
macro_rules! stored_as_json {
    ($($Value:ty),+ $(,)?) => {$(
        stored_as!($Value, Text, String, |text: String| Ok(serde_json::from_str(&text)?));
    )+};
}

stored_as_json!(Agent, Author, PullRequest, Steps, Tags, TextMap);

/// [`ArtifactState::Finished`] as a literal.
///
/// The index of a job's finished artifacts is a partial one: for a bound value SQLite would plan the whole
/// statement again at each execution, to see whether it may use that index.
#[derive(Debug, Clone, Copy, QueryId)]
pub(super) struct Finished;

/// A condition that is always true, for a join that must have one.
#[derive(Debug, Clone, Copy, QueryId)]
pub(super) struct Always;

/// Whether the job of a statement has single files; they are in the index of its finished artifacts.
#[derive(Debug, Clone, Copy, QueryId)]
pub(super) struct HasFiles;

/// Declares an expression that is the same text in every statement. Unlike diesel's own literals, it lets the
/// statement be prepared once.
macro_rules! literal {
    ($Literal:ty, $Sql:ty, $text:literal) => {
        impl Expression for $Literal {
            type SqlType = $Sql;
        }

        impl<Table> AppearsOnTable<Table> for $Literal {}

        impl<Table> SelectableExpression<Table> for $Literal {}

        impl<Grouping> ValidGrouping<Grouping> for $Literal {
            type IsAggregate = is_aggregate::Never;
        }

        impl<DB: Backend> QueryFragment<DB> for $Literal {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
                out.push_sql($text);
                Ok(())
            }
        }
    };
}

literal!(Finished, Text, "'finished'");
literal!(Always, Bool, "TRUE");
literal!(
    HasFiles,
    Bool,
    "EXISTS (SELECT 1 FROM artifacts AS files WHERE files.job_id = jobs.id \
     AND files.state = 'finished' AND files.name LIKE 'file/%')"
);

/// Returns the UUID of a new row.
pub(super) fn new_uuid() -> Vec<u8> {
    Uuid::for_row().as_bytes().to_vec()
}

/// Returns a nullable time as its column stores it.
pub(super) fn millis(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_millis)
}
