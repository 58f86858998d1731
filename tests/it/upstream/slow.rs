//! Uploads that take long: the upstream is asked again before they are stored.

use std::io::Write;
use std::net::TcpStream;

use super::{BUILD, World, in_front_on_both};
use crate::support::http_client::{Answer, Form, read_answer};
use crate::support::{until, zips};

in_front_on_both!(
    an_upload_of_more_than_a_minute_is_stored_only_if_its_job_still_runs,
    an_upload_of_less_than_a_minute_asks_once,
    an_answer_that_was_remembered_before_the_upload_counts_from_its_question,
);

/// Begins an upload of which the last byte is missing, and waits until its token is known.
fn begin(world: &World) -> (TcpStream, Vec<u8>) {
    let mut bytes = Form::default().file("a.zip", &zips::deflated(&[("a.txt", b"text")])).bytes();
    let rest = bytes.split_off(bytes.len() / 2);
    let length = (bytes.len() + rest.len()).to_string();
    let request = world.gateway.post("/api/v4/jobs/7001/artifacts").job_token(BUILD).form_type();
    let mut stream = request.header("Content-Length", &length).connect();
    stream.write_all(&bytes).unwrap();
    until(10_000, "the upload is admitted", || world.gitlab.count() > 0);
    // The bytes of the store's file are there when the upload is authorized.
    world.gateway.until_blobs(1);
    (stream, rest)
}

fn end((mut stream, rest): (TcpStream, Vec<u8>)) -> Answer {
    stream.write_all(&rest).unwrap();
    read_answer(stream, false).unwrap()
}

fn an_upload_of_more_than_a_minute_is_stored_only_if_its_job_still_runs(world: World) {
    let upload = begin(&world);
    world.gateway.advance_clock(61);
    assert_eq!(end(upload).status, 201);
    assert_eq!(world.gitlab.asked(), ["/job", "/job"]);
    world.gateway.advance_clock(61);
    let world = World {
        gateway: crate::support::gateway::Gateway::on_sqlite_with(|settings| {
            settings.upstreams = vec![super::upstream(&world.gitlab.url)];
        }),
        ..world
    };
    let upload = begin(&world);
    world.gateway.advance_clock(61);
    world.gitlab.state().jobs.get_mut(&7001).unwrap().status = "canceled";
    assert_eq!(end(upload).error().0, 403);
    world.gateway.until_blobs(0);
    assert_eq!(world.gitlab.asked(), ["/job", "/job"]);
}

fn an_upload_of_less_than_a_minute_asks_once(world: World) {
    let upload = begin(&world);
    world.gateway.advance_clock(60);
    assert_eq!(end(upload).status, 201);
    assert_eq!(world.gitlab.asked(), ["/job"]);
}

fn an_answer_that_was_remembered_before_the_upload_counts_from_its_question(world: World) {
    let own = world.gateway.get("/api/v4/jobs/7001/artifacts").job_token(BUILD).send();
    assert_eq!((own.status, world.gitlab.count() > 0), (404, true));
    world.gateway.advance_clock(29);
    let upload = begin(&world);
    world.gitlab.calls();
    world.gateway.advance_clock(32);
    world.gitlab.state().jobs.get_mut(&7001).unwrap().status = "canceled";
    assert_eq!(end(upload).error().0, 403);
    assert_eq!(world.gitlab.asked(), ["/job"]);
}
