//! News: what hooks of an upstream report, as far as their secrets may speak about a project and are believed.

use crate::access::{Access, AccessError};
use crate::catalog::Db;
use crate::catalog::clock::shared;
use crate::catalog::foreign::{
    self, Applied, EventKey, ForeignId, HiddenProject, Report, ReportedProject, ReturnedProject,
};
use crate::catalog::projects::Project;
use crate::domain::Timestamp;
use crate::domain::project::path_covers;
use crate::settings::{HookMode, HookSettings};

/// What a hook reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The states of a pipeline and jobs.
    Report(Box<Report>),
    /// A project has another path, or none because it was deleted.
    Moved {
        /// The project, with the path that it had.
        project: ReportedProject,
        /// Its path now.
        to: Option<String>,
        /// When that was so, by the upstream's clock, if the event says it.
        at: Option<Timestamp>,
    },
    /// Who may read a project, or a user's role in it, has changed.
    Rights {
        /// The project.
        project: ReportedProject,
        /// The user.
        user: Option<i64>,
    },
}

/// A delivery whose secret was proven.
#[derive(Debug, Clone)]
pub struct ProvenDelivery {
    /// What tells it from others.
    pub key: EventKey,
    /// Where the upstream's projects are below, if they do not have its own paths.
    pub prefix: Option<String>,
    /// The secrets that it was made with.
    pub secrets: Vec<(String, HookMode)>,
}

/// Why an event that is remembered is of no use.
const BEFORE: &str = "event was delivered before";

/// What became of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewsOutcome {
    /// They are in the catalog.
    Taken,
    /// They are kept as a hint of what to ask about.
    Noted,
    /// They are of no use, for this reason.
    Ignored(&'static str),
}

impl ProvenDelivery {
    /// Returns how far a delivery made with these secrets is believed.
    pub fn secrets_of(secrets: &[&HookSettings]) -> Vec<(String, HookMode)> {
        secrets.iter().map(|secret| (secret.scope.clone(), secret.mode)).collect()
    }

    /// Returns how far it is believed about a project that has this path here and, as it says, those at the upstream;
    /// `None` if it may not speak about it. All must be in the scope: who knows the secret of one group may write another
    /// project's number, or a path to move to, into an event.
    fn mode_for(&self, path: &str, said: &[&str]) -> Option<HookMode> {
        let below =
            |prefix: &String| path.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let own = match &self.prefix {
            Some(prefix) => below(prefix).unwrap_or(path),
            None => path,
        };
        let covers = |scope: &str| {
            scope == "*" || path_covers(scope, own) && said.iter().all(|said| path_covers(scope, said))
        };
        let modes = self.secrets.iter().filter(|(scope, _)| covers(scope)).map(|(_, mode)| *mode);
        modes.max_by_key(|mode| *mode == HookMode::Trust)
    }
}

impl Access {
    /// Takes news over, or notes them.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn take_news(
        &self,
        delivery: ProvenDelivery,
        news: News,
        now: Timestamp,
    ) -> Result<NewsOutcome, AccessError> {
        // Most news of a large system are about projects of which nothing is kept here: they take no writer's turn.
        let (asked, about) = (delivery.clone(), news.clone());
        if let Err(why) = self.catalog.read(move |db| admit(db, &asked, &about)).await? {
            return Ok(NewsOutcome::Ignored(why));
        }
        let about = news.project().clone();
        if let News::Rights { user, .. } = news {
            // Who may read what is nowhere stored.
            self.forget(&about, user);
            return Ok(NewsOutcome::Noted);
        }
        let clock = self.clock.clone();
        let taking = self.catalog.write(move |db| {
            let mode = match admit(db, &delivery, &news)? {
                Ok(mode) => mode,
                Err(why) => return Ok((NewsOutcome::Ignored(why), Appearance::Same)),
            };
            match mode {
                HookMode::Hint => Ok((note(db, &delivery, &news, now)?, Appearance::Same)),
                HookMode::Trust => {
                    let shared = shared(db, &clock)?;
                    take(db, &delivery, &news, (now, shared))
                }
            }
        });
        let taken: Result<(NewsOutcome, Appearance), AccessError> = taking.await;
        let outcome = taken.map(|(outcome, appearance)| {
            match appearance {
                Appearance::Same => {}
                Appearance::Hidden(hidden) => self.note_hidden(&about.upstream, &hidden),
                Appearance::Returned(returned) => self.note_returned(&about.upstream, Some(returned)),
            }
            outcome
        });
        // Believed or not, what is remembered of the project may be old.
        if matches!(outcome, Ok(NewsOutcome::Taken | NewsOutcome::Noted)) {
            self.forget(&about, None);
            self.hints.notify_one();
        }
        outcome
    }

    /// Forgets what the upstream has told of a project, and of a user.
    fn forget(&self, project: &ReportedProject, user: Option<i64>) {
        let upstream = self.upstream.as_ref().filter(|upstream| upstream.name() == project.upstream);
        let (Some(upstream), ForeignId::Number(id)) = (upstream, &project.id) else { return };
        upstream.forget_project(*id);
        if let Some(user) = user {
            upstream.forget_user(user);
        }
    }
}

