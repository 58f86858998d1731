//! The lookup by ref in one SQL statement, compared with the general lookup over generated pipeline families.
//!
//! The server uses the general lookup for job tokens. So each generated project has one running job per user,
//! and the answer to the user is compared with the answer to the job. Below that, the statement itself is
//! compared with the catalog's general functions.

use artigate::catalog::artifact_access::ArtifactAccess;
use artigate::catalog::{artifacts, latest, projects, tokens};
use artigate::domain::Sha256Digest;
use artigate::domain::artifact::{Accessibility, ArtifactName};
use artigate::domain::expiry::is_available;
use artigate::domain::project::{ProjectRef, Visibility};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::support::fixtures::{self, MEMBERS, USERS};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};
use crate::support::zips;

const PROJECTS: usize = 60;
const REFS: [&str; 2] = ["main", "dev"];
const NAMES: [&str; 2] = ["build", "test"];
const ROLES: [&str; 6] = ["admin", "maintainer", "developer", "reporter", "guest", "outsider"];

#[derive(Debug, Clone)]
struct GeneratedJob {
    name: &'static str,
    status: &'static str,
    retried: bool,
    /// Each with an expiry, or without one.
    archive: Option<(Accessibility, bool)>,
    report: Option<bool>,
}

#[derive(Debug, Clone)]
struct GeneratedPipeline {
    ref_name: &'static str,
    status: &'static str,
    source: &'static str,
    /// Counted from the project's first pipeline on, if it is one of those before this one.
    parent: Option<usize>,
    jobs: Vec<GeneratedJob>,
}

#[derive(Debug, Clone)]
struct GeneratedProject {
    visibility: Visibility,
    public_jobs: bool,
    keep_latest: bool,
    /// Whether parents have higher numbers than their children.
    reversed: bool,
    pipelines: Vec<GeneratedPipeline>,
}

fn a_job() -> impl Strategy<Value = GeneratedJob> {
    let status = select(vec!["success", "success", "success", "success", "failed", "running"]);
    let archive = proptest::option::weighted(0.8, (select(Accessibility::ALL.to_vec()), any::<bool>()));
    let report = proptest::option::weighted(0.3, any::<bool>());
    (select(NAMES.to_vec()), status, proptest::bool::weighted(0.2), archive, report).prop_map(
        |(name, status, retried, archive, report)| GeneratedJob { name, status, retried, archive, report },
    )
}

fn a_pipeline() -> impl Strategy<Value = GeneratedPipeline> {
    let status = select(vec!["success", "success", "success", "failed", "running"]);
    let source = select(vec!["push", "push", "schedule", "pipeline", "webide", "parent_pipeline"]);
    let parent = proptest::option::weighted(0.4, 0..5_usize);
    (select(REFS.to_vec()), status, source, parent, proptest::collection::vec(a_job(), 0..6)).prop_map(
        |(ref_name, status, source, parent, jobs)| GeneratedPipeline {
            ref_name,
            status,
            source,
            parent,
            jobs,
        },
    )
}

fn a_project() -> impl Strategy<Value = GeneratedProject> {
    let pipelines = proptest::collection::vec(a_pipeline(), 1..6);
    (select(Visibility::ALL.to_vec()), proptest::bool::weighted(0.8), any::<bool>(), any::<bool>(), pipelines)
        .prop_map(|(visibility, public_jobs, keep_latest, reversed, pipelines)| GeneratedProject {
            visibility,
            public_jobs,
            keep_latest,
            reversed,
            pipelines,
        })
}

/// The same ones at each run.
fn generated() -> Vec<GeneratedProject> {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    proptest::collection::vec(a_project(), PROJECTS).new_tree(&mut runner).unwrap().current()
}

impl GeneratedProject {
    fn pipeline_id(&self, project: usize, pipeline: usize) -> usize {
        project * 100 + if self.reversed { self.pipelines.len() - pipeline } else { pipeline + 1 }
    }

    /// The last job of that name that counts in the newest pipeline of the ref that counts.
    fn first_job(&self, project: usize, ref_name: &str, job_name: &str) -> Option<i64> {
        let counts = |pipeline: &GeneratedPipeline| {
            pipeline.ref_name == ref_name
                && pipeline.status == "success"
                && !["webide", "parent_pipeline"].contains(&pipeline.source)
        };
        let newest = (0..self.pipelines.len())
            .filter(|pipeline| counts(&self.pipelines[*pipeline]))
            .max_by_key(|pipeline| self.pipeline_id(project, *pipeline))?;
        let job = self.pipelines[newest]
            .jobs
            .iter()
            .rposition(|job| job.name == job_name && job.status == "success" && !job.retried)?;
        Some((self.pipeline_id(project, newest) * 10 + job) as i64)
    }

