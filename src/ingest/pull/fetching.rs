//! One download: the rows of the job, the bytes into the store, the checks, and the row of the copy.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::failure::PullFailure;
use super::stream::Tee;
use super::{Announced, Inner, PullOrder, PulledCopy};
use crate::catalog::artifacts::{self, InsertOutcome, NewArtifact};
use crate::catalog::foreign::{self, StoreOutcome};
use crate::catalog::projects::{self, Project};
use crate::catalog::{copies, jobs};
use crate::domain::artifact::{Accessibility, ArtifactFormat, ArtifactKind, ArtifactName};
use crate::domain::project::ProjectRef;
use crate::domain::{Error, ErrorKind, Result, Timestamp, byte_size};
use crate::ingest::{ArtifactUpload, Ingest, blob_info};
use crate::upstream::{Download, ListedArchive, Outage};

/// How long a copy is kept, unless it expires earlier at the upstream.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// The name of an archive that the upstream does not name.
const ARTIFACTS_ZIP: &str = "artifacts.zip";

/// How an archive begins, and an empty one.
const SIGNATURES: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

type Fetched<T> = std::result::Result<T, PullFailure>;

impl Inner {
    pub(super) async fn fetch(
        self: Arc<Self>,
        order: PullOrder,
        mut tee: Option<Tee>,
    ) -> Fetched<PulledCopy> {
        let order = &order;
        let outage = |outage| PullFailure::outage(self.upstream.name(), outage);
        let expire_at = self.learn_job(order).await?;
        let fetching = self.upstream.fetch(&order.asker, order.client, order.archive);
        let mut download = fetching.await.map_err(outage)?.map_err(PullFailure::refused)?;
        self.check_size(download.size.unwrap_or(0))?;
        let is_ahead = order.ahead.is_some();
        let _room = self.make_room(download.size.unwrap_or(0), is_ahead).await?;
        let (project_id, job_id) = (order.archive.project_id, order.archive.job_id);
        let beside_a_reader = download.size.filter(|_| tee.is_some());
        let mut upload = self.ingest.begin_copy(project_id, job_id, beside_a_reader).await?;
        let filename = download.filename.clone().unwrap_or_else(|| ARTIFACTS_ZIP.to_owned());
        let received = self.receive(&mut download, &mut upload, &filename, tee.as_mut()).await?;
        // Of one that did not tell its size, it is known now.
        let _rest = self.make_room(received.saturating_sub(download.size.unwrap_or(0)), is_ahead).await?;
        let now = self.now();
        let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
        let kept_until = Timestamp::from_millis(now.as_millis().saturating_add(kept));
        let declared = NewArtifact {
            project_id,
            job_id,
            name: ArtifactName::ARCHIVE,
            kind: ArtifactKind::Archive,
            format: ArtifactFormat::Zip,
            media_type: None,
            filename,
            // Whoever does not know that the upstream is to be asked lets nobody read it.
            accessibility: Accessibility::None,
            expire_at: Some(expire_at.filter(|at| *at > now).map_or(kept_until, |at| at.min(kept_until))),
        };
        let used_at = order.ahead.unwrap_or(now).min(now);
        let copy = Arc::clone(&self.ingest).finish_copy(upload, declared, (now, used_at)).await?;
        tracing::info!(job.id = job_id, size_bytes = copy.size, "an archive of the upstream is stored");
        Ok(copy)
    }

    /// Finds the archive if another download has ended between the question for it and this one.
    pub(super) async fn find_stored(&self, job_id: i64) -> Fetched<Option<PulledCopy>> {
        let now = self.now();
        let name = &ArtifactName::ARCHIVE;
        let finding = self.ingest.catalog.read(move |db| artifacts::find_current(db, job_id, name, now));
        let Some(found) = finding.await? else { return Ok(None) };
        let key = found.store_key.parse().map_err(Error::internal)?;
        let size = u64::try_from(found.size_bytes).map_err(Error::internal)?;
        Ok(Some(PulledCopy { key, size }))
    }

    fn check_size(&self, size: u64) -> Fetched<()> {
        if size <= self.limit_bytes {
            return Ok(());
        }
        let limit = byte_size::show(self.limit_bytes);
        let why = format!("the archive is larger than {limit}, and is not fetched from the upstream");
        Err(PullFailure::told(ErrorKind::Unprocessable, why))
    }

