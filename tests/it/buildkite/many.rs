//! Lists of so many builds that they are read in the order of an index: each page is that of a list that was sorted.

use diesel::RunQueryDsl;

use super::{field, get, got, json_of, small};
use crate::support::gateway::Gateway;

on_both_databases!(lists_of_many_builds_are_those_of_few);

const LIST: &str = "/v2/organizations/group/pipelines/many/builds";

/// More than are read and sorted at once, for each of the filters.
const BUILDS: i64 = 16_000;

/// A build as [`add_builds`] makes it.
struct Made {
    number: i64,
    branch: String,
    status: &'static str,
    created: i64,
    finished: i64,
    release: bool,
    ticket: i64,
}

fn made(number: i64) -> Made {
    Made {
        number,
        branch: match number % 3 {
            0 => "main".to_owned(),
            1 if number < 14_000 => "Old".to_owned(),
            _ => format!("branch-{}", number % 70),
        },
        status: ["success", "failed", "skipped"][(number % 7 % 3) as usize],
        created: number * 7919 % BUILDS,
        finished: number,
        release: number % 2 == 0,
        ticket: number / 50,
    }
}

fn add_builds(gateway: &Gateway) {
    gateway
        .load("projects: [{id: 7, path: group/many, visibility: public, members: {developer: developer}}]");
    gateway.write_catalog(|db| {
        let uuid = match db {
            artigate::catalog::Db::Sqlite(_) => "randomblob(16)",
            artigate::catalog::Db::Postgres(_) => "uuid_send(gen_random_uuid())",
        };
        let series = format!(
            "WITH RECURSIVE s(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM s WHERE n < {BUILDS})"
        );
        let pipelines = format!(
            "INSERT INTO pipelines (id, uuid, project_id, iid, ref, tag, sha, status, source, root_id, depth, user_id, \
             created_at, updated_at, finished_at) {series} \
             SELECT 10000 + n, {uuid}, 7, n, CASE n % 3 WHEN 0 THEN 'main' ELSE CASE WHEN n % 3 = 1 AND n < 14000 THEN 'Old' \
             ELSE 'branch-' || (n % 70) END END, FALSE, 'sha', \
             CASE n % 7 % 3 WHEN 0 THEN 'success' WHEN 1 THEN 'failed' ELSE 'skipped' END, 'api', 10000 + n, 0, 3, \
             n * 7919 % {BUILDS} * 1000, 0, n * 1000 FROM s"
        );
        let releases = format!(
            "INSERT INTO meta_data (pipeline_id, key, value, value_start) {series} \
             SELECT 10000 + n, 'release', 'yes', 'yes' FROM s WHERE n % 2 = 0"
        );
        let tickets = format!(
            "INSERT INTO meta_data (pipeline_id, key, value, value_start) {series} \
             SELECT 10000 + n, 'ticket', 'T-' || (n / 50), 'T-' || (n / 50) FROM s"
        );
        for statement in [pipelines, releases, tickets] {
            diesel::sql_query(statement).execute(db).map_err(artigate::domain::Error::from)?;
        }
        Ok::<_, artigate::domain::Error>(())
    });
}

fn time(seconds: i64) -> String {
    artigate::domain::Timestamp::from_millis(seconds * 1000).to_string()
}

fn lists_of_many_builds_are_those_of_few(gateway: Gateway) {
    small(&gateway);
    add_builds(&gateway);
    let all: Vec<Made> = (1..=BUILDS).map(made).collect();
    let creator =
        got(&gateway, &format!("{LIST}/1?exclude_jobs=true"))["creator"]["id"].as_str().unwrap().to_owned();
    let times = (time(5_000), time(15_000));
    let is = |it: &Made, status: &str| it.status == status;
    type Admits<'a> = Box<dyn Fn(&Made) -> bool + 'a>;
    let cases: Vec<(String, Admits)> = vec![
        (String::new(), Box::new(|_| true)),
        ("branch=main".into(), Box::new(|it| it.branch == "main")),
        ("branch=branch-5".into(), Box::new(|it| it.branch == "branch-5")),
        ("branch[]=main&branch[]=Old".into(), Box::new(|it| matches!(&*it.branch, "main" | "Old"))),
        ("branch=*a*".into(), Box::new(|it| it.branch.contains('a'))),
        ("branch=*-5*".into(), Box::new(|it| it.branch.contains("-5"))),
        ("branch=old*".into(), Box::new(|_| false)),
        ("state=failed".into(), Box::new(|it| is(it, "failed"))),
        ("state[]=failed&state[]=passed".into(), Box::new(|it| !is(it, "skipped"))),
        ("state=not_run".into(), Box::new(|_| false)),
        ("state=skipped".into(), Box::new(|it| is(it, "skipped"))),
        ("branch=main&state=failed".into(), Box::new(|it| it.branch == "main" && is(it, "failed"))),
        (format!("creator={creator}"), Box::new(|_| true)),
        (format!("creator={creator}&state=passed"), Box::new(|it| is(it, "success"))),
        (format!("created_from={}", times.0), Box::new(|it| it.created >= 5_000)),
        (
            format!("created_to={}&branch=main", times.0),
            Box::new(|it| it.created < 5_000 && it.branch == "main"),
        ),
        (format!("finished_from={}", times.0), Box::new(|it| it.finished >= 5_000)),
        (format!("finished_from={}", times.1), Box::new(|it| it.finished >= 15_000)),
        ("commit=sha".into(), Box::new(|_| true)),
        ("meta_data[release]=yes".into(), Box::new(|it| it.release)),
        ("meta_data[ticket]=T-7".into(), Box::new(|it| it.ticket == 7)),
        ("meta_data[release]=yes&meta_data[ticket]=T-7".into(), Box::new(|it| it.release && it.ticket == 7)),
        ("meta_data[release]=yes&branch=main".into(), Box::new(|it| it.release && it.branch == "main")),
    ];
    for (query, admits) in cases {
        let mut expected: Vec<&Made> = all.iter().filter(|it| admits(it)).collect();
        expected.sort_unstable_by_key(|it| std::cmp::Reverse((it.created, it.number)));
        let numbers: Vec<String> = expected.iter().map(|it| it.number.to_string()).collect();
        for page in [1, 3] {
            let answer = get(
                &gateway,
                &format!("{LIST}?exclude_jobs=true&exclude_pipeline=true&per_page=50&page={page}&{query}"),
            );
            let found = field(&json_of(&answer), "number");
            let part = numbers.iter().skip((page - 1) * 50).take(50);
            assert!(found.iter().eq(part), "{query}, page {page}: {found:?}");
            let next = answer.header("link").is_some_and(|links| links.contains("rel=\"next\""));
            assert_eq!(next, numbers.len() > page * 50, "{query}, page {page}");
        }
        let organization =
            got(&gateway, &format!("/v2/organizations/group/builds?exclude_jobs=true&per_page=5&{query}"));
        let of_many =
            field(&organization, "web_url").iter().filter(|url| url.contains("/group/many/")).count();
        assert!(of_many >= numbers.len().min(5) - numbers.len().min(2), "{query}");
    }
}
