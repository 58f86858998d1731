//! What is not finished: its page says so, whatever it has left so far, until it has ended.

use super::{html, open};
use crate::support::fixture::Fixture;
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(
    a_pipeline_that_runs_says_so_until_it_has_ended,
    a_job_that_runs_says_so_with_and_without_artifacts,
);

const SAYS: &str = "it has not finished; more may come.";

fn app(pipeline: &str, job: &str) -> Fixture {
    let left = zips::deflated(&[("a.txt", b"a")]);
    let begun = Fixture::project("group/app").public().pipeline(100, "main").status(pipeline);
    begun.job(10, "build").archive(&left).status(job).job(11, "test").status(job)
}

fn page(gateway: &Gateway, path: &str) -> String {
    html(&open(gateway, "", &format!("/group/app/-/{path}"))).to_owned()
}

fn a_pipeline_that_runs_says_so_until_it_has_ended(gateway: Gateway) {
    for (status, word) in [("pending", "waiting"), ("running", "running"), ("canceling", "canceling")] {
        app(status, "running").load(&gateway);
        let page = page(&gateway, "pipelines/100");
        assert!(page.contains(&format!("{word}</span> – {SAYS}")), "{status}: {page}");
    }
    for status in ["success", "failed", "canceled"] {
        app(status, "success").load(&gateway);
        assert!(!page(&gateway, "pipelines/100").contains("not finished"), "{status}");
    }
}

fn a_job_that_runs_says_so_with_and_without_artifacts(gateway: Gateway) {
    app("running", "running").load(&gateway);
    for (job, empty) in [(10, false), (11, true)] {
        let page = page(&gateway, &format!("jobs/{job}"));
        assert!(page.contains(&format!("running</span> – {SAYS}")), "{page}");
        assert_eq!(page.contains("There is nothing yet."), empty, "{page}");
    }
    app("running", "pending").load(&gateway);
    assert!(page(&gateway, "jobs/11").contains(&format!("waiting</span> – {SAYS}")));
    app("failed", "failed").load(&gateway);
    for job in [10, 11] {
        let page = page(&gateway, &format!("jobs/{job}"));
        assert!(!page.contains("not finished") && !page.contains("nothing yet"), "{page}");
    }
    assert!(page(&gateway, "jobs/11").contains("This job left no artifacts."));
}
