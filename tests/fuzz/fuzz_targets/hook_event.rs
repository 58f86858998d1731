//! Reads arbitrary bytes as an event of each CI system; what is read can be stored.
#![no_main]

use artigate::access::News;
use artigate::api::hooks::{read_buildkite, read_github, read_gitlab};
use artigate::domain::project::is_valid_path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for event in ["Pipeline Hook", "System Hook"] {
        check(read_gitlab("a", event, input));
    }
    for event in ["workflow_run", "workflow_job"] {
        check(read_github("a", "below", event, input));
    }
    for event in ["build.finished", "job.finished"] {
        check(read_buildkite("a", "below", event, input));
    }
});

fn check(news: Result<Option<News>, String>) {
    match news {
        Ok(Some(News::Report(report))) => {
            assert!(is_valid_path(&report.project.path));
            let pipeline = report.of_pipeline.iter().map(|(pipeline, _)| pipeline);
            assert!(pipeline.into_iter().all(|it| !it.sha.contains('\0') && !it.ref_name.contains('\0')));
            assert!(report.jobs.iter().all(|job| job.name.iter().all(|name| !name.contains('\0'))));
        }
        Ok(Some(News::Moved { project, to, at: _ })) => {
            assert!(is_valid_path(&project.path) && to.iter().all(|path| is_valid_path(path)));
        }
        Ok(Some(News::Rights { project, user })) => {
            assert!(is_valid_path(&project.path) && user.is_none_or(|user| user > 0));
        }
        Ok(None) => {}
        Err(why) => assert!(why.len() < 200, "{why}"),
    }
}
