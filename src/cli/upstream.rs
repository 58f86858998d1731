//! `artigate upstream`: checks whether an upstream answers what artigate asks it, and fetches archives from it.

use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use secrecy::SecretString;
use serde_json::json;

use super::listing::{self, Record};
use super::progress::Progress;
use super::{CommandError, Maintenance, environment};
use crate::app::{archive_limits, pulls};
use crate::domain::expiry::parse_seconds;
use crate::domain::project::ProjectRef;
use crate::domain::{Clock, Error, Timestamp, byte_size};
use crate::ingest::Ingest;
use crate::ingest::pull::{Fetched, Pace};
use crate::settings::{PullMode, Settings, UpstreamKind, UpstreamSettings};
use crate::upstream::{Asker, CheckOutcome, Checked, Place, Upstream};

/// The variable that holds the token to ask with.
const TOKEN: &str = "ARTIGATE_UPSTREAM_TOKEN";

pub(super) const EXAMPLES: &str = "\
Examples:
  ARTIGATE_UPSTREAM_TOKEN=$(cat token) artigate upstream check gitlab
  ARTIGATE_UPSTREAM_TOKEN=$CI_JOB_TOKEN artigate upstream check gitlab --project group/app --json
  ARTIGATE_UPSTREAM_TOKEN=$(cat token) artigate upstream pull gitlab --project group/app --since '30 days'";

