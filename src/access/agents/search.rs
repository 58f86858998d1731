//! Search of an agent for a job: a part of its queue at each ping, until it has looked at all that wait there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Access, AccessError};
use crate::catalog::agents::{self, Session, WaitingJob};
use crate::catalog::{Db, clock, jobs};
use crate::domain::permissions::{self, Action, Decision, Grant, TokenReach, authorize};
use crate::domain::project::Visibility;
use crate::domain::role::Role;
use crate::domain::{Error, Timestamp, Uuid};

/// The most jobs that are tried to be claimed at one ping: others take what this agent does not.
const MAX_CANDIDATES: usize = 20;

/// The most jobs of a queue that are looked at at one ping, up to a batch more.
const MAX_LOOKED_AT: usize = 500;

/// The most agents of which it is known how far they have looked; those above begin again.
const MAX_SEARCHES: usize = 10_000;

/// How far agents have looked through their queues without finding a job: the last one that each looked at. Each node
/// knows that of its own, and every one gets to the end.
#[derive(Debug, Clone, Default)]
pub(in crate::access) struct Searches(Arc<Mutex<HashMap<Uuid, i64>>>);

impl Searches {
    fn last(&self, agent: Uuid) -> i64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&agent).copied().unwrap_or(0)
    }

    fn set(&self, agent: Uuid, last: Option<i64>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match last {
            Some(last) => {
                // Agents that are gone leave theirs.
                if all.len() >= MAX_SEARCHES && !all.contains_key(&agent) {
                    all.clear();
                }
                all.insert(agent, last);
            }
            None => drop(all.remove(&agent)),
        }
    }
}

/// What a part of a queue has for an agent.
struct Found {
    /// Jobs that it may take, oldest first.
    candidates: Vec<i64>,
    /// The last job that was looked at; `None` at the end of the queue.
    last: Option<i64>,
}

impl Access {
    /// Gives an agent a job that waits for one like it, and returns its UUID. Begins with the oldest, or where the ping
    /// before left off when it found none.
    pub(super) async fn search_job(&self, session: Session) -> Result<Option<Uuid>, AccessError> {
        let agent = session.agent.uuid;
        let (after, shared_clock) = (self.searches.last(agent), self.clock.clone());
        let looking = self.catalog.read(move |db| {
            let now = clock::shared(db, &shared_clock)?;
            matching(db, &session, after, now)
        });
        let Found { candidates, last } = looking.await?;
        if candidates.is_empty() {
            self.searches.set(agent, last);
            return Ok(None);
        }
        let shared_clock = self.clock.clone();
        let claiming = self.catalog.write(move |db| {
            let now = clock::shared(db, &shared_clock)?;
            claim_first(db, &candidates, agent, now)
        });
        let claimed = claiming.await?;
        if claimed.is_some() {
            self.searches.set(agent, None);
        }
        Ok(claimed)
    }
}

/// Looks through a part of an agent's queue.
fn matching(db: &mut Db, session: &Session, mut after: i64, now: Timestamp) -> Result<Found, Error> {
    let roles = roles_that_run_pipelines();
    let is_admin = session.user.admin;
    let is_mine = |job: &&WaitingJob| {
        (is_admin || job.is_of_member) && job.is_free(now) && session.agent.tags.satisfy(&job.rules)
    };
    let (mut candidates, mut looked_at) = (Vec::new(), 0);
    while looked_at < MAX_LOOKED_AT && candidates.len() < MAX_CANDIDATES {
        let some = agents::waiting(db, &session.agent.queue, (session.user.id, &roles), after)?;
        let Some(last) = some.last() else { return Ok(Found { candidates, last: None }) };
        after = last.id;
        looked_at += some.len();
        candidates.extend(some.iter().filter(is_mine).map(|job| job.id));
    }
    candidates.truncate(MAX_CANDIDATES);
    Ok(Found { candidates, last: Some(after) })
}

fn claim_first(db: &mut Db, ids: &[i64], agent: Uuid, now: Timestamp) -> Result<Option<Uuid>, Error> {
    for id in ids {
        if agents::claim(db, *id, agent, now)? {
            return Ok(jobs::find(db, *id)?.map(|job| job.uuid));
        }
    }
    Ok(None)
}

/// The names of the roles whose members may run pipelines of a project.
fn roles_that_run_pipelines() -> Vec<&'static str> {
    let may = |role: &Role| {
        let grant = Grant::User { admin: false, role: Some(*role), reach: TokenReach::Unrestricted };
        let project = permissions::Project { visibility: Visibility::Private, public_jobs: true };
        authorize(grant, Action::RunPipelines, project) == Decision::Allow
    };
    Role::ALL.iter().copied().filter(may).map(Role::as_str).collect()
}
