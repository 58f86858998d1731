//! Stories of people with a browser.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use super::play;
use super::world::{self, FILES};
use crate::program::Serving;
use crate::support::fixture::Fixture;
use crate::support::fixtures::{ADMIN, MAINTAINER, REPORTER};
use crate::support::gateway::Gateway;

const PROJECT: &str = "/group/project";

fn of_job(job: i64) -> String {
    format!("{PROJECT}/-/jobs/{job}/artifacts")
}

fn gateway() -> Gateway {
    let gateway = Gateway::on_sqlite();
    world::load(&gateway);
    gateway
}

/// The address of the page that asks whether to delete all artifacts of the project.
fn delete_all(gateway: &Gateway) -> String {
    let list = crate::web::open(gateway, MAINTAINER, &format!("{PROJECT}/-/artifacts"));
    let ids = list.text().split("name=\"id\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let ids: Vec<String> = ids.map(|id| format!("id={id}")).collect();
    assert!(ids.len() > 5, "{}", list.text());
    format!("{PROJECT}/-/artifacts/delete?{}", ids.join("&"))
}

/// The addresses of all pages, with the status of each.
fn pages(gateway: &Gateway) -> Vec<(String, u16)> {
    let forms = [
        "README.md",
        "README.md?source=1",
        "page.html",
        "log.txt",
        "wide.txt",
        "table.csv",
        "data.json",
        "junit.xml",
        "pic.png",
        "pic.svg",
        "sound.wav",
        "bytes.bin",
        "empty",
    ];
    let mut pages: Vec<(String, u16)> = [
        "/",
        "/?search=nothing",
        "/group",
        "/developer",
        PROJECT,
        &format!("{PROJECT}/-/pipelines"),
        &format!("{PROJECT}/-/pipelines/100"),
        &format!("{PROJECT}/-/jobs/10"),
        &format!("{PROJECT}/-/jobs/10?done=kept"),
        &format!("{PROJECT}/-/branches"),
        &format!("{PROJECT}/-/tags"),
        &format!("{PROJECT}/-/artifacts"),
        &format!("{PROJECT}/-/artifacts?file=txt"),
        &format!("{PROJECT}/-/artifacts?file=nothing"),
        &delete_all(gateway),
        &format!("{}/browse/", of_job(10)),
        &format!("{}/browse/?search=folder", of_job(10)),
        &format!("{}/browse/folder/", of_job(10)),
        &format!("{}/browse/many/?page=3", of_job(11)),
        &format!("{}/view?file_type=junit", of_job(10)),
        &format!("{}/view?file_type=trace", of_job(10)),
        &format!("{}/delete", of_job(10)),
        &format!("{}/report/page.html", of_job(10)),
        &format!("{}/compare", of_job(15)),
        &format!("{}/compare/10", of_job(15)),
        &format!("{}/compare/10/long.txt", of_job(15)),
    ]
    .map(|path: &str| (path.to_owned(), 200))
    .to_vec();
    pages.extend(forms.map(|form| (format!("{}/view/{form}", of_job(10)), 200)));
    pages.push(("/nothing".into(), 404));
    pages.push(("/-/sign_in".into(), 200));
    pages.push((format!("{}/view/none", of_job(10)), 404));
    pages.push((format!("{}/browse/", of_job(13)), 422));
    pages
}

#[test]
fn the_mouse_alone_leads_from_the_projects_to_a_file_with_and_without_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::demo(folder.path(), Stdio::null());
    play("clicks", &serving.base_url, &json!(null));
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn the_keyboard_alone_leads_from_the_projects_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::demo(folder.path(), Stdio::null());
    play("keyboard", &serving.base_url, &json!(null));
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn every_page_is_accessible_light_and_dark_wide_and_on_a_phone() {
    let gateway = gateway();
    play("judged", &gateway.base_url(), &json!({"token": MAINTAINER, "pages": pages(&gateway)}));
}

#[test]
fn what_people_cannot_have_is_told_on_pages_that_are_accessible_too() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.failed_auth_per_minute = 0);
    world::load(&gateway);
    Fixture::project("group/project")
        .and_project("group/old")
        .public()
        .keep_latest(false)
        .pipeline(300, "main")
        .job(30, "build")
        .archive(&world::every_form())
        .expire_in("1 hour")
        .load(&gateway);
    gateway.advance_clock(7200);
    let (old, keep) = ("/group/old/-/jobs/30", format!("{}/keep", of_job(10)));
    let wrong = json!({"token": "glpat-wrong", "to": "/"});
    let pages = json!([
        [format!("{}/raw/..%2Fx", of_job(10)), 400],
        ["/", 401, {"token": "glpat-wrong"}],
        [keep, 403, {"token": REPORTER, "fields": {}}],
        [keep, 403, {"elsewhere": true}],
        ["/-/r/x/index.html", 403, {"sandboxed": true}],
        [old, 200],
        [format!("{old}/artifacts/browse/"), 410],
        [format!("{old}/artifacts/view/README.md"), 410],
        [format!("{old}/artifacts/report/page.html"), 410],
        ["/-/sign_in", 413, {"fields": {"token": "x".repeat(20_000)}}],
        [format!("/{}", "x".repeat(9_000)), 414],
        ["/-/sign_in", 422, {"fields": wrong}],
    ]);
    play("judged", &gateway.base_url(), &json!({"pages": pages}));
    let gateway = Gateway::on_sqlite_with(|settings| settings.failed_auth_per_minute = 1);
    assert_eq!(crate::web::open(&gateway, "glpat-wrong", "/").status, 401);
    let pages = json!([["/", 429, {"token": "glpat-wrong"}], ["/-/sign_in", 429, {"fields": wrong}]]);
    play("judged", &gateway.base_url(), &json!({"pages": pages}));
    let (gateway, gate) =
        Gateway::on_postgres_behind_a_gate(|settings| settings.database_timeout = Duration::from_secs(1));
    gate.close();
    play("judged", &gateway.base_url(), &json!({"pages": [["/", 503], [old, 503]]}));
    gate.open();
}

