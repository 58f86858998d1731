//! The questions as calls of the upstream's API, each with the caller's own credential.
//!
//! GitLab decides: "may he read" is a request that needs exactly that right, and not a computation over what it tells
//! of members and visibility.

use std::net::IpAddr;
use std::sync::Arc;

use super::Upstream;
use super::answer::{Answer, Outage, Refusal, Standing, TokenFacts};
use super::client::Errand;
use super::question::{Asker, Kind, ProjectKey, Question};
use super::reply::Reply;
use super::route::Route;
use super::wire;

type Answered = Result<Answer, Outage>;

impl Upstream {
    /// Asks, whatever is remembered.
    pub(super) async fn put(&self, question: &Question, client: Option<IpAddr>) -> Answered {
        let errand =
            Errand { kind: question.kind(), asker: question.asker(), client, now: self.0.clock.now() };
        match question {
            Question::Job(_) => self.job(errand).await,
            Question::MayRead(asker, project) if asker.is_job() => self.job_may_read(errand, project).await,
            Question::MayRead(_, project) => self.may_read(errand, project).await,
            Question::Token(_) => self.token(errand).await,
            Question::Role(asker, id) if asker.is_job() => self.role_of_job(errand, *id).await,
            Question::Role(_, id) => self.role(errand, *id).await,
            Question::Artifact(_, archive) => self.may_fetch(errand, *archive).await,
            Question::Newest(_, id, wanted) => self.newest(errand, *id, wanted).await,
        }
    }

    pub(super) async fn get(&self, errand: Errand<'_>, route: Route<'_>) -> Result<Reply, Outage> {
        self.0.metrics.called();
        self.0.client.get(errand, route).await
    }

    async fn job(&self, errand: Errand<'_>) -> Answered {
        let reply = self.get(errand, Route::Job).await?;
        match refusal(&reply)? {
            Some(refusal) => Ok(Answer::Refused(refusal)),
            None => Ok(Answer::Job(Arc::new(wire::job(&reply.json, self.0.client.base())?))),
        }
    }

    /// A list of pipelines needs the right to read pipelines and jobs, and no more.
    async fn may_read(&self, errand: Errand<'_>, project: &ProjectKey) -> Answered {
        let (reply, project) = self.get_of_project(errand, project, |key| Route::Pipelines(key)).await?;
        if let Some(refusal) = refusal(&reply)? {
            return Ok(Answer::Refused(refusal));
        }
        let first = wire::first_of_project(&reply.json, self.0.client.base())?;
        self.verdict(errand, &project, first).await
    }

    /// A list of jobs is what a job's token may ask for in any project that admits it.
    async fn job_may_read(&self, errand: Errand<'_>, project: &ProjectKey) -> Answered {
        let (reply, project) = self.get_of_project(errand, project, |key| Route::Jobs(key)).await?;
        if let Some(refusal) = refusal(&reply)? {
            return Ok(Answer::Refused(refusal));
        }
        match (wire::first_of_project(&reply.json, self.0.client.base())?, &project) {
            (None, ProjectKey::Path(_)) => Ok(Answer::Refused(Refusal::NotFound)),
            (first, project) => self.verdict(errand, project, first).await,
        }
    }

    /// Asks about a project; once more by its number if its path has moved to one. Returns the answer, and how the project
    /// is named in it.
    async fn get_of_project(
        &self,
        errand: Errand<'_>,
        project: &ProjectKey,
        route: impl Fn(&ProjectKey) -> Route<'_>,
    ) -> Result<(Reply, ProjectKey), Outage> {
        let reply = self.get(errand, route(project)).await?;
        if reply.status != 301 {
            return Ok((reply, project.clone()));
        }
        // A number does not move.
        let id = match project {
            ProjectKey::Path(_) => self.moved_to(&reply),
            ProjectKey::Id(_) => None,
        };
        let moved = ProjectKey::Id(id.ok_or_else(|| Outage::new("redirect to another place"))?);
        let reply = self.get(errand, route(&moved)).await?;
        match reply.status {
            301 => Err(Outage::new("redirect after redirect")),
            _ => Ok((reply, moved)),
        }
    }

    /// Returns the yes to a question, with the project's number, which only the project itself tells if there is
    /// nothing in it.
    async fn verdict(
        &self,
        errand: Errand<'_>,
        project: &ProjectKey,
        first: Option<(i64, Option<String>)>,
    ) -> Answered {
        let (project_id, path) = match (project, first) {
            (ProjectKey::Id(id), Some((of, path))) if of == *id => (of, path),
            (ProjectKey::Id(_), Some(_)) => return Err(Outage::new("broken answer: another project's")),
            (ProjectKey::Id(id), None) => (*id, None),
            (ProjectKey::Path(_), Some(found)) => found,
            (ProjectKey::Path(_), None) => {
                let reply = self.get(errand, Route::Project(project)).await?;
                if let Some(refusal) = refusal(&reply)? {
                    return Ok(Answer::Refused(refusal));
                }
                wire::project(&reply.json)?
            }
        };
        Ok(Answer::MayRead { project_id, path })
    }

