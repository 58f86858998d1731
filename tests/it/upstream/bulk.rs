//! `artigate upstream pull`: the archives of a project before anybody asks for them.

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use artigate::domain::Timestamp;
use artigate::domain::project::ProjectRef;
use artigate::ingest::pull::{Fetched, Pace, PullFailure};
use artigate::upstream::{Asker, Place};

use super::pulling::{OLD, archive, downloads, get, pulling_on_both, pulls, with_archives};
use super::{BUILD, DEVELOPER, OUTSIDER, World, small};
use crate::program::artigate;
use crate::support::gateway::PostgresDatabase;
use crate::support::gitlab::{Failure, StubGitLab, StubJob, StubPipeline};
use crate::support::until;

pulling_on_both!(
    the_archives_of_a_project_are_fetched_in_bulk_and_only_once,
    it_waits_as_long_as_the_upstream_says_and_goes_on,
);

mod it_ends_when_there_is_no_room_and_keeps_the_newest {
    use super::{World, roomy, with_archives};

    #[test]
    fn on_sqlite() {
        super::it_ends_when_there_is_no_room_and_keeps_the_newest(with_archives(World::on_sqlite(roomy)));
    }

    #[test]
    fn on_postgres() {
        super::it_ends_when_there_is_no_room_and_keeps_the_newest(with_archives(World::on_postgres(roomy)));
    }
}

/// An upstream whose copies may take as much as two and a half archives.
fn roomy(settings: &mut artigate::settings::UpstreamSettings) {
    pulls(settings);
    settings.cache_bytes = archive().len() as u64 * 5 / 2;
}

/// What is watched of the work, which waits by moving the gateway's clock.
struct Watched<'a> {
    world: &'a World,
    done: Mutex<usize>,
    pauses: Mutex<Vec<u64>>,
    /// What happens at each pause.
    at_pause: &'a (dyn Fn() + Sync),
}

impl Pace for Watched<'_> {
    fn advance(&self, count: usize) {
        *self.done.lock().unwrap() += count;
    }

    async fn pause(&self, time: Duration) {
        self.pauses.lock().unwrap().push(time.as_secs());
        self.world.gateway.advance_clock(time.as_secs() as i64);
        (self.at_pause)();
    }
}

/// Fetches all; returns what became of them, how many were counted as done, and the pauses.
fn fetch_all(world: &World, at_pause: &(dyn Fn() + Sync)) -> (Result<Fetched, PullFailure>, usize, Vec<u64>) {
    let watched = Watched { world, done: Mutex::default(), pauses: Mutex::default(), at_pause };
    let asker = Asker::with_token(Place::Bearer, &DEVELOPER.to_owned().into()).unwrap();
    let project = ProjectRef::Path("group/app".into());
    let since = Timestamp::parse("2026-01-02T12:00:00Z").unwrap();
    let pulls = &world.gateway.app.pulls;
    let fetching = async { pulls.fetch_all(&asker, &project, since, &watched).await };
    let fetched = world.gateway.block_on(fetching);
    (fetched, watched.done.into_inner().unwrap(), watched.pauses.into_inner().unwrap())
}

fn counts(world: &World) -> (usize, usize, usize, bool) {
    let Fetched { fetched, held, failed, is_full } = fetch_all(world, &|| {}).0.unwrap();
    (fetched, held, failed, is_full)
}

fn is_here(world: &World, id: i64) -> bool {
    world.gateway.catalog(move |db| artigate::catalog::copies::jobs_with_archive(db, &[id])).len() == 1
}

fn the_archives_of_a_project_are_fetched_in_bulk_and_only_once(world: World) {
    world.gitlab.state().jobs.insert(5004, StubJob::of(501, "none", "success", None));
    world.gitlab.state().jobs.get_mut(&5002).unwrap().archive_level = 40;
    assert_eq!(counts(&world), (2, 0, 1, false), "one may not be read");
    world.gitlab.state().jobs.get_mut(&5002).unwrap().archive_level = 0;
    assert_eq!(counts(&world), (1, 2, 0, false), "it goes on where it was");
    world.gitlab.calls();
    let (fetched, done, pauses) = fetch_all(&world, &|| {});
    assert_eq!(fetched.unwrap(), Fetched { held: 3, ..Fetched::default() });
    assert_eq!((done, pauses), (3, vec![]), "each counts as done");
    assert_eq!(world.gitlab.asked().len(), 2, "what is here costs the list alone");
    assert!(get(&world, OLD, DEVELOPER).body == archive());
    assert_eq!(get(&world, OLD, OUTSIDER).status, 404);
    assert_eq!(downloads(&world), 0);
}

fn it_ends_when_there_is_no_room_and_keeps_the_newest(world: World) {
    assert_eq!(counts(&world), (2, 0, 0, true));
    assert_eq!([5001, 5002, 5003].map(|id| is_here(&world, id)), [false, true, true]);
    assert_eq!(world.gateway.sweep().expired, 0, "it fits");
    assert_eq!(counts(&world), (0, 2, 0, true));
    // What somebody asks for comes first, and the oldest job's copy gives way.
    assert_eq!(get(&world, OLD, DEVELOPER).status, 200);
    assert_eq!([5001, 5002, 5003].map(|id| is_here(&world, id)), [true, false, true]);
}

