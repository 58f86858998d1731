//! Numbers of what an upstream calls by a text: given here, once, among those that created builds get, too.
//!
//! A name may come to mean another thing at the upstream, an ID not. A row that was found by its name alone takes the
//! first ID that comes with the name; from then on the name means the row whose ID came last.

use diesel::prelude::*;

use super::ForeignId;
use crate::catalog::Db;
use crate::catalog::builds::{END_OF_NUMBERS, next_given};
use crate::catalog::schema::{foreign_numbers, jobs, pipelines, projects};
use crate::domain::Result;

/// What a number is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Project,
    /// Of a pipeline of this project.
    Pipeline(i64),
    /// Of a job of this pipeline.
    Job(i64),
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Pipeline(_) => "pipeline",
            Self::Job(_) => "job",
        }
    }

    fn within(self, text: &str) -> String {
        match self {
            Self::Project => text.to_owned(),
            Self::Pipeline(number) | Self::Job(number) => format!("{number}/{text}"),
        }
    }
}

/// Returns the number of what an upstream calls `id`; `None` if it has none yet.
///
/// # Errors
/// Those of the database.
pub(super) fn find(db: &mut Db, upstream: &str, kind: Kind, id: &ForeignId) -> Result<Option<i64>> {
    let (id, name) = match id {
        ForeignId::Number(number) => return Ok(Some(*number)),
        ForeignId::Text { id, name } => (id.as_deref().map(of_id), name.as_deref().map(of_name)),
    };
    let by_name = match &name {
        Some(name) => of_text(db, upstream, kind, name)?,
        None => None,
    };
    let Some(id) = id else { return Ok(by_name) };
    if let Some(number) = of_text(db, upstream, kind, &id)? {
        return Ok(Some(number));
    }
    match by_name {
        Some(number) if !has_id(db, kind, number)? => Ok(Some(number)),
        _ => Ok(None),
    }
}

/// Returns the number of what an upstream calls `id`, and gives it one if it has none. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub(super) fn find_or_give(db: &mut Db, upstream: &str, kind: Kind, id: &ForeignId) -> Result<i64> {
    let ForeignId::Text { id: stable, name } = id else {
        return Ok(find(db, upstream, kind, id)?.unwrap_or_default());
    };
    let number = match find(db, upstream, kind, id)? {
        Some(number) => number,
        None => next(db, kind)?,
    };
    for text in [stable.as_deref().map(of_id), name.as_deref().map(of_name)].into_iter().flatten() {
        let key = (upstream, kind.name(), kind.within(&text));
        let known = of_text(db, upstream, kind, &text)?;
        if known.is_none() {
            diesel::insert_into(foreign_numbers::table)
                .values((
                    foreign_numbers::upstream.eq(upstream),
                    foreign_numbers::kind.eq(kind.name()),
                    foreign_numbers::foreign_id.eq(&key.2),
                    foreign_numbers::number.eq(number),
                ))
                .execute(db)?;
        } else if known != Some(number) {
            diesel::update(foreign_numbers::table.find(key))
                .set(foreign_numbers::number.eq(number))
                .execute(db)?;
        }
    }
    Ok(number)
}

/// Names and IDs are apart, whatever characters they have.
fn of_id(text: &str) -> String {
    format!("id:{text}")
}

fn of_name(text: &str) -> String {
    format!("name:{text}")
}

fn of_text(db: &mut Db, upstream: &str, kind: Kind, text: &str) -> Result<Option<i64>> {
    Ok(foreign_numbers::table
        .find((upstream, kind.name(), kind.within(text)))
        .select(foreign_numbers::number)
        .first(db)
        .optional()?)
}

/// Whether a number was given to an ID, and not to a name alone.
fn has_id(db: &mut Db, kind: Kind, number: i64) -> Result<bool> {
    let known: Vec<String> = foreign_numbers::table
        .filter(foreign_numbers::kind.eq(kind.name()))
        .filter(foreign_numbers::number.eq(number))
        .select(foreign_numbers::foreign_id)
        .load(db)?;
    Ok(known.iter().any(|text| text.starts_with(&kind.within("id:"))))
}

/// Returns a number that no row and no foreign thing has.
fn next(db: &mut Db, kind: Kind) -> Result<i64> {
    let last: Option<i64> = match kind {
        Kind::Project => {
            let given = projects::table.filter(projects::id.lt(END_OF_NUMBERS));
            given.select(diesel::dsl::max(projects::id)).first(db)?
        }
        Kind::Pipeline(_) => {
            let given = pipelines::table.filter(pipelines::id.lt(END_OF_NUMBERS));
            given.select(diesel::dsl::max(pipelines::id)).first(db)?
        }
        Kind::Job(_) => {
            let given = jobs::table.filter(jobs::id.lt(END_OF_NUMBERS));
            given.select(diesel::dsl::max(jobs::id)).first(db)?
        }
    };
    next_given(last)
}