    /// Reads the number of a project that has moved out of the address that the upstream names. Nothing is followed.
    fn moved_to(&self, reply: &Reply) -> Option<i64> {
        let rest = reply.location.as_deref()?.strip_prefix(self.0.client.base())?;
        let rest = rest.strip_prefix("/api/v4/projects/")?;
        let number = rest.split(['/', '?']).next()?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse().ok().filter(|id| is_number && *id > 0)
    }

    /// Every personal token may ask for itself; one of OAuth is told that it is none, with 400.
    async fn token(&self, errand: Errand<'_>) -> Answered {
        let reply = self.get(errand, Route::TokenSelf).await?;
        if reply.status == 400 {
            let reply = self.get(errand, Route::TokenInfo).await?;
            return match refusal(&reply)? {
                Some(refusal) => Ok(Answer::Refused(refusal)),
                None => self.unless_ended(wire::oauth_token(&reply.json, errand.now)?, errand),
            };
        }
        match refusal(&reply)? {
            Some(refusal) => Ok(Answer::Refused(refusal)),
            None => self.unless_ended(wire::personal_token(&reply.json)?, errand),
        }
    }

    fn unless_ended(&self, facts: TokenFacts, errand: Errand<'_>) -> Answered {
        let has_ended = facts.expires_at.is_some_and(|end| end <= errand.now);
        Ok(if has_ended { Answer::Refused(Refusal::Unauthenticated) } else { Answer::Token(facts) })
    }

    async fn role(&self, errand: Errand<'_>, project_id: i64) -> Answered {
        let known = Question::Token(errand.asker.clone());
        let told = Box::pin(self.answer(&known, errand.client, i64::MAX)).await?;
        let user_id = match told.answer {
            Answer::Token(facts) => facts.user_id,
            Answer::Refused(refusal) => return Ok(Answer::Refused(refusal)),
            Answer::Job(_)
            | Answer::MayRead { .. }
            | Answer::Role(_)
            | Answer::Newest(_)
            | Answer::Archive => {
                return Err(Outage::new("broken answer: not about a token"));
            }
        };
        let reply = self.get(errand, Route::Member(project_id, user_id)).await?;
        let standing = match refusal(&reply)? {
            None => wire::member(&reply.json, user_id),
            Some(Refusal::Unauthenticated) => return Ok(Answer::Refused(Refusal::Unauthenticated)),
            Some(_) => Standing { user_id: Some(user_id), ..Standing::default() },
        };
        if standing.role.is_none() && self.is_admin_of(errand, project_id).await? {
            return Ok(Answer::Role(Standing { admin: true, ..standing }));
        }
        Ok(Answer::Role(standing))
    }

    /// Whether an administrator who is no member sees a project that is private, which only his rights as such allow.
    async fn is_admin_of(&self, errand: Errand<'_>, project_id: i64) -> Result<bool, Outage> {
        let user = self.get(errand, Route::User).await?;
        if refusal(&user)?.is_some() || user.json["is_admin"].as_bool() != Some(true) {
            return Ok(false);
        }
        let project = self.get(errand, Route::Project(&ProjectKey::Id(project_id))).await?;
        Ok(refusal(&project)?.is_none() && wire::is_private(&project.json))
    }

    async fn role_of_job(&self, errand: Errand<'_>, project_id: i64) -> Answered {
        let reply = self.get(errand, Route::AllowedAgents).await?;
        match refusal(&reply)? {
            Some(refusal) => Ok(Answer::Refused(refusal)),
            None => Ok(Answer::Role(wire::roles_of_job(&reply.json, project_id)?)),
        }
    }
}

/// Reads how the upstream refuses; `None` if it does not.
pub(super) fn refusal(reply: &Reply) -> Result<Option<Refusal>, Outage> {
    match reply.status {
        200 => Ok(None),
        401 => Ok(Some(Refusal::Unauthenticated)),
        403 if reply.json["error"] == "insufficient_scope" => Ok(Some(Refusal::MissingScope)),
        403 => Ok(Some(Refusal::Forbidden)),
        404 => Ok(Some(Refusal::NotFound)),
        status => Err(Outage::new(format!("status {status}"))),
    }
}

/// Returns an errand of the command that checks an upstream.
pub(super) fn errand_of<'a>(asker: &'a Asker, upstream: &Upstream) -> Errand<'a> {
    Errand { kind: Kind::Token, asker, client: None, now: upstream.0.clock.now() }
}