#[derive(Debug, Subcommand)]
pub(super) enum UpstreamCommand {
    /// Ask an upstream everything once, with the token in `ARTIGATE_UPSTREAM_TOKEN`.
    ///
    /// Prints what works, what the token may not ask, how far the upstream's clock is ahead, and how many calls are
    /// left within its limits. The token is a user's, or that of a running job. Changes nothing; exits with code 1
    /// if something does not work.
    Check {
        /// Name of the upstream in the settings.
        name: String,
        /// Path or ID of the project to ask about; by default one of the user's, or the job's.
        #[arg(long, value_name = "PROJECT")]
        project: Option<String>,
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Fetch the archives of a project that only the upstream has, with the token in `ARTIGATE_UPSTREAM_TOKEN`.
    ///
    /// Begins with the newest job, leaves out what is here, waits for the upstream's rate limits, and may be
    /// interrupted and run again. The token is a user's, of a member of the project. The copies are kept as those
    /// that readers cause: within `cache_size`, for at most 30 days. When that is full, it ends with code 1: no copy
    /// gives way to one that nobody has asked for.
    Pull {
        /// Name of the upstream in the settings.
        name: String,
        /// Path or ID of the project.
        #[arg(long, value_name = "PROJECT")]
        project: String,
        /// Take the jobs that were created within this time.
        #[arg(long, value_name = "DURATION", default_value = "30 days")]
        since: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs a sub-command.
pub(super) fn run(settings: &Settings, command: &UpstreamCommand) -> Result<(), CommandError> {
    match command {
        UpstreamCommand::Check { name, project, json } => check(settings, name, project.as_deref(), *json),
        UpstreamCommand::Pull { name, project, since, json } => pull(settings, name, project, since, *json),
    }
}

fn check(settings: &Settings, name: &str, project: Option<&str>, json: bool) -> Result<(), CommandError> {
    let upstream = Upstream::new(find(settings, name)?, Clock::System).map_err(CommandError::startup)?;
    let token = token()?;
    let project = project.map(project_ref);
    let checked = super::runtime()?.block_on(upstream.check(&token, project.as_ref()));
    listing::print_all(&["question", "answer", "needed for"], &records(&checked), json)?;
    let broken = checked.lines.iter().filter(|line| matches!(line.outcome, CheckOutcome::Fails(_))).count();
    let works = checked.lines.iter().any(|line| matches!(line.outcome, CheckOutcome::Works(_)));
    match (broken, works) {
        (0, true) => Ok(()),
        (0, false) => Err(CommandError::Data(anyhow::Error::msg("the upstream refuses the token"))),
        (broken, _) => {
            Err(CommandError::Data(anyhow::anyhow!("the upstream does not answer {broken} of the questions")))
        }
    }
}

fn pull(
    settings: &Settings,
    name: &str,
    project: &str,
    since: &str,
    as_json: bool,
) -> Result<(), CommandError> {
    let found = find(settings, name)?;
    if found.pull == PullMode::Off {
        return Err(wrong(format!("pull of {name} is off")));
    }
    let seconds = parse_seconds(since).map_err(|why| wrong(format!("--since: {why}")))?;
    let millis = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    let since = Timestamp::from_millis(Clock::System.now().as_millis().saturating_sub(millis));
    let asker = Asker::with_token(Place::Bearer, &token()?).filter(|asker| !asker.is_job());
    let asker = asker.ok_or_else(|| wrong(format!("{TOKEN} holds no token of a user")))?;
    let parts = Maintenance::open(settings)?;
    let upstream = Upstream::new(found, Clock::System).map_err(CommandError::startup)?;
    let limits = archive_limits(settings);
    let concurrent = settings.concurrent_uploads;
    let (catalog, store) = (parts.catalog.clone(), parts.store.clone());
    let ingest = Ingest::new(catalog, store, limits, concurrent, Clock::System);
    let ingest = Arc::new(ingest);
    let pulls = pulls(settings, Arc::clone(&ingest), Some(upstream), Clock::System);
    let project = project_ref(project);
    let progress = Progress::new("archives of the upstream", None);
    let watched = Watched(&progress);
    let done = parts.runtime.block_on(async {
        let fetching = pulls.fetch_all(&asker, &project, since, &watched);
        let done = fetching.await.map_err(Error::from);
        ingest.writers().retire().await;
        done
    });
    progress.finish();
    let Fetched { fetched, held, failed, is_full } = done?;
    if as_json {
        println!("{}", json!({ "fetched": fetched, "held": held, "failed": failed, "full": is_full }));
    } else {
        println!("{fetched} archives fetched, {held} were here, {failed} not fetched");
    }
    if is_full {
        let size = byte_size::show(found.cache_bytes);
        return Err(CommandError::Data(anyhow::anyhow!(
            "the cache is full: there is no room for the archives of older jobs; cache_size of {name} is {size}"
        )));
    }
    match failed {
        0 => Ok(()),
        _ => Err(CommandError::Data(anyhow::Error::msg("some archives were not fetched; the log says why"))),
    }
}

/// Shows the progress, and waits where the upstream's rate limits demand it.
struct Watched<'a>(&'a Progress);

impl Pace for Watched<'_> {
    fn advance(&self, count: usize) {
        self.0.advance(count);
    }

    async fn pause(&self, time: Duration) {
        self.0
            .note(&format!("waiting for {} s: the upstream takes no more calls until then", time.as_secs()));
        tokio::time::sleep(time).await;
    }
}

/// Returns the token to ask with.
fn token() -> Result<SecretString, CommandError> {
    let token = environment()?.find(|(variable, _)| variable == TOKEN).map(|(_, text)| text);
    let token = token.filter(|text| !text.is_empty());
    Ok(token.ok_or_else(|| wrong(format!("{TOKEN} is not set: it holds the token to ask with")))?.into())
}

fn project_ref(text: &str) -> ProjectRef {
    text.parse().map_or_else(|_| ProjectRef::Path(text.to_owned()), ProjectRef::Id)
}

fn find<'a>(settings: &'a Settings, name: &str) -> Result<&'a UpstreamSettings, CommandError> {
    let found = settings.upstreams.iter().find(|upstream| upstream.name == name);
    let upstream = found.ok_or_else(|| {
        let names: Vec<&str> = settings.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
        wrong(match names[..] {
            [] => "the settings name no upstream".to_owned(),
            _ => format!("there is no upstream {name:?}; the settings name {}", names.join(", ")),
        })
    })?;
    match upstream.kind {
        UpstreamKind::GitLab => Ok(upstream),
        UpstreamKind::GitHub | UpstreamKind::Buildkite => {
            Err(wrong(format!("{name} is asked nothing: it is known by its ID tokens and events")))
        }
    }
}

fn wrong(why: String) -> CommandError {
    CommandError::Configuration(anyhow::Error::msg(why))
}

fn records(checked: &Checked) -> Vec<Record> {
    let record = |question: &str, answer: String, purpose: &str| {
        Record::default().with("question", question).with("answer", answer).with("needed for", purpose)
    };
    let mut records: Vec<Record> = Vec::new();
    for line in &checked.lines {
        let answer = match &line.outcome {
            CheckOutcome::Works(what) => format!("works: {what}"),
            CheckOutcome::Refused(status) => format!("the token may not: {status}"),
            CheckOutcome::Fails(why) => format!("fails: {why}"),
        };
        records.push(record(line.question, answer, line.purpose));
    }
    if let Some(seconds) = checked.clock_ahead_seconds {
        let answer = match seconds {
            0 => "the same".to_owned(),
            1.. => format!("{seconds} s ahead"),
            _ => format!("{} s behind", -seconds),
        };
        records.push(record("clock", answer, "ID tokens, expiry of tokens"));
    }
    if let Some(limit) = &checked.rate_limit {
        let answer = format!("{} of {} calls left", limit.remaining, limit.limit);
        records.push(record(&limit.name, answer, "everything"));
    }
    records
}