    async fn receive(
        &self,
        download: &mut Download,
        upload: &mut ArtifactUpload,
        filename: &str,
        mut tee: Option<&mut Tee>,
    ) -> Fetched<u64> {
        let outage = |outage| PullFailure::outage(self.upstream.name(), outage);
        let (mut size, mut head, mut is_begun) = (0_u64, Vec::new(), false);
        while let Some(piece) = download.chunk().await.map_err(outage)? {
            size += piece.len() as u64;
            self.check_size(size)?;
            if !is_begun {
                head.extend_from_slice(&piece[..piece.len().min(SIGNATURES[0].len())]);
                is_begun = head.len() >= SIGNATURES[0].len();
                if is_begun && !SIGNATURES.iter().any(|known| head.starts_with(known)) {
                    return Err(outage(Outage::broken("it is no archive")));
                }
                if let (true, Some(tee), Some(size)) = (is_begun, tee.as_deref_mut(), download.size) {
                    tee.announce(Announced { size, filename: filename.to_owned() });
                }
            }
            if let Some(tee) = tee.as_deref_mut() {
                tee.pass(piece.clone()).await;
            }
            upload.write_shared(piece).await?;
        }
        if !is_begun || download.size.is_some_and(|announced| announced != size) {
            return Err(outage(Outage::broken("the archive broke off")));
        }
        if let Some(tee) = tee {
            tee.finish(&self.ingest.limits).await;
        }
        Ok(size)
    }

    /// Requires that the job has rows, and returns when its archive expires, as far as that was asked.
    async fn learn_job(&self, order: &PullOrder) -> Fetched<Option<Timestamp>> {
        let (project_id, job_id) = (order.archive.project_id, order.archive.job_id);
        let known = self.ingest.catalog.read(move |db| jobs::find(db, job_id)).await?;
        if let Some(known) = known {
            let is_its = known.project_id == project_id;
            let absent = || PullFailure::told(ErrorKind::NotFound, "Not Found");
            return if is_its { Ok(None) } else { Err(absent()) };
        }
        let asking = self.upstream.job_facts(&order.asker, order.client, order.archive, order.pipeline_id);
        let told = asking.await.map_err(|outage| PullFailure::outage(self.upstream.name(), outage))?;
        let unknown = || {
            let why = "the upstream tells nothing of this job to this caller";
            PullFailure::from(Error::new(ErrorKind::NotFound, "Not Found").with_source(why)).of_asker()
        };
        let told = told.ok_or_else(unknown)?;
        self.store_job(&told).await?;
        Ok(told.expire_at)
    }

    pub(super) async fn store_job(&self, told: &ListedArchive) -> Fetched<()> {
        let (upstream, job, now) = (self.upstream.name().to_owned(), told.job.clone(), self.now());
        let storing = move |db: &mut crate::catalog::Db| foreign::store_job(db, &upstream, &job, now);
        match self.ingest.catalog.write(storing).await? {
            StoreOutcome::Stored(..) => Ok(()),
            StoreOutcome::InTheWay(why) => {
                Err(Error::new(ErrorKind::NotFound, "Not Found").with_source(why).into())
            }
        }
    }
}

impl Ingest {
    /// Stores what was received as a copy, if it is an archive.
    async fn finish_copy(
        self: Arc<Self>,
        received: ArtifactUpload,
        declared: NewArtifact,
        (now, used_at): (Timestamp, Timestamp),
    ) -> Result<PulledCopy> {
        let ArtifactUpload { upload, writer, _turn, .. } = received;
        let piece = upload.commit_piece().await?;
        let key = piece.key.clone();
        let stored = match self.hash_piece(piece, None).await {
            Ok((stored, _)) => stored,
            Err(error) => {
                self.discard(&key).await;
                return Err(error);
            }
        };
        // On a thread of its own, because the future of a scan does not change threads.
        let (ingest, scanned) = (Arc::clone(&self), stored.clone());
        let (format, job_id, runtime) = (declared.format, declared.job_id, Handle::current());
        let scan = move || runtime.block_on(ingest.scan(&scanned, format, job_id));
        let scanning = tokio::task::spawn_blocking(scan);
        let Some(tail_bytes) = scanning.await.map_err(Error::internal)?? else {
            self.discard(&key).await;
            return Err(Error::unavailable("the upstream's archive has no readable directory"));
        };
        let contents = blob_info(&stored, Some(tail_bytes), None);
        let project = ProjectRef::Id(declared.project_id);
        let recording = self.catalog.write(move |db| {
            writer.hold(db)?;
            // A project that was deleted meanwhile, or that became another's, has no copies.
            let takes_copies = |project: Project| project.upstream.is_some() && !project.is_gone();
            let is_there = projects::find(db, &project)?.is_some_and(takes_copies);
            if !is_there {
                return Err(Error::new(ErrorKind::NotFound, "Not Found"));
            }
            let outcome = artifacts::add(db, &declared, &contents, now)?;
            if let InsertOutcome::Inserted(id) = outcome {
                copies::mark(db, id, used_at)?;
            }
            Ok(outcome)
        });
        match recording.await? {
            InsertOutcome::Inserted(_) => Ok(PulledCopy { key, size: stored.size }),
            InsertOutcome::AlreadyExists(existing) => {
                self.discard(&key).await;
                if existing.sha256 != stored.sha256 {
                    return Err(Error::unavailable("another archive of the job was stored meanwhile"));
                }
                let key = existing.store_key.parse().map_err(Error::internal)?;
                Ok(PulledCopy { key, size: stored.size })
            }
        }
    }
}