#[test]
fn every_link_and_button_is_reached_with_tab_and_leads_somewhere() {
    let gateway = gateway();
    let unreadable = [format!("{}/browse/", of_job(13))];
    let plan = json!({"token": MAINTAINER, "pages": pages(&gateway), "unreadable": unreadable});
    play("stops", &gateway.base_url(), &plan);
}

#[test]
fn people_sign_in_keep_and_delete_with_the_keyboard_alone() {
    let gateway = gateway();
    let job = format!("{PROJECT}/-/jobs/10");
    play("keyboard_changes", &gateway.base_url(), &json!({"token": MAINTAINER, "job": job}));
}

#[test]
fn the_page_for_operators_is_accessible_too() {
    let gateway = gateway();
    gateway.block_on(gateway.app.retention.count_storage()).unwrap();
    let pages = ["/-/operate", "/-/operate?done=swept"].map(|path| (path, 200));
    play("judged", &gateway.base_url(), &json!({"token": ADMIN, "pages": pages}));
}

#[test]
fn searching_sorting_paging_keeping_and_deleting_need_no_script() {
    let gateway = gateway();
    let plan = json!({
        "project": PROJECT, "token": MAINTAINER, "reader": REPORTER, "job": 10, "other": 15, "artifacts": 4,
        "folder": format!("{}/browse/many/", of_job(11)), "files": FILES,
        "last": format!("file-{:05}.txt", FILES - 1),
    });
    play("forms", &gateway.base_url(), &plan);
}

#[test]
fn hostile_names_open_their_files_and_nothing_of_a_job_runs() {
    let gateway = gateway();
    let files: Vec<String> = world::hostile_names().into_iter().map(|(_, contents)| contents).collect();
    let plan = json!({
        "folder": format!("{}/browse/", of_job(12)), "files": files,
        "picture": format!("{}/view/pic.svg", of_job(10)), "html": format!("{}/raw/page.html", of_job(10)),
    });
    play("hostile", &gateway.base_url(), &plan);
}

#[test]
fn other_sites_frame_no_page_and_their_forms_change_nothing() {
    let gateway = gateway();
    let forms = [
        format!("{}/keep", of_job(10)),
        format!("{}/delete", of_job(10)),
        format!("{PROJECT}/-/artifacts/delete?id=1"),
        "/-/operate/sweep".to_owned(),
    ];
    let frames = ["/".to_owned(), format!("{PROJECT}/-/jobs/10"), "/nothing".to_owned()];
    let plan = json!({"token": MAINTAINER, "forms": forms, "frames": frames});
    play("frames", &gateway.base_url(), &plan);
    let job = gateway.get("/api/v4/projects/1/jobs/10").private_token(MAINTAINER).send();
    let job: serde_json::Value = serde_json::from_str(job.text()).unwrap();
    assert_eq!(
        (job["artifacts"].as_array().unwrap().len(), job["artifacts_expire_at"].is_null()),
        (4, false)
    );
}

#[test]
fn a_reload_a_copied_address_and_the_way_back_show_the_same() {
    let gateway = gateway();
    gateway.block_on(gateway.app.retention.count_storage()).unwrap();
    let shown = pages(&gateway).into_iter().filter(|(_, status)| *status == 200);
    let mut pages: Vec<String> = shown.map(|(path, _)| path).collect();
    pages.push("/-/operate".into());
    let plan = json!({"token": ADMIN, "pages": pages, "long": format!("{}/view/long.txt", of_job(10))});
    play("again", &gateway.base_url(), &plan);
}

#[test]
fn people_sign_in_and_out_without_scripts_and_no_other_site_uses_their_session() {
    let gateway = Gateway::on_sqlite();
    crate::web::sign_in::load(&gateway);
    let job = crate::web::sign_in::JOB;
    let forms = [
        "/-/sign_out".to_owned(),
        "/-/sign_in".to_owned(),
        "/-/sessions/end?all=1".to_owned(),
        format!("{job}/artifacts/keep"),
        format!("{job}/artifacts/delete"),
    ];
    play("sign_in", &gateway.base_url(), &json!({"token": MAINTAINER, "job": job, "forms": forms}));
}
