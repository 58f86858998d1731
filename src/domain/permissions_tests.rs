//! Every cell of the permission table, generated, and compared with the table as GitLab's documentation
//! prints it: one line of letters per caller, written by hand and not computed.

use super::*;

const CALLERS: &[(&str, Grant)] = &[
    ("anonymous", Grant::Anonymous),
    ("outsider", user(false, None)),
    ("guest", user(false, Some(Role::Guest))),
    ("planner", user(false, Some(Role::Planner))),
    ("reporter", user(false, Some(Role::Reporter))),
    ("developer", user(false, Some(Role::Developer))),
    ("maintainer", user(false, Some(Role::Maintainer))),
    ("owner", user(false, Some(Role::Owner))),
    ("admin", user(true, None)),
];

#[test]
fn a_vouched_job_reads_its_own_project_and_does_nothing_else() {
    for visibility in Visibility::ALL.iter().copied() {
        for public_jobs in [true, false] {
            let project = Project { visibility, public_jobs };
            let decide = |own, action| authorize(Grant::VouchedJob { own }, action, project);
            for action in [
                Action::SeeProject,
                Action::ReadJobs,
                Action::ReadArtifact(Accessibility::Public),
                Action::ReadArtifact(Accessibility::Maintainer),
                Action::FetchDependency(Accessibility::None),
            ] {
                assert_eq!(decide(true, action), Decision::Allow, "{action:?}");
                assert_eq!(decide(false, action), Decision::Forbid, "{action:?}");
            }
            for action in [
                Action::ReadArtifact(Accessibility::None),
                Action::KeepArtifacts,
                Action::DeleteArtifacts,
                Action::RunPipelines,
                Action::EraseJob { own: true },
                Action::EraseJob { own: false },
            ] {
                assert_eq!(decide(true, action), Decision::Forbid, "{action:?}");
            }
        }
    }
    assert!(!can_manage_registry(Grant::VouchedJob { own: true }));
}

const fn user(admin: bool, role: Option<Role>) -> Grant {
    Grant::User { admin, role, reach: TokenReach::Unrestricted }
}

/// `.` allowed, `F` forbidden, `H` hidden. Columns: see project, read jobs, fetch any dependency as an
/// admitted job; read artifacts that are public, private, maintainer, none; keep, delete, erase another's
/// job, erase own; run pipelines.
const TABLE: &str = "
    public   on   anonymous   ...  .FFF  FFFFF
    public   on   outsider    ...  .FFF  FFFFF
    public   on   guest       ...  .FFF  FFFFF
    public   on   planner     ...  .FFF  FFFFF
    public   on   reporter    ...  .FFF  FFFFF
    public   on   developer   ...  ..FF  .FF..
    public   on   maintainer  ...  ...F  .....
    public   on   owner       ...  ...F  .....
    public   on   admin       ...  ...F  .....
    public   off  anonymous   .FF  FFFF  FFFFF
    public   off  outsider    .FF  FFFF  FFFFF
    public   off  guest       .FF  FFFF  FFFFF
    public   off  planner     .FF  FFFF  FFFFF
    public   off  reporter    ...  .FFF  FFFFF
    public   off  developer   ...  ..FF  .FF..
    public   off  maintainer  ...  ...F  .....
    public   off  owner       ...  ...F  .....
    public   off  admin       ...  ...F  .....
    internal on   anonymous   HHH  HHHH  HHHHH
    internal on   outsider    ...  .FFF  FFFFF
    internal on   guest       ...  .FFF  FFFFF
    internal on   planner     ...  .FFF  FFFFF
    internal on   reporter    ...  .FFF  FFFFF
    internal on   developer   ...  ..FF  .FF..
    internal on   maintainer  ...  ...F  .....
    internal on   owner       ...  ...F  .....
    internal on   admin       ...  ...F  .....
    internal off  anonymous   HHH  HHHH  HHHHH
    internal off  outsider    .FF  FFFF  FFFFF
    internal off  guest       .FF  FFFF  FFFFF
    internal off  planner     .FF  FFFF  FFFFF
    internal off  reporter    ...  .FFF  FFFFF
    internal off  developer   ...  ..FF  .FF..
    internal off  maintainer  ...  ...F  .....
    internal off  owner       ...  ...F  .....
    internal off  admin       ...  ...F  .....
    private  on   anonymous   HHH  HHHH  HHHHH
    private  on   outsider    HHH  HHHH  HHHHH
    private  on   guest       ...  .FFF  FFFFF
    private  on   planner     ...  .FFF  FFFFF
    private  on   reporter    ...  .FFF  FFFFF
    private  on   developer   ...  ..FF  .FF..
    private  on   maintainer  ...  ...F  .....
    private  on   owner       ...  ...F  .....
    private  on   admin       ...  ...F  .....
    private  off  anonymous   HHH  HHHH  HHHHH
    private  off  outsider    HHH  HHHH  HHHHH
    private  off  guest       .FF  FFFF  FFFFF
    private  off  planner     .FF  FFFF  FFFFF
    private  off  reporter    ...  .FFF  FFFFF
    private  off  developer   ...  ..FF  .FF..
    private  off  maintainer  ...  ...F  .....
    private  off  owner       ...  ...F  .....
    private  off  admin       ...  ...F  .....
