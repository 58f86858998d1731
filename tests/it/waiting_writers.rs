//! SQLite has one writer at a time. Who may not change anything is told so without a turn.

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};

use crate::support::gateway::Gateway;
use crate::support::wire::Request;
use crate::support::world;

/// Every way to change the catalog that does not take an upload's bytes first.
const CHANGES: &[(&str, &str)] = &[
    ("POST", "/api/v4/projects/1/jobs/10/artifacts/keep"),
    ("DELETE", "/api/v4/projects/1/jobs/10/artifacts"),
    ("DELETE", "/api/v4/projects/1/artifacts"),
    ("POST", "/api/v4/projects/1/jobs/10/erase"),
    ("PATCH", "/api/registry/v1/jobs/20"),
    ("PATCH", "/api/registry/v1/pipelines/200"),
    ("POST", "/api/registry/v1/jobs/20/token"),
    ("PUT", "/api/registry/v1/documents"),
];

#[test]
fn who_may_not_change_anything_is_refused_while_another_process_writes() {
    let gateway = Gateway::on_sqlite();
    world::small(&gateway, b"bytes");
    let path = gateway.path().join("artigate.db");
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    for (method, path) in CHANGES {
        let ask = || {
            let request =
                Request::new(gateway.address, method, path).header("Content-Type", "application/json");
            request.body(b"{}".to_vec())
        };
        assert_eq!(ask().send().status, 401, "{method} {path} by nobody");
        assert_eq!(ask().private_token("wrong").send().status, 401, "{method} {path} with a wrong token");
        assert_eq!(ask().job_token(world::RUNNING).send().status, 401, "{method} {path} with a job's token");
        assert_eq!(ask().private_token(world::GUEST).send().status, 403, "{method} {path} by a guest");
    }
    let missing =
        gateway.post("/api/v4/projects/1/jobs/99/artifacts/keep").private_token(world::ADMIN).send();
    assert_eq!(missing.status, 404);
    let running = gateway.post("/api/v4/projects/1/jobs/20/erase").private_token(world::ADMIN).send();
    assert_eq!(running.says().0, 403);
    other.batch_execute("ROLLBACK").unwrap();
    let keep = gateway.post("/api/v4/projects/1/jobs/10/artifacts/keep").private_token(world::ADMIN).send();
    assert_eq!(keep.status, 200, "and who may gets it done");
}
