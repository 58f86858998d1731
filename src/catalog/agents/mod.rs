//! Agents: programs that take jobs and run them, each connected by a session of its own.

mod jobs;
mod lost;

use diesel::prelude::*;

pub use jobs::{
    AgentJob, Assignment, JobEnd, WaitingJob, accept, add_job, cancel_unbegun, claim, finish, held,
    holder_of, job_run_by, release_ended, retry, start, waiting,
};
pub use lost::{Lost, disconnect, end_lost, first_of_user, return_unstarted};

use super::Db;
use super::db::MultiBackend;
use super::schema::{access_tokens, agent_jobs, agents, users};
use super::tokens::AccessToken;
use super::users::User;
use crate::domain::tags::Tags;
use crate::domain::{Result, Sha256Digest, Timestamp, Uuid};

/// An agent that is connected.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = agents, check_for_backend(MultiBackend))]
pub struct Agent {
    /// Its UUID.
    pub uuid: Uuid,
    /// The digest of the token of its session.
    pub session_sha256: Sha256Digest,
    /// Its name.
    pub name: String,
    /// The machine that it runs on.
    pub hostname: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// The queue whose jobs it takes.
    pub queue: String,
    /// Whether it takes jobs.
    pub takes_jobs: bool,
    /// What the next ping tells it to do instead of a job.
    pub action: Option<String>,
}

/// An agent to register.
#[derive(Debug, Clone)]
pub struct NewAgent {
    /// Its UUID.
    pub uuid: Uuid,
    /// The digest of the token of its session.
    pub session: Sha256Digest,
    /// Its name.
    pub name: String,
    /// The machine that it runs on.
    pub hostname: Option<String>,
    /// The release that it is.
    pub version: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Whether it takes jobs.
    pub takes_jobs: bool,
}

/// An agent that shows the token of its session.
#[derive(Debug, Clone)]
pub struct Session {
    /// The agent.
    pub agent: Agent,
    /// The token that it was registered with.
    pub token: AccessToken,
    /// The user of that token.
    pub user: User,
    /// Whether a job waits in its queue.
    pub waits: bool,
    /// Whether it has a job, or had one that another node ended.
    pub holds: bool,
}

/// Registers an agent, unless its token has `most` agents; returns whether it did. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn register(db: &mut Db, token_id: i64, new: &NewAgent, most: u32, now: Timestamp) -> Result<bool> {
    // Agents of one token are counted one after the other.
    let token = access_tokens::table.find(token_id);
    diesel::update(token).set(access_tokens::revoked.eq(access_tokens::revoked)).execute(db)?;
    let known: i64 = agents::table.filter(agents::token_id.eq(token_id)).count().get_result(db)?;
    if known >= i64::from(most) {
        return Ok(false);
    }
    diesel::insert_into(agents::table)
        .values((
            agents::uuid.eq(new.uuid.as_bytes().as_slice()),
            agents::token_id.eq(token_id),
            agents::session_sha256.eq(new.session.as_bytes().as_slice()),
            agents::name.eq(&new.name),
            agents::hostname.eq(&new.hostname),
            agents::version.eq(&new.version),
            agents::tags.eq(crate::domain::build::as_json(&new.tags)?),
            agents::queue.eq(new.tags.queue()),
            agents::takes_jobs.eq(new.takes_jobs),
            agents::created_at.eq(now.as_millis()),
            agents::seen_at.eq(now.as_millis()),
        ))
        .execute(db)?;
    Ok(true)
}

/// Finds the agent of a session: one statement by keys, which also tells whether there is anything for it to do.
///
/// # Errors
/// Those of the database.
pub fn by_session(db: &mut Db, digest: Sha256Digest) -> Result<Option<Session>> {
    type Row = (Agent, AccessToken, User, bool, bool);
    let waiting = agent_jobs::table.filter(agent_jobs::waiting_queue.eq(agents::queue.nullable()));
    let held = agent_jobs::table.filter(agent_jobs::holder.eq(agents::uuid.nullable()));
    let found: Option<Row> = agents::table
        .inner_join(access_tokens::table.inner_join(users::table))
        .filter(agents::session_sha256.eq(digest.as_bytes().as_slice()))
        .select((
            Agent::as_select(),
            AccessToken::as_select(),
            User::as_select(),
            diesel::dsl::exists(waiting),
            diesel::dsl::exists(held),
        ))
        .get_result(db)
        .optional()?;
    Ok(found.map(|(agent, token, user, waits, holds)| Session { agent, token, user, waits, holds }))
}

/// Records that an agent is alive; returns whether it is known.
///
/// # Errors
/// Those of the database.
pub fn see(db: &mut Db, uuid: Uuid, now: Timestamp) -> Result<bool> {
    let agent = agents::table.find(uuid.as_bytes().as_slice());
    Ok(diesel::update(agent).set(agents::seen_at.eq(now.as_millis())).execute(db)? > 0)
}

/// Sets what the next pings tell an agent.
///
/// # Errors
/// Those of the database.
pub fn set_action(db: &mut Db, uuid: Uuid, action: Option<&str>) -> Result<()> {
    let agent = agents::table.find(uuid.as_bytes().as_slice());
    diesel::update(agent).set(agents::action.eq(action)).execute(db)?;
    Ok(())
}

/// Lets an agent take no more jobs.
///
/// # Errors
/// Those of the database.
pub fn retire(db: &mut Db, uuid: Uuid) -> Result<()> {
    let agent = agents::table.find(uuid.as_bytes().as_slice());
    diesel::update(agent).set(agents::takes_jobs.eq(false)).execute(db)?;
    Ok(())
}
