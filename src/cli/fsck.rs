//! `artigate fsck`: checks every artifact row against its blob.

use serde_json::json;

use super::progress::Progress;
use super::{CommandError, Maintenance};
use crate::catalog::artifacts;
use crate::retention::FsckFinding;
use crate::settings::Settings;

/// Checks every artifact row against its blob. Prints one line per fault to standard output.
pub(super) fn run(settings: &Settings, quick: bool, as_json: bool) -> Result<(), CommandError> {
    let parts = Maintenance::open(settings)?;
    let total = parts.block_on(parts.catalog.read(artifacts::count))?;
    let progress = Progress::new("checking artifacts", usize::try_from(total).ok());
    let report = |fault: &FsckFinding| {
        if as_json {
            println!(
                "{}",
                json!({ "artifact": fault.artifact_id, "job": fault.job_id, "kind": fault.kind, "blob": fault.store_key, "problem": fault.problem })
            );
        } else {
            println!("{fault}");
        }
    };
    let checking = parts.retention.check(quick, || progress.advance(1), report);
    let checked = parts.block_on(checking);
    progress.finish();
    let checked = checked?;
    let counters = parts.block_on(parts.retention.check_counters())?;
    for fault in &counters {
        if as_json {
            let (project, kind) = (fault.0.project_id, &fault.0.kind);
            println!("{}", json!({ "project": project, "kind": kind, "problem": fault.to_string() }));
        } else {
            println!("{fault}");
        }
    }
    let faults = checked.faults + counters.len();
    let summary = format!("{} artifacts checked, {faults} faults", checked.artifacts);
    match faults {
        0 => {
            eprintln!("{summary}");
            Ok(())
        }
        _ => Err(CommandError::Data(anyhow::Error::msg(summary))),
    }
}