";

/// Actions of people, in the order of the columns.
fn actions() -> Vec<Action> {
    let mut actions = vec![Action::SeeProject, Action::ReadJobs];
    actions.extend(Accessibility::ALL.iter().map(|a| Action::ReadArtifact(*a)));
    actions.extend([Action::KeepArtifacts, Action::DeleteArtifacts]);
    actions.extend([Action::EraseJob { own: false }, Action::EraseJob { own: true }]);
    actions.push(Action::RunPipelines);
    actions
}

fn letter(decision: Decision) -> char {
    match decision {
        Decision::Allow => '.',
        Decision::Forbid => 'F',
        Decision::Hide => 'H',
        Decision::JobTokenNotAllowed => 'O',
    }
}

/// Returns a caller through its job; an anonymous one has none.
fn by_job(caller: Grant, reach: TokenReach) -> Grant {
    match caller {
        Grant::Anonymous | Grant::VouchedJob { .. } => caller,
        Grant::User { admin, role, .. } => Grant::User { admin, role, reach },
    }
}

#[test]
fn a_dependency_of_a_job_that_is_not_let_in_is_asked_for_like_its_user() {
    for visibility in Visibility::ALL {
        for public_jobs in [true, false] {
            let project = Project { visibility: *visibility, public_jobs };
            for (name, caller) in CALLERS {
                for accessibility in Accessibility::ALL {
                    let fetch = Action::FetchDependency(*accessibility);
                    let read = Action::ReadArtifact(*accessibility);
                    for reach in [TokenReach::Unrestricted, TokenReach::ForeignJob] {
                        let caller = by_job(*caller, reach);
                        let as_user = authorize(caller, read, project);
                        assert_eq!(
                            authorize(caller, fetch, project),
                            as_user,
                            "{name} {reach:?} {project:?} {fetch:?}"
                        );
                        let closed = *accessibility == Accessibility::None;
                        assert!(!closed || as_user != Decision::Allow, "{name} {reach:?} {project:?}");
                    }
                    let admitted = by_job(*caller, TokenReach::AllowedJob);
                    if admitted != Grant::Anonymous {
                        let reads_jobs = authorize(admitted, Action::ReadJobs, project);
                        assert_eq!(
                            authorize(admitted, fetch, project),
                            reads_jobs,
                            "{name} {project:?} {fetch:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_cell_of_the_table_is_as_written() {
    let mut cells = 0;
    for line in TABLE.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [visibility, public_jobs, name, gates, artifacts, writes] = words[..] else { panic!("{line}") };
        let project = Project { visibility: visibility.parse().unwrap(), public_jobs: public_jobs == "on" };
        let caller = CALLERS.iter().find(|(known, _)| *known == name).unwrap().1;
        let (gates, fetch) = gates.split_at(2);
        for (action, expected) in actions().into_iter().zip([gates, artifacts, writes].concat().chars()) {
            assert_eq!(letter(authorize(caller, action, project)), expected, "{action:?} in: {line}");
            cells += 1;
        }
        // An anonymous caller has no job, and so none that is admitted.
        let known = Accessibility::ALL.len() - usize::from(caller == Grant::Anonymous) * 3;
        for accessibility in &Accessibility::ALL[..known] {
            let action = Action::FetchDependency(*accessibility);
            let decision = letter(authorize(by_job(caller, TokenReach::AllowedJob), action, project));
            assert_eq!(fetch, decision.to_string(), "{action:?} in: {line}");
        }
        cells += 1;
    }
    assert_eq!(cells, Visibility::ALL.len() * 2 * CALLERS.len() * 12);
}

#[test]
fn a_job_token_needs_the_allowlist_unless_jobs_are_open_to_outsiders() {
    for visibility in Visibility::ALL {
        for public_jobs in [true, false] {
            let project = Project { visibility: *visibility, public_jobs };
            for (name, caller) in CALLERS {
                let Grant::User { admin, role, .. } = *caller else { continue };
                for action in actions() {
                    let with = |reach| authorize(Grant::User { admin, role, reach }, action, project);
                    let open = *visibility != Visibility::Private && public_jobs;
                    let expected =
                        if open { with(TokenReach::Unrestricted) } else { Decision::JobTokenNotAllowed };
                    assert_eq!(with(TokenReach::ForeignJob), expected, "{name} {project:?} {action:?}");
                    assert_eq!(
                        with(TokenReach::AllowedJob),
                        with(TokenReach::Unrestricted),
                        "{name} {project:?} {action:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn only_an_administrator_in_person_keeps_the_registry() {
    for (name, caller) in CALLERS {
        assert_eq!(can_manage_registry(*caller), *name == "admin", "{name}");
        let Grant::User { admin, role, .. } = *caller else { continue };
        for reach in [TokenReach::AllowedJob, TokenReach::ForeignJob] {
            assert!(!can_manage_registry(Grant::User { admin, role, reach }), "{name} by a job");
        }
    }
}
