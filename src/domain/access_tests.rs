//! Every cell of the permission table, generated, and held against the table as GitLab's
//! documentation prints it: one line of letters a caller, written by hand and not computed.

use super::*;

const CALLERS: &[(&str, Caller)] = &[
    ("anonymous", Caller::Anonymous),
    ("outsider", user(false, None)),
    ("guest", user(false, Some(Role::Guest))),
    ("planner", user(false, Some(Role::Planner))),
    ("reporter", user(false, Some(Role::Reporter))),
    ("developer", user(false, Some(Role::Developer))),
    ("maintainer", user(false, Some(Role::Maintainer))),
    ("owner", user(false, Some(Role::Owner))),
    ("admin", user(true, None)),
];

const fn user(admin: bool, role: Option<Role>) -> Caller {
    Caller::User { admin, role, reach: Reach::Anywhere }
}

/// `.` allowed, `F` forbidden, `H` hidden. Columns: see project, read jobs, fetch dependency, then
/// artifacts that are public, private, maintainer, none.
const TABLE: &str = "
    public   on   anonymous   ...  .FFF
    public   on   outsider    ...  .FFF
    public   on   guest       ...  .FFF
    public   on   planner     ...  .FFF
    public   on   reporter    ...  .FFF
    public   on   developer   ...  ..FF
    public   on   maintainer  ...  ...F
    public   on   owner       ...  ...F
    public   on   admin       ...  ...F
    public   off  anonymous   .FF  FFFF
    public   off  outsider    .FF  FFFF
    public   off  guest       .FF  FFFF
    public   off  planner     .FF  FFFF
    public   off  reporter    ...  .FFF
    public   off  developer   ...  ..FF
    public   off  maintainer  ...  ...F
    public   off  owner       ...  ...F
    public   off  admin       ...  ...F
    internal on   anonymous   HHH  HHHH
    internal on   outsider    ...  .FFF
    internal on   guest       ...  .FFF
    internal on   planner     ...  .FFF
    internal on   reporter    ...  .FFF
    internal on   developer   ...  ..FF
    internal on   maintainer  ...  ...F
    internal on   owner       ...  ...F
    internal on   admin       ...  ...F
    internal off  anonymous   HHH  HHHH
    internal off  outsider    .FF  FFFF
    internal off  guest       .FF  FFFF
    internal off  planner     .FF  FFFF
    internal off  reporter    ...  .FFF
    internal off  developer   ...  ..FF
    internal off  maintainer  ...  ...F
    internal off  owner       ...  ...F
    internal off  admin       ...  ...F
    private  on   anonymous   HHH  HHHH
    private  on   outsider    HHH  HHHH
    private  on   guest       ...  .FFF
    private  on   planner     ...  .FFF
    private  on   reporter    ...  .FFF
    private  on   developer   ...  ..FF
    private  on   maintainer  ...  ...F
    private  on   owner       ...  ...F
    private  on   admin       ...  ...F
    private  off  anonymous   HHH  HHHH
    private  off  outsider    HHH  HHHH
    private  off  guest       .FF  FFFF
    private  off  planner     .FF  FFFF
    private  off  reporter    ...  .FFF
    private  off  developer   ...  ..FF
    private  off  maintainer  ...  ...F
    private  off  owner       ...  ...F
    private  off  admin       ...  ...F
";

fn actions() -> Vec<Action> {
    let mut actions = vec![Action::SeeProject, Action::ReadJobs, Action::FetchDependency];
    actions.extend(Accessibility::ALL.iter().map(|a| Action::ReadArtifact(*a)));
    actions
}

#[test]
fn every_cell_of_the_table_is_as_written() {
    let mut cells = 0;
    for line in TABLE.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [visibility, public_jobs, name, gates, artifacts] = words[..] else { panic!("{line}") };
        let project = Project { visibility: visibility.parse().unwrap(), public_jobs: public_jobs == "on" };
        let caller = CALLERS.iter().find(|(known, _)| *known == name).unwrap().1;
        for (action, expected) in actions().into_iter().zip(gates.chars().chain(artifacts.chars())) {
            let verdict = match may(caller, action, project) {
                Verdict::Allowed => '.',
                Verdict::Forbidden => 'F',
                Verdict::Hidden => 'H',
                Verdict::OutOfReach => 'O',
            };
            assert_eq!(verdict, expected, "{action:?} in: {line}");
            cells += 1;
        }
    }
    assert_eq!(cells, Visibility::ALL.len() * 2 * CALLERS.len() * 7);
}

#[test]
fn a_job_token_needs_the_allowlist_unless_jobs_are_open_to_outsiders() {
    for visibility in Visibility::ALL {
        for public_jobs in [true, false] {
            let project = Project { visibility: *visibility, public_jobs };
            for (name, caller) in CALLERS {
                let Caller::User { admin, role, .. } = *caller else { continue };
                for action in actions() {
                    let with = |reach| may(Caller::User { admin, role, reach }, action, project);
                    let open = *visibility != Visibility::Private && public_jobs;
                    let expected = if open { with(Reach::Anywhere) } else { Verdict::OutOfReach };
                    assert_eq!(with(Reach::Foreign), expected, "{name} {project:?} {action:?}");
                    assert_eq!(with(Reach::Admitted), with(Reach::Anywhere), "{name} {project:?} {action:?}");
                }
            }
        }
    }
}