    /// As YAML. Job tokens are `glcbt-PROJECT-USER`; every download has its job's name.
    fn document(&self, project: usize) -> String {
        let mut text = format!(
            "  - {{id: {project}, path: group/Project-{project}, visibility: {}, public_jobs: {}, \
             keep_latest_artifact: {}, members: {MEMBERS}, pipelines: [",
            self.visibility, self.public_jobs, self.keep_latest
        );
        for (number, pipeline) in self.pipelines.iter().enumerate() {
            let id = self.pipeline_id(project, number);
            let parent = pipeline.parent.filter(|parent| *parent < number);
            let parent = parent.map_or("null".into(), |parent| self.pipeline_id(project, parent).to_string());
            text.push_str(&format!(
                "\n    {{id: {id}, ref: {}, sha: a, status: {}, source: {}, parent: {parent}, jobs: [",
                pipeline.ref_name, pipeline.status, pipeline.source
            ));
            for (number, job) in pipeline.jobs.iter().enumerate() {
                text.push_str(&job.document(id * 10 + number));
            }
            text.push_str("]},");
        }
        let running = ROLES.iter().enumerate().map(|(number, user)| {
            format!(
                "{{id: {}, name: asks, status: running, user: {user}, token: glcbt-{project}-{user}}}, ",
                project * 1000 + 900 + number
            )
        });
        let running: String = running.collect();
        text.push_str(&format!(
            "\n    {{id: {}, ref: askers, sha: a, status: running, jobs: [{running}]}}]}}\n",
            project * 100 + 90
        ));
        text
    }
}

impl GeneratedJob {
    fn document(&self, id: usize) -> String {
        let expiry = |expires: bool| if expires { "1 hour" } else { "never" };
        let mut artifacts = String::new();
        if let Some((accessibility, expires)) = self.archive {
            artifacts = format!(
                "{{file: archive.zip, filename: job-{id}.zip, accessibility: {accessibility}, expire_in: {}}}, ",
                expiry(expires)
            );
        }
        if let Some(expires) = self.report {
            artifacts.push_str(&format!("{{type: junit, file: report.gz, expire_in: {}}}", expiry(expires)));
        }
        let Self { name, status, retried, .. } = self;
        format!(
            "\n      {{id: {id}, name: {name}, status: {status}, retried: {retried}, artifacts: [{artifacts}]}},"
        )
    }
}

fn load(gateway: &Gateway) -> Vec<GeneratedProject> {
    gateway.write_file("archive.zip", &zips::deflated(&[("who", b"somebody")]));
    gateway.write_file("report.gz", b"report");
    let generated = generated();
    let projects = generated.iter().enumerate().map(|(number, project)| project.document(number + 1));
    let projects: String = projects.collect();
    gateway.load(&format!(
        "{USERS}
  - id: 7
    username: forgetful
    tokens:
      - {{value: glpat-expired, scopes: [api], expires_at: 2020-01-01}}
      - {{value: glpat-revoked, scopes: [api], revoked: true}}
      - {{value: glpat-narrow, scopes: [read_user]}}
projects:
{projects}"
    ));
    generated
}

/// Every question there is about a project.
fn questions() -> impl Iterator<Item = (&'static str, &'static str)> {
    REFS.into_iter().flat_map(|ref_name| NAMES.into_iter().map(move |name| (ref_name, name)))
}

fn shown(answer: &Answer) -> (u16, Option<&str>, Option<&str>, &[u8]) {
    (answer.status, answer.header("content-disposition"), answer.header("etag"), &answer.body)
}

