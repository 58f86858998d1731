//! Sessions of agents: registered with a personal token, alive by heartbeats, and given a job when one waits.

use secrecy::SecretString;

use super::{Access, AccessError, AgentError};
use crate::access::{AcceptedCredentials, Principal};
use crate::audit::AuditContext;
use crate::auth::{self, Actor, CredentialError};
use crate::catalog::agents::{self, NewAgent, Session};
use crate::catalog::{Db, builds, clock, jobs, tokens};
use crate::domain::status::Status;
use crate::domain::tags::Tags;
use crate::domain::{Error, Timestamp, Uuid};

/// What an agent says of itself.
#[derive(Debug, Clone)]
pub struct AgentDetails {
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

/// An agent that was registered.
#[derive(Debug)]
pub struct RegisteredAgent {
    /// Its UUID.
    pub uuid: Uuid,
    /// The token of its session.
    pub token: SecretString,
}

/// What an agent that pings is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ping {
    /// There is nothing to do.
    Nothing,
    /// It is to accept the job with this UUID.
    Job(Uuid),
    /// It is to pause or disconnect.
    Action(String),
}

impl Access {
    /// Registers an agent of the principal's user, of which its token may have `most`.
    ///
    /// # Errors
    /// [`AccessError::Credential`], [`AgentError::TooManyAgents`].
    pub async fn register_agent(
        &self,
        principal: &Principal,
        details: AgentDetails,
        most: u32,
    ) -> Result<RegisteredAgent, AgentError> {
        let token = auth::new_session_token()?;
        let (uuid, clock) = (Uuid::for_row(), self.clock.clone());
        let AgentDetails { name, hostname, version, tags, takes_jobs } = details;
        let new = NewAgent { uuid, session: token.sha256, name, hostname, version, tags, takes_jobs };
        let principal = Principal { accepted: AcceptedCredentials::UserOnly, ..principal.clone() };
        let asked = principal.asked();
        let allow = move |db: &mut Db| {
            let Actor::User(_) = principal.authenticate_alone(db)? else {
                return Err(CredentialError::NotForJobs.into());
            };
            let digest = auth::personal_digest(&principal.credentials).ok_or(CredentialError::Missing)?;
            let (token, _) = tokens::details(db, digest)?.ok_or(CredentialError::Unknown)?;
            Ok::<_, AgentError>(token.id)
        };
        let registered = self.change(asked, allow, move |db, token_id| {
            let now = clock::shared(db, &clock)?;
            Ok(agents::register(db, token_id, &new, most, now)?)
        });
        if registered.await? {
            Ok(RegisteredAgent { uuid, token: token.text })
        } else {
            Err(AgentError::TooManyAgents(most))
        }
    }

    /// Finds the agent whose session a token is that of.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn agent_session(
        &self,
        token: &SecretString,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<Session, AccessError> {
        audit.set_credential("agent_token");
        let (token, audit) = (token.clone(), audit.clone());
        self.catalog.read_inline(move |db| Ok(auth::find_session(db, &token, &audit, now)?)).await
    }

    /// Records that an agent is alive.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn see_agent(
        &self,
        token: &SecretString,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<(), AccessError> {
        let uuid = self.agent_session(token, audit, now).await?.agent.uuid;
        let clock = self.clock.clone();
        let seeing = self.catalog.write(move |db| {
            let seen_at = clock::shared(db, &clock)?;
            agents::see(db, uuid, seen_at)
        });
        let seen = seeing.await?;
        if seen { Ok(()) } else { Err(CredentialError::Unknown.into()) }
    }

    /// Ends the session of an agent. Jobs that it had not accepted wait again; one that it ran has failed.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn disconnect_agent(
        &self,
        token: &SecretString,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<(), AccessError> {
        let uuid = self.agent_session(token, audit, now).await?.agent.uuid;
        self.catalog.write(move |db| agents::disconnect(db, uuid, now)).await?;
        Ok(())
    }

    /// Tells an agent at its next pings to pause or disconnect, or no more.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn set_agent_action(
        &self,
        agent: Uuid,
        action: Option<&'static str>,
    ) -> Result<(), AccessError> {
        Ok(self.catalog.write(move |db| agents::set_action(db, agent, action)).await?)
    }

    /// Finds what an agent is to do: the job that it was given before and has not accepted, or else the oldest one
    /// that waits for an agent like it in a project whose pipelines its user may run. While none waits in its queue,
    /// that is one statement; in a long one, it may need several pings.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn ping(
        &self,
        token: &SecretString,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<Ping, AccessError> {
        let session = self.agent_session(token, audit, now).await?;
        if let Some(action) = session.agent.action {
            return Ok(Ping::Action(action));
        }
        let agent = session.agent.uuid;
        if session.holds {
            let held = self.catalog.read(move |db| agents::held(db, agent)).await?;
            if let Some((id, ..)) = held.iter().find(|(.., status)| *status == Status::Pending) {
                let id = *id;
                let job = self.catalog.read(move |db| jobs::find(db, id)).await?;
                return Ok(job.map_or(Ping::Nothing, |job| Ping::Job(job.uuid)));
            }
            if held.iter().any(|(.., status)| !status.is_finished()) {
                return Ok(Ping::Nothing);
            }
            // A node of an older release ended them.
            self.catalog.write(move |db| follow_all(db, held, now)).await?;
        }
        if !session.waits || !session.agent.takes_jobs {
            return Ok(Ping::Nothing);
        }
        Ok(self.search_job(session).await?.map_or(Ping::Nothing, Ping::Job))
    }
}

fn follow_all(db: &mut Db, held: Vec<(i64, i64, Status)>, now: Timestamp) -> Result<(), Error> {
    held.into_iter().try_for_each(|(_, pipeline_id, _)| builds::follow_jobs(db, pipeline_id, now))
}