fn it_waits_as_long_as_the_upstream_says_and_goes_on(world: World) {
    let fail = |failure: Option<Failure>| world.gitlab.state().failure = failure;
    fail(Some(Failure::Limited(17)));
    let (fetched, done, pauses) = fetch_all(&world, &|| fail(None));
    assert_eq!(fetched.unwrap(), Fetched { fetched: 3, ..Fetched::default() });
    assert_eq!((done, pauses), (3, vec![17]));
    // Between two pages, too, when few calls are left for others.
    {
        let now = world.gateway.now().as_millis() / 1000;
        let mut state = world.gitlab.state();
        state.calls_left = Some((149, now as u64 + 23));
        for id in 6000..6100 {
            state.jobs.insert(id, StubJob::of(501, "none", "success", None));
        }
    }
    let (fetched, done, pauses) = fetch_all(&world, &|| {
        let now = world.gateway.now().as_millis() / 1000;
        world.gitlab.state().calls_left = Some((1990, now as u64 + 60));
    });
    assert_eq!((fetched.unwrap().held, done), (3, 3));
    assert_eq!(pauses, [23]);
    // One that never answers is given up.
    fail(Some(Failure::Limited(1)));
    let (fetched, _, pauses) = fetch_all(&world, &|| {});
    assert!(fetched.is_err());
    assert_eq!(pauses, [1; 9]);
}

/// A directory with settings for a GitLab with three archives, and an empty database.
struct Outside {
    gitlab: StubGitLab,
    folder: tempfile::TempDir,
    database: Option<PostgresDatabase>,
}

fn outside(database: Option<PostgresDatabase>, more: &str) -> Outside {
    let gitlab = small();
    {
        let mut state = gitlab.state();
        let (ref_name, status, source) = ("old", "success", "push");
        state.pipelines.insert(501, StubPipeline { project: 7, ref_name, status, source, parent: None });
        for id in [5001, 5002, 5003] {
            let mut job = StubJob::of(501, "build", "success", Some(30));
            job.archive = Some(archive());
            state.jobs.insert(id, job);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("[[upstream]]\nname = 'main'\nkind = 'gitlab'\nurl = '{}'\n{more}\n", gitlab.url);
    std::fs::write(folder.path().join("artigate.toml"), settings).unwrap();
    let outside = Outside { gitlab, folder, database };
    assert!(outside.command(&["migrate"]).output().unwrap().status.success());
    outside
}

impl Outside {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = artigate(self.folder.path(), arguments);
        if let Some(database) = &self.database {
            command.env("ARTIGATE_DATABASE__URL", &database.url);
        }
        command
    }
}

/// Runs the command: the exit code, and what it printed to both outputs.
fn pull(outside: &Outside, arguments: &[&str], token: &str) -> (Option<i32>, String, String) {
    let all =
        [&["upstream", "pull", "main", "--project", "group/app", "--since", "50 years"], arguments].concat();
    let output = outside.command(&all).env("ARTIGATE_UPSTREAM_TOKEN", token).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(!out.contains(token) && !err.contains(token), "{out}{err}");
    (output.status.code(), out, err)
}

/// Declares tests of the command that run once on each database.
macro_rules! by_command_on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                super::$name(None);
            }

            #[test]
            fn on_postgres() {
                super::$name(Some(crate::support::gateway::PostgresDatabase::create()));
            }
        }
    )+};
}

by_command_on_both!(
    the_command_tells_what_it_fetched_and_where_it_waits,
    the_command_says_that_the_cache_is_full,
);

fn the_command_tells_what_it_fetched_and_where_it_waits(database: Option<PostgresDatabase>) {
    let outside = outside(database, "");
    let gitlab = &outside.gitlab;
    gitlab.state().failure = Some(Failure::Limited(1));
    std::thread::scope(|scope| {
        let pulling = scope.spawn(|| pull(&outside, &[], DEVELOPER));
        until(60_000, "it is told to wait", || gitlab.count() > 0);
        gitlab.state().failure = None;
        let (code, out, err) = pulling.join().unwrap();
        assert_eq!(
            (code, out.as_str()),
            (Some(0), "3 archives fetched, 0 were here, 0 not fetched\n"),
            "{err}"
        );
        assert!(err.contains("waiting for 1 s: the upstream takes no more calls until then"), "{err}");
    });
    let (code, out, err) = pull(&outside, &["--json"], DEVELOPER);
    assert_eq!((code, out.trim()), (Some(0), r#"{"failed":0,"fetched":0,"full":false,"held":3}"#), "{err}");
    let (code, _, err) = pull(&outside, &[], OUTSIDER);
    assert!(code == Some(1) && err.contains("there is no such project for this token"), "{err}");
    let (code, _, err) = pull(&outside, &[], BUILD);
    assert!(code == Some(2) && err.contains("holds no token of a user"), "{err}");
    gitlab.calls();
}

fn the_command_says_that_the_cache_is_full(database: Option<PostgresDatabase>) {
    let outside = outside(database, "cache_size = '500 KiB'");
    let gitlab = &outside.gitlab;
    let (code, out, err) = pull(&outside, &[], DEVELOPER);
    assert_eq!((code, out.as_str()), (Some(1), "2 archives fetched, 0 were here, 0 not fetched\n"), "{err}");
    assert!(err.contains("the cache is full") && err.contains("cache_size of main is 500 KiB"), "{err}");
    gitlab.calls();
}