impl News {
    fn project(&self) -> &ReportedProject {
        match self {
            Self::Report(report) => &report.project,
            Self::Moved { project, .. } | Self::Rights { project, .. } => project,
        }
    }
}

/// Finds out how far a delivery is believed, or why it is of no use.
fn admit(
    db: &mut Db,
    delivery: &ProvenDelivery,
    news: &News,
) -> Result<Result<HookMode, &'static str>, AccessError> {
    let project = news.project();
    let said = match news {
        News::Report(report) => vec![report.foreign_path.as_str()],
        News::Moved { project, to, .. } => {
            std::iter::once(project.path.as_str()).chain(to.as_deref()).collect()
        }
        News::Rights { project, .. } => vec![project.path.as_str()],
    };
    let Some(known) = foreign::known_project(db, project)? else {
        return Ok(Err("nothing of the project is kept here"));
    };
    // A move out of the scope is not its to tell, and still says that what is remembered may be old.
    let of_old_path = || delivery.mode_for(&known.path, &said[..1]).map(|_| HookMode::Hint);
    let Some(mode) = delivery.mode_for(&known.path, &said).or_else(of_old_path) else {
        return Ok(Err("project is outside of the scope of the hook's secret"));
    };
    if !foreign::is_new_event(db, delivery.key)? {
        return Ok(Err(BEFORE));
    }
    Ok(Ok(mode))
}

fn note(
    db: &mut Db,
    delivery: &ProvenDelivery,
    news: &News,
    now: Timestamp,
) -> Result<NewsOutcome, AccessError> {
    let report = match news {
        News::Report(report) => report,
        // What has moved is asked by its path again, and whether it is still there with the upstream's own token.
        News::Moved { project, .. } => {
            foreign::check_soon(db, project)?;
            return Ok(NewsOutcome::Noted);
        }
        News::Rights { .. } => return Ok(NewsOutcome::Noted),
    };
    let ForeignId::Number(pipeline) = report.pipeline else {
        return Ok(NewsOutcome::Ignored("nobody can be asked about a hint of this upstream"));
    };
    let is_new = foreign::remember_event(db, delivery.key, &report.project, Some(pipeline), now)?;
    Ok(if is_new { NewsOutcome::Noted } else { NewsOutcome::Ignored(BEFORE) })
}

/// What becomes of a project with an event about it.
enum Appearance {
    /// It stays as it is.
    Same,
    /// It is hidden.
    Hidden(HiddenProject),
    /// It shows again.
    Returned(ReturnedProject),
}

/// Takes news over. `shared` is the time that nodes agree on.
fn take(
    db: &mut Db,
    delivery: &ProvenDelivery,
    news: &News,
    (now, shared): (Timestamp, Timestamp),
) -> Result<(NewsOutcome, Appearance), AccessError> {
    let mut appearance = Appearance::Same;
    let (project, applied) = match news {
        News::Report(report) => {
            let of_jobs = report.jobs.iter().map(|job| job.state.clock);
            let of_pipeline = report.of_pipeline.iter().map(|(_, state)| state.clock);
            if let Some(told_at) = of_jobs.chain(of_pipeline).max() {
                appearance = show_again(db, &report.project, told_at)?;
            }
            (&report.project, foreign::apply_report(db, report, now)?)
        }
        News::Moved { project, to: Some(to), at } => {
            // It may be delivered late, so that the time of its delivery says nothing.
            if let Some(at) = at {
                appearance = show_again(db, project, *at)?;
            }
            (project, foreign::move_project(db, project, to, now)?)
        }
        News::Moved { project, to: None, .. } => {
            let known = foreign::known_project(db, project)?;
            let hidden = match known {
                Some(known) => foreign::hide(db, &project.upstream, known.id, shared)?,
                None => None,
            };
            match hidden {
                Some(hidden) => appearance = Appearance::Hidden(hidden),
                None => return Ok((NewsOutcome::Ignored("project is hidden already"), appearance)),
            }
            (project, Applied::Taken)
        }
        // What is remembered is asked again, whoever says so.
        News::Rights { .. } => return Ok((NewsOutcome::Noted, appearance)),
    };
    let outcome = match applied {
        Applied::Ignored(why) => NewsOutcome::Ignored(why),
        Applied::Older => NewsOutcome::Ignored("what is known is newer"),
        // Another node that took it at the same time has done the same.
        Applied::Taken => {
            let is_new = foreign::remember_event(db, delivery.key, project, None, now)?;
            if is_new { NewsOutcome::Taken } else { NewsOutcome::Ignored(BEFORE) }
        }
    };
    Ok((outcome, appearance))
}

/// Shows a hidden project again of which an event tells what happened well after it was hidden: what happened before the
/// deletion may be delivered after it.
fn show_again(db: &mut Db, project: &ReportedProject, told_at: Timestamp) -> Result<Appearance, AccessError> {
    let Some(known) = foreign::known_project(db, project)?.filter(Project::is_gone) else {
        return Ok(Appearance::Same);
    };
    let returned = foreign::tell_again(db, &project.upstream, known.id, told_at)?;
    Ok(returned.map_or(Appearance::Same, Appearance::Returned))
}
