//! Jobs whose tokens only the upstream knows: what they upload, and what they fetch.

use super::{APP, BUILD, DEVELOPER, World, in_front_on_both};

in_front_on_both!(what_a_job_that_nobody_registered_uploads_is_read_by_whom_the_upstream_lets);

fn what_a_job_that_nobody_registered_uploads_is_read_by_whom_the_upstream_lets(world: World) {
    let answer = world.upload(7001, BUILD, "", "text");
    assert_eq!(answer.error(), (201, "201"));
    assert_eq!(world.gitlab.asked(), ["/job"], "one question for a token that nobody knows");
    let file = world.gateway.get(&format!("{APP}/a.txt")).private_token(DEVELOPER).send();
    assert_eq!((file.status, file.text()), (200, "text"));
    assert_eq!(world.gitlab.asked(), ["/projects/7/pipelines?per_page=1"]);
    // Warm, nothing is asked.
    assert_eq!(world.gateway.get(APP).private_token(DEVELOPER).send().status, 200);
    assert_eq!(world.upload(7001, BUILD, "", "text").status, 201);
    assert_eq!(world.gitlab.asked(), [""; 0]);
}
