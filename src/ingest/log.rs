//! Logs of ended jobs: their pieces become one artifact.

use std::time::Duration;

use super::{Ingest, blob_info};
use crate::archive::gzip::gunzip;
use crate::catalog::artifacts::{self, InsertOutcome, NewArtifact};
use crate::catalog::{Db, jobs, logs};
use crate::domain::artifact::{Accessibility, ArtifactKind, ArtifactName};
use crate::domain::status::Status;
use crate::domain::{Clock, Error, Result, Timestamp};
use crate::store::{StoredBlob, Upload};
use crate::writers::Writer;

impl Ingest {
    /// Makes an artifact of the pieces of a job's log, if the job has ended; it never expires. Nodes may try at once.
    ///
    /// # Errors
    /// Those of store and catalog; the pieces stay then.
    pub async fn assemble_log(&self, job_id: i64, now: Timestamp) -> Result<()> {
        let job = self.catalog.read(move |db| {
            let job = jobs::find(db, job_id)?.filter(|job| job.status.is_finished());
            Ok::<_, Error>(if logs::size(db, job_id)?.is_some() { job } else { None })
        });
        let Some(job) = job.await? else { return Ok(()) };
        let (writer, mut upload) = self.writers.begin(&self.store).await?;
        self.copy_log(job_id, &mut upload).await?;
        let stored = upload.commit().await?;
        let key = stored.key.clone();
        let project_id = job.project_id;
        let recording = self.catalog.write(move |db| record(db, &writer, (project_id, job_id), &stored, now));
        // A failed commit may have happened after all: its bytes are left to `gc`.
        if !recording.await? {
            self.discard(&key).await;
        }
        Ok(())
    }

    async fn copy_log(&self, job_id: i64, upload: &mut Upload) -> Result<()> {
        let mut after = -1;
        loop {
            let some = self.catalog.read(move |db| logs::chunks(db, job_id, after)).await?;
            let Some(last) = some.last() else { return Ok(()) };
            after = last.starts_at;
            for chunk in some {
                let size = usize::try_from(chunk.size_bytes).map_err(Error::internal)?;
                upload.write(&gunzip(&chunk.data, size).map_err(Error::internal)?).await?;
            }
        }
    }

    /// Makes artifacts of the logs of all ended jobs that are still in pieces; returns how many.
    ///
    /// # Errors
    /// As [`Ingest::assemble_log`]; of several, the first.
    pub async fn assemble_logs(&self, now: Timestamp) -> Result<usize> {
        let ended = self.catalog.read(logs::of_ended_jobs).await?;
        let mut first = Ok(ended.len());
        for job_id in ended {
            if let Err(error) = self.assemble_log(job_id, now).await
                && first.is_ok()
            {
                first = Err(error);
            }
        }
        first
    }

    /// Makes artifacts of logs every `interval`, for as long as it is polled: of jobs whose node ended before it did
    /// that, or that did not end by themselves. Zero means never.
    pub async fn assemble_logs_forever(&self, clock: Clock, interval: Duration) {
        if interval.is_zero() {
            return;
        }
        loop {
            tokio::time::sleep(interval).await;
            if let Err(error) = self.assemble_logs(clock.now()).await {
                tracing::warn!(causes = error.source_chain(), "logs of ended jobs are still in pieces");
            }
        }
    }
}

/// Records the log, unless the job has one already; returns whether it did.
fn record(
    db: &mut Db,
    writer: &Writer,
    (project_id, job_id): (i64, i64),
    stored: &StoredBlob,
    now: Timestamp,
) -> Result<bool> {
    writer.hold(db)?;
    let job = jobs::lock(db, job_id)?;
    let has_pieces = logs::size(db, job_id)?.is_some();
    if !has_pieces || job.is_none_or(|job| !Status::is_finished(job.status) || job.erased_at.is_some()) {
        // Another node was faster, or the job was erased.
        logs::delete(db, job_id)?;
        return Ok(false);
    }
    let kind = ArtifactKind::Trace;
    let declared = NewArtifact {
        project_id,
        job_id,
        name: ArtifactName::LOG,
        kind,
        format: kind.default_format(),
        media_type: None,
        filename: kind.default_filename().to_owned(),
        accessibility: Accessibility::Public,
        expire_at: None,
    };
    let added = artifacts::add(db, &declared, &blob_info(stored, None, None), now)?;
    logs::delete(db, job_id)?;
    Ok(matches!(added, InsertOutcome::Inserted(_)))
}
