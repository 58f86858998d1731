//! The registry document that most tests load, and the requests for its contents.

use super::gateway::Gateway;

pub const ADMIN: &str = "glpat-admin";
pub const MAINTAINER: &str = "glpat-maintainer";
pub const DEVELOPER: &str = "glpat-developer";
pub const REPORTER: &str = "glpat-reporter";
pub const GUEST: &str = "glpat-guest";
pub const OUTSIDER: &str = "glpat-outsider";

/// The token of job 20, which runs.
pub const RUNNING: &str = "glcbt-64_running";
/// The token of job 21, which has finished.
pub const FINISHED: &str = "glcbt-64_finished";

/// The users that every world has, one a role.
pub const USERS: &str = "
users:
  - {id: 1, username: admin, admin: true, tokens: [{value: glpat-admin, scopes: [api]}]}
  - {id: 2, username: maintainer, tokens: [{value: glpat-maintainer, scopes: [api]}]}
  - {id: 3, username: developer, tokens: [{value: glpat-developer, scopes: [api]}]}
  - {id: 4, username: reporter, tokens: [{value: glpat-reporter, scopes: [read_api]}]}
  - {id: 5, username: guest, tokens: [{value: glpat-guest, scopes: [read_api]}]}
  - {id: 6, username: outsider, tokens: [{value: glpat-outsider, scopes: [api]}]}
";

pub const MEMBERS: &str = "{maintainer: maintainer, developer: developer, reporter: reporter, guest: guest}";

/// Loads [`small_document`].
pub fn small(gateway: &Gateway, archive: &[u8]) {
    gateway.write_file("archive.zip", archive);
    gateway.load(&small_document());
}

/// A public project with a finished job that has an archive (10), from a file `archive.zip`, one that
/// runs (20) and one that has finished without anything (21).
pub fn small_document() -> String {
    format!(
        "{USERS}
projects:
  - id: 1
    path: group/project
    visibility: public
    members: {MEMBERS}
    pipelines:
      - id: 100
        ref: main
        sha: aaaa
        status: success
        user: developer
        jobs:
          - {{id: 10, name: build, status: success, artifacts: [{{file: archive.zip}}]}}
      - id: 200
        ref: main
        sha: bbbb
        status: running
        user: developer
        jobs:
          - {{id: 20, name: build, status: running, token: {RUNNING}}}
          - {{id: 21, name: lint, status: success, token: {FINISHED}}}
"
    )
}

/// Where the archive of job 10 is.
pub const ARCHIVE: &str = "/api/v4/projects/1/jobs/10/artifacts";

/// Where job 20 uploads to.
pub const UPLOAD: &str = "/api/v4/jobs/20/artifacts";

/// Where the archive of job 20 is.
pub const UPLOADED: &str = "/api/v4/projects/1/jobs/20/artifacts";