/// Holds the statement against the general way, and counts where it had to find, and where it must not.
fn compare_in_the_catalog(gateway: &Gateway, generated: &[GeneratedProject]) -> (usize, usize) {
    let (mut found_at_once, mut left) = (0, 0);
    let now = gateway.now();
    for (number, spec) in generated.iter().enumerate().map(|(number, spec)| (number + 1, spec)) {
        for (ref_name, job_name) in questions() {
            let digest = Sha256Digest::of(fixtures::REPORTER.as_bytes());
            let by_path = ProjectRef::Path(format!("GROUP/project-{number}"));
            let by_id = ProjectRef::Id(number as i64);
            let (at_once, by_path, general, role, token) = gateway.catalog(move |db| {
                let at_once = ArtifactAccess::find_by_ref(db, &by_id, ref_name, job_name, Some(digest), now)?;
                let by_path = ArtifactAccess::find_by_ref(db, &by_path, ref_name, job_name, None, now)?;
                let project = projects::find(db, &by_id)?.unwrap();
                let found = latest::job_by_ref(db, &project, ref_name, job_name, now)?;
                let job = found.map(|(job, _)| job);
                let archive = match &job {
                    Some(job) => artifacts::find(db, job.id, &ArtifactName::ARCHIVE)?,
                    None => None,
                };
                let token = tokens::find(db, digest)?.unwrap();
                let role = projects::role_of(db, project.id, token.1.id)?;
                Ok((at_once, by_path, job.zip(archive), role, token))
            });
            // The first job to look at, with an archive that can be read: that is to be found at once.
            let first = spec.first_job(number, ref_name, job_name);
            let expected = general.filter(|(job, archive)| {
                Some(job.id) == first && is_available(archive.expire_at, spec.keep_latest, now)
            });
            let ids = expected.map(|(job, archive)| (job.id, archive.id));
            let what = format!("{number} {ref_name} {job_name}: {spec:?}");
            assert_eq!(at_once.as_ref().map(|found| (found.job.id, found.artifact.id)), ids, "{what}");
            assert_eq!(by_path.as_ref().map(|found| (found.job.id, found.artifact.id)), ids, "{what}");
            match (at_once, by_path) {
                (Some(at_once), Some(by_path)) => {
                    found_at_once += 1;
                    let (known, user) = at_once.token.unwrap();
                    assert_eq!((known.sha256, user.id, at_once.role), (token.0.sha256, token.1.id, role));
                    assert!(by_path.token.is_none() && by_path.role.is_none(), "nobody asks");
                    assert_eq!((at_once.project.id, by_path.project.id), (number as i64, number as i64));
                }
                _ => left += 1,
            }
        }
    }
    (found_at_once, left)
}

/// Asks over HTTP in person and as a job, for one project.
fn compare_over_http(gateway: &Gateway, number: usize, spec: &GeneratedProject) {
    for (ref_name, job_name) in questions() {
        let path = format!("/api/v4/projects/{number}/jobs/artifacts/{ref_name}/download?job={job_name}");
        let by_path = path.replace(&format!("/{number}/"), &format!("/group%2Fproject-{number}/"));
        let ask = |request: Request| request.send();
        let mut outsider = None;
        for user in ROLES {
            let token = format!("glpat-{user}");
            let general = ask(gateway.get(&path).job_token(&format!("glcbt-{number}-{user}")));
            for answer in [
                ask(gateway.get(&path).private_token(&token)),
                ask(gateway.get(&by_path).header("Authorization", &format!("Bearer {token}"))),
            ] {
                assert_eq!(shown(&answer), shown(&general), "{user} {path}: {spec:?}");
            }
            outsider = Some(general);
        }
        let nobody = ask(gateway.get(&path));
        match spec.visibility {
            Visibility::Public => assert_eq!(shown(&nobody), shown(&outsider.unwrap()), "{path}: {spec:?}"),
            _ => assert_eq!(nobody.error(), (404, r#"{"message":"404 Project Not Found"}"#), "{path}"),
        }
        // The same address may be wrong so often a minute.
        let tokens =
            [("glpat-expired", 401), ("glpat-revoked", 401), ("glpat-nonesuch", 401), ("glpat-narrow", 403)];
        for (token, status) in tokens.into_iter().filter(|_| number <= 4) {
            assert_eq!(ask(gateway.get(&path).private_token(token)).status, status, "{token} {path}");
        }
    }
}

on_both_databases!(
    one_statement_finds_what_the_general_way_finds,
    a_user_is_told_what_the_users_job_is_told,
    a_text_that_no_column_holds_is_told_behind_a_token_that_is_not_good
);

fn one_statement_finds_what_the_general_way_finds(gateway: Gateway) {
    let generated = load(&gateway);
    for hours in 0..2 {
        gateway.advance_clock(hours * 3600);
        let (found, left) = compare_in_the_catalog(&gateway, &generated);
        assert!(found > 20 && left > 20, "the families show too little: {found}, {left}");
    }
}

fn a_user_is_told_what_the_users_job_is_told(gateway: Gateway) {
    let generated = load(&gateway);
    gateway.advance_clock(1800);
    for (number, spec) in generated.iter().enumerate() {
        compare_over_http(&gateway, number + 1, spec);
        if number == PROJECTS / 2 {
            gateway.advance_clock(3600);
        }
    }
}

fn a_text_that_no_column_holds_is_told_behind_a_token_that_is_not_good(gateway: Gateway) {
    load(&gateway);
    for path in ["1/jobs/artifacts/main%00/download?job=build", "1/jobs/artifacts/main/download?job=build%00"]
    {
        let path = format!("/api/v4/projects/{path}");
        assert_eq!(gateway.get(&path).private_token("glpat-nonesuch").send().status, 401, "{path}");
        let (in_person, as_job) = (
            gateway.get(&path).private_token(fixtures::ADMIN).send(),
            gateway.get(&path).job_token("glcbt-1-admin").send(),
        );
        assert_eq!(shown(&in_person), shown(&as_job), "{path}");
    }
}
