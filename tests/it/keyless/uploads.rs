//! Uploads and downloads of jobs that show nothing but an ID token.

use serde_json::json;

use super::{CURRENT, World, in_worlds};

in_worlds!(a_job_of_each_vendor_uploads_with_no_secret_and_is_found_by_its_ref);

fn a_job_of_each_vendor_uploads_with_no_secret_and_is_found_by_its_ref(world: World) {
    for (token, project, job) in [
        (world.gitlab_token(json!({})), "group/site", "pages"),
        (world.github_token(json!({})), "github/octo/site", "build"),
        (world.buildkite_token(json!({})), "buildkite/acme/web", "build"),
    ] {
        let name = if job == "pages" { "?job=pages" } else { "" };
        let answer = world.upload(&format!("{CURRENT}{name}"), &token, project.as_bytes());
        assert_eq!(answer.error(), (201, "201"), "{project}");
        assert_eq!(
            world.by_ref(project, "main", job).status,
            404,
            "its pipeline is not known to be successful"
        );
        let own = world.gateway.get(CURRENT).job_token(&token).send();
        assert_eq!(own.status, 200, "{project}");
        let answer = world.upload(&format!("{CURRENT}?finished=true"), &token, project.as_bytes());
        assert_eq!(answer.error(), (201, "201"), "{project}");
        let found = world.by_ref(project, "main", job);
        assert_eq!((found.status, found.text()), (200, project));
    }
}
