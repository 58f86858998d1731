//! Deliveries that come again, at once or under another name, and those that say what is not theirs to say.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};
use serde_json::{Value, json};

use artigate::domain::Sha256Digest;
use artigate::settings::DatabaseUrl;
use secrecy::ExposeSecret;

use super::hooks::{GROUP, HINT, INSTANCE, in_hooked_worlds, pipeline};
use super::{CURRENT, World};
use crate::support::gateway::Gateway;
use crate::support::until;

in_hooked_worlds!(
    a_delivery_that_comes_again_under_another_name_changes_nothing,
    a_move_is_taken_only_from_within_the_scope_to_within_it,
);

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

/// How many events are remembered, and how many of them are hints.
fn events(world: &World) -> (i64, i64) {
    let count = |text: &'static str| {
        let rows: Vec<Count> = world.gateway.catalog(move |db| Ok(diesel::sql_query(text).load(db)?));
        rows[0].count
    };
    (
        count("SELECT COUNT(*) AS count FROM feed_events"),
        count("SELECT COUNT(*) AS count FROM feed_events WHERE hint"),
    )
}

fn a_delivery_that_comes_again_under_another_name_changes_nothing(world: World) {
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(json!({})), b"x").status, 201);
    let deliver = |secret: &str, event: &Value, id: &str| {
        let request = world.gateway.post("/api/feeds/v1/gitlab").header("X-Gitlab-Event", "Pipeline Hook");
        let request = request.header("X-Gitlab-Token", secret).header("Idempotency-Key", id);
        let request = request.header("X-Gitlab-Webhook-UUID", id).header("X-Gitlab-Event-UUID", id);
        request.body(event.to_string().into_bytes()).send().status
    };
    let event = pipeline("running", 2, json!({}));
    for id in ["first", "second", "third"] {
        assert_eq!(deliver(HINT, &event, id), 202);
    }
    assert_eq!(events(&world), (1, 1));
    // A believed one cannot be repeated to undo what came later.
    let failed = pipeline("failed", 9, json!({}));
    assert_eq!(deliver(INSTANCE, &failed, "a"), 202);
    assert_eq!(deliver(INSTANCE, &pipeline("success", 20, json!({})), "b"), 202);
    assert_eq!(deliver(INSTANCE, &failed, "c"), 202);
    assert_eq!(world.states("20", 574).0, "success");
    assert_eq!(events(&world), (3, 1));
}

fn a_move_is_taken_only_from_within_the_scope_to_within_it(world: World) {
    assert_eq!(
        world.upload(&format!("{CURRENT}?finished=true"), &world.gitlab_token(json!({})), b"x").status,
        201
    );
    let moved = |secret: &str, from: &str, to: &str| {
        let event = json!({"event_name": "project_transfer", "project_id": 20, "path_with_namespace": to,
            "old_path_with_namespace": from});
        assert_eq!(world.gitlab_hook(secret, &event).status, 202);
    };
    let is_at = |path: &str| world.by_ref(path, "main", "job").status == 200;
    for to in ["other/site", "groups/site", "site"] {
        moved(GROUP, "group/site", to);
        assert!(is_at("group/site"), "{to} is not the group's to take");
    }
    moved(GROUP, "group/site", "group/sub/site");
    assert!(is_at("group/sub/site") && !is_at("group/site"));
    moved(INSTANCE, "group/sub/site", "other/site");
    assert!(is_at("other/site"));
    moved(GROUP, "other/site", "group/site");
    assert!(is_at("other/site"), "nor one to take in");
}

#[test]
fn a_delivery_to_two_nodes_at_once_is_taken_by_one_and_known_to_the_other() {
    let world = World::with_hooks(Gateway::on_postgres_with);
    assert_eq!(world.upload(CURRENT, &world.gitlab_token(json!({})), b"x").status, 201);
    let DatabaseUrl::Postgres(url) = &world.gateway.app.settings.database else { panic!() };
    let connect = || PgConnection::establish(url.expose_secret()).unwrap();
    for (number, secret) in [HINT, INSTANCE].into_iter().enumerate() {
        let event = pipeline("failed", 2 + number as i64, json!({}));
        // What another node does that got the same delivery and has not committed yet.
        let body = Sha256Digest::of(event.to_string().as_bytes());
        let text = [b"gitlab\nPipeline Hook\n".as_slice(), body.as_bytes().as_slice()].concat();
        let key = Sha256Digest::of(&text);
        let mut other = connect();
        let key = hex::encode(key.as_bytes());
        other
            .batch_execute(&format!(
                "BEGIN; INSERT INTO feed_events (sha256, upstream, project_id, hint, received_at) \
                 VALUES (decode('{key}', 'hex'), 'gitlab', 20, FALSE, 0)"
            ))
            .unwrap();
        let mut watching = connect();
        std::thread::scope(|scope| {
            let delivery = scope.spawn(|| world.gitlab_hook(secret, &event));
            until(60_000, "the delivery waits for the other node", || {
                let waiting = "SELECT COUNT(*) AS count FROM pg_locks WHERE NOT granted \
                               AND locktype = 'transactionid'";
                let rows: Vec<Count> = diesel::sql_query(waiting).load(&mut watching).unwrap();
                rows[0].count > 0
            });
            other.batch_execute("COMMIT").unwrap();
            let answer = delivery.join().unwrap();
            assert_eq!(answer.status, 202, "{answer:?}");
        });
    }
    assert_eq!(events(&world).1, 0);
}
