//! Tests of the lanes, which work waits for which, and of what is kept with an index.

use std::io::Cursor;

use futures_util::poll;
use tempfile::TempDir;
use zip::{CompressionMethod::Stored, ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::domain::artifact::{Accessibility, ArtifactFormat, ArtifactKind, ArtifactName, ArtifactState};
use crate::domain::{Sha256Digest, Timestamp, Uuid};
use crate::settings::StorageUrl;
use crate::store::{Store, StoreKey};

/// A store with archives, and a cache of their indexes.
struct Archives {
    store: Store,
    cache: IndexCache,
    _folder: TempDir,
}

impl Archives {
    fn new(capacity_bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = StorageUrl::Directory(folder.path().join("blobs"));
        let store = Store::open_at(&url, Duration::from_secs(60)).unwrap();
        Self { store, cache: IndexCache::new(Limits::default(), capacity_bytes), _folder: folder }
    }

    /// Stores an archive of empty files with long names. `is_looked_at` tells whether its row knows where its
    /// directory lies.
    async fn put(&self, entries: usize, is_looked_at: bool) -> (Artifact, Blob) {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for number in 0..entries {
            let name = format!("d{}/{number:0200}", number % 3);
            writer.start_file(name, SimpleFileOptions::default().compression_method(Stored)).unwrap();
        }
        let file = writer.finish().unwrap().into_inner();
        let mut upload = self.store.create(StoreKey::random()).await.unwrap();
        upload.write(&file).await.unwrap();
        let stored = upload.commit().await.unwrap();
        let artifact = Artifact {
            id: 1,
            job_id: 1,
            uuid: Uuid::for_row(),
            name: ArtifactName::ARCHIVE,
            kind: ArtifactKind::Archive,
            format: ArtifactFormat::Zip,
            media_type: None,
            state: ArtifactState::Finished,
            filename: "a.zip".into(),
            accessibility: Accessibility::Public,
            size_bytes: file.len() as i64,
            sha256: Sha256Digest::of(&file),
            store_key: stored.key.to_string(),
            created_at: Timestamp::parse("2026-02-01T12:00:00Z").unwrap(),
            expire_at: None,
            tail_bytes: is_looked_at.then_some(entries as i64 * 252 + 22),
            crc32: None,
            origin: None,
        };
        let blob = self.store.open_blob(&stored.key, stored.size).await.unwrap();
        (artifact, blob)
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

const LARGE: usize = 6_000;

#[test]
fn a_small_archive_does_not_wait_behind_large_ones() {
    run(async {
        let archives = Archives::new(128 << 20);
        let large_is_read = archives.cache.loads.large.acquire().await.unwrap();
        let large_is_gone_over = archives.cache.work.large.acquire().await.unwrap();
        for is_looked_at in [true, false] {
            let (small, blob) = archives.put(100, is_looked_at).await;
            assert_eq!(archives.cache.get(&small, &blob).await.unwrap().unwrap().index.len(), 100);
            let outline = archives.cache.outline(&small, &blob, "d1".into(), false).await.unwrap().unwrap();
            let page = archives.cache.page(&small, &blob, outline.unwrap(), 0..5).await.unwrap().unwrap();
            assert_eq!((page.total, page.items.len()), (33, 5));
        }
        let (known, known_blob) = archives.put(LARGE, true).await;
        let (unknown, unknown_blob) = archives.put(LARGE, false).await;
        let mut waits = Box::pin(archives.cache.get(&known, &known_blob));
        assert!(poll!(&mut waits).is_pending());
        drop(large_is_read);
        assert_eq!(waits.await.unwrap().unwrap().index.len(), LARGE);
        let index = archives.cache.get(&unknown, &unknown_blob).await.unwrap().unwrap();
        assert_eq!(index.index.len(), LARGE, "that it is large shows only when its end is read");
        let work = archives.cache.work(&known, &known_blob, |known| known.index.len());
        assert!(poll!(&mut Box::pin(work)).is_pending());
        drop(large_is_gone_over);
        let work = archives.cache.work(&known, &known_blob, |known| known.index.len());
        assert_eq!(work.await.unwrap().unwrap(), LARGE);
    });
}

#[test]
fn only_the_first_page_goes_over_a_folder() {
    run(async {
        let archives = Archives::new(128 << 20);
        let (archive, blob) = archives.put(LARGE, true).await;
        let outline = || archives.cache.outline(&archive, &blob, "d2".into(), false);
        let first = outline().await.unwrap().unwrap().unwrap();
        // No work on a large index has a turn now; a page needs none.
        let _busy = archives.cache.work.large.acquire().await.unwrap();
        let again = outline().await.unwrap().unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let page = archives.cache.page(&archive, &blob, again, 1_000..1_020).await.unwrap().unwrap();
        assert_eq!((page.total, page.items.len()), (2_000, 20));
        assert!(page.items[0].path.ends_with("3002"));
        assert!(
            poll!(&mut Box::pin(archives.cache.outline(&archive, &blob, "d1".into(), false))).is_pending()
        );
    });
}

#[test]
fn outlines_that_are_kept_are_few() {
    run(async {
        let archives = Archives::new(128 << 20);
        let (archive, blob) = archives.put(30, true).await;
        for folder in ["", "d0", "d1", "d2"] {
            for recursive in [true, false] {
                let outline = archives.cache.outline(&archive, &blob, folder.into(), recursive).await;
                assert!(outline.unwrap().unwrap().is_some());
            }
        }
        let known = archives.cache.get(&archive, &blob).await.unwrap().unwrap();
        assert_eq!(known.outlines.lock().unwrap().len(), OUTLINES);
        assert!(known.kept_outline("", true).is_some());
        known.outline("d0", true);
        archives.cache.outline(&archive, &blob, "none".into(), true).await.unwrap().unwrap();
        assert_eq!(known.outlines.lock().unwrap().len(), OUTLINES);
    });
}

/// A request that only waits holds no evicted index.
#[test]
fn who_waits_holds_no_index() {
    run(async {
        let archives = Archives::new(128 << 20);
        let (archive, blob) = archives.put(LARGE, true).await;
        let index = Arc::downgrade(&archives.cache.get(&archive, &blob).await.unwrap().unwrap());
        let busy = archives.cache.work.large.acquire().await.unwrap();
        let mut waits = Box::pin(archives.cache.work(&archive, &blob, |known| known.index.len()));
        assert!(poll!(&mut waits).is_pending());
        archives.cache.cache.clear();
        assert_eq!(index.strong_count(), 0);
        drop(busy);
        assert_eq!(waits.await.unwrap().unwrap(), LARGE);
    });
}
