//! Projects whose artifacts are here: whether the upstream still has them, asked with its own token.

use secrecy::ExposeSecret;

use super::Upstream;
use super::answer::Outage;
use super::ask::refusal;
use super::client::Errand;
use super::question::{Kind, ProjectKey};
use super::route::Route;
use super::wire;
use crate::domain::Sha256Digest;

/// The word of the upstream for a project that is not there. Whatever else says 404 does not speak of projects.
const ABSENT: &str = "404 Project Not Found";

/// What the upstream tells its own token of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectTold {
    /// It is there, at this full path if that is told.
    There(Option<String>),
    /// There is none, as far as the token may know.
    Absent,
    /// The token may not ask, or there is no such token.
    Untold,
}

impl Upstream {
    /// Returns what tells the upstream's own token, at its address, from any other; `None` without one.
    pub(crate) fn own_token_sha256(&self) -> Option<Sha256Digest> {
        let (_, token) = self.0.service.as_ref()?.token()?;
        let text = format!("{}\n{}", self.0.client.base(), token.expose_secret());
        Some(Sha256Digest::of(text.as_bytes()))
    }

    /// Tells whether a project is there.
    ///
    /// # Errors
    /// [`Outage`] when there is no answer.
    pub(crate) async fn project_told(&self, id: i64) -> Result<ProjectTold, Outage> {
        let Some(asker) = &self.0.service else { return Ok(ProjectTold::Untold) };
        let errand = Errand { kind: Kind::Project, asker, client: None, now: self.0.clock.now() };
        let reply = self.get(errand, Route::Project(&ProjectKey::Id(id))).await?;
        if reply.status == 404 {
            let is_of_project =
                reply.json["message"].as_str().is_some_and(|word| word.eq_ignore_ascii_case(ABSENT));
            return Ok(if is_of_project { ProjectTold::Absent } else { ProjectTold::Untold });
        }
        if refusal(&reply)?.is_some() {
            return Ok(ProjectTold::Untold);
        }
        match wire::project(&reply.json)? {
            (told, path) if told == id => Ok(ProjectTold::There(path)),
            _ => Err(Outage::broken("another project")),
        }
    }
}
