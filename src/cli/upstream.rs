//! `artigate upstream`: checks whether an upstream answers what artigate asks it.

use clap::Subcommand;
use secrecy::SecretString;

use super::listing::{self, Record};
use super::{CommandError, environment};
use crate::domain::Clock;
use crate::domain::project::ProjectRef;
use crate::settings::{Settings, UpstreamKind, UpstreamSettings};
use crate::upstream::{CheckOutcome, Checked, Upstream};

/// The variable that holds the token to ask with.
const TOKEN: &str = "ARTIGATE_UPSTREAM_TOKEN";

pub(super) const EXAMPLES: &str = "\
Examples:
  ARTIGATE_UPSTREAM_TOKEN=$(cat token) artigate upstream check gitlab
  ARTIGATE_UPSTREAM_TOKEN=$CI_JOB_TOKEN artigate upstream check gitlab --project group/app --json";

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
}

/// Runs a sub-command.
pub(super) fn run(settings: &Settings, command: &UpstreamCommand) -> Result<(), CommandError> {
    let UpstreamCommand::Check { name, project, json } = command;
    let upstream = Upstream::new(find(settings, name)?, Clock::System).map_err(CommandError::startup)?;
    let token = environment()?.find(|(variable, _)| variable == TOKEN).map(|(_, text)| text);
    let token = token.filter(|text| !text.is_empty());
    let token: SecretString =
        token.ok_or_else(|| wrong(format!("{TOKEN} is not set: it holds the token to ask with")))?.into();
    let project = project.as_deref().map(|text| match text.parse() {
        Ok(id) => ProjectRef::Id(id),
        Err(_) => ProjectRef::Path(text.to_owned()),
    });
    let checked = super::runtime()?.block_on(upstream.check(&token, project.as_ref()));
    listing::print_all(&["question", "answer", "needed for"], &records(&checked), *json)?;
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
