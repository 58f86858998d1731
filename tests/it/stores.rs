//! The contract of a store, run against a directory and a bucket.

use std::time::{Duration, SystemTime};

use artigate::domain::{ErrorKind, Sha256Digest};
use artigate::settings::StorageUrl;
use artigate::store::{Blob, SHARDS, Store, StoreEntry, StoreKey, StoredBlob};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

use crate::support::bucket;
use crate::support::zips::noise;

/// A store of its own, and the runtime that asks it.
struct StoreFixture {
    store: Store,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl StoreFixture {
    fn in_a_directory() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::open(&StorageUrl::Directory(folder.path().join("blobs")), folder)
    }

    fn in_a_bucket() -> Self {
        Self::open(&bucket::fresh(bucket::server()), tempfile::tempdir().unwrap())
    }

    fn open(url: &StorageUrl, folder: tempfile::TempDir) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { store: Store::open_at(url, Duration::from_secs(30)).unwrap(), runtime, _folder: folder }
    }

    fn put(&self, bytes: &[u8]) -> StoredBlob {
        self.runtime.block_on(async {
            let mut upload = self.store.create(StoreKey::of_writer(7)).await.unwrap();
            for piece in bytes.chunks(10_000) {
                upload.write(piece).await.unwrap();
            }
            assert_eq!(upload.size(), bytes.len() as u64);
            upload.commit().await.unwrap()
        })
    }

    fn open_blob(&self, stored: &StoredBlob) -> Blob {
        self.runtime.block_on(self.store.open_blob(&stored.key, stored.size)).unwrap()
    }

    fn read(&self, stored: &StoredBlob) -> Vec<u8> {
        let blob = self.open_blob(stored);
        self.runtime.block_on(collect(&blob, 0..stored.size)).unwrap()
    }

    fn all(&self) -> Vec<StoreEntry> {
        let list = async {
            let mut all = Vec::new();
            for shard in 0..SHARDS {
                all.extend(self.store.list(shard).await.unwrap());
            }
            all
        };
        self.runtime.block_on(list)
    }

    /// The kind of error that reading ends with.
    fn refusal(&self, key: &StoreKey, size: u64) -> ErrorKind {
        let read = async {
            let blob = self.store.open_blob(key, size).await?;
            Ok(collect(&blob, 0..size).await?)
        };
        let read: artigate::domain::Result<Vec<u8>> = self.runtime.block_on(read);
        read.unwrap_err().kind()
    }
}

async fn collect(blob: &Blob, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    let pieces = blob.stream(range).try_fold(Vec::new(), |mut all, piece| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    });
    pieces.await
}

/// Declares tests that run once on each store.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn in_a_directory() {
                super::$name(super::StoreFixture::in_a_directory());
            }

            #[test]
            fn in_a_bucket() {
                super::$name(super::StoreFixture::in_a_bucket());
            }
        }
    )+};
}

on_both_stores!(
    what_was_committed_is_read_as_it_was_written,
    a_part_is_as_in_the_whole,
    a_reader_may_leave_and_others_may_come,
    many_readers_at_once_may_keep_what_they_got,
    nothing_is_seen_of_a_blob_before_it_is_committed_or_after_it_was_dropped,
    what_was_never_finished_can_be_removed,
    blobs_are_listed_with_their_sizes_and_removed_by_many,
    what_is_missing_or_of_another_size_is_refused,
    what_is_not_what_its_row_says_is_never_seen,
    a_store_has_one_id_that_is_no_blob,
    a_store_holds_blobs_from_the_first_that_is_there_and_its_id_and_clock_are_none,
    a_stores_clock_is_the_one_that_its_blobs_have_their_times_from,
    a_store_that_is_there_says_so
);

fn what_was_committed_is_read_as_it_was_written(asked: StoreFixture) {
    const PART: usize = 8 << 20;
    for size in [0, 1, 262_143, 262_144, 262_145, PART - 1, PART, PART + 1, 2 * PART + 12_345] {
        let bytes = noise(size);
        let stored = asked.put(&bytes);
        assert_eq!((stored.size, stored.sha256), (size as u64, Sha256Digest::of(&bytes)));
        assert!(asked.read(&stored) == bytes, "{size} bytes");
    }
}

fn a_part_is_as_in_the_whole(asked: StoreFixture) {
    let bytes = noise(1_000_000);
    let blob = asked.open_blob(&asked.put(&bytes));
    for range in [0..1, 0..0, 999_999..1_000_000, 1_000_000..1_000_000, 262_000..263_000, 100..900_000] {
        let expected = &bytes[range.start as usize..range.end as usize];
        assert!(asked.runtime.block_on(blob.bytes(range.clone())).unwrap() == expected, "{range:?}");
        assert!(asked.runtime.block_on(collect(&blob, range.clone())).unwrap() == expected, "{range:?}");
    }
    assert!(asked.runtime.block_on(blob.bytes(999_000..1_000_001)).is_err());
    assert!(asked.runtime.block_on(collect(&blob, 999_000..1_000_001)).is_err());
}

fn a_reader_may_leave_and_others_may_come(asked: StoreFixture) {
    let bytes = noise(6 << 20);
    let stored = asked.put(&bytes);
    let blob = asked.open_blob(&stored);
    for _ in 0..5 {
        let first = asked.runtime.block_on(async { Box::pin(blob.stream(0..stored.size)).try_next().await });
        let first = first.unwrap().unwrap();
        assert!(bytes.starts_with(&first) && !first.is_empty());
    }
    assert!(asked.read(&stored) == bytes);
}

fn many_readers_at_once_may_keep_what_they_got(asked: StoreFixture) {
    let bytes = noise(2 << 20);
    let stored = asked.put(&bytes);
    let blob = asked.open_blob(&stored);
    // More than may have large pieces, each in the middle when the next begins.
    let read = async {
        let mut readers: Vec<_> = (0..20).map(|_| Box::pin(blob.stream(0..stored.size).fuse())).collect();
        let mut kept: Vec<Vec<Bytes>> = vec![Vec::new(); readers.len()];
        let mut reading = true;
        while reading {
            reading = false;
            for (reader, kept) in readers.iter_mut().zip(&mut kept) {
                let piece = reader.try_next().await.unwrap();
                reading |= piece.is_some();
                kept.extend(piece);
            }
        }
        kept
    };
    let kept = asked.runtime.block_on(read);
    assert!(kept.iter().all(|pieces| pieces.concat() == bytes));
}

fn nothing_is_seen_of_a_blob_before_it_is_committed_or_after_it_was_dropped(asked: StoreFixture) {
    let started = SystemTime::now();
    let mut upload = asked.runtime.block_on(asked.store.create(StoreKey::of_writer(7))).unwrap();
    asked.runtime.block_on(async {
        for piece in noise(9 << 20).chunks(300_000) {
            upload.write(piece).await.unwrap();
        }
    });
    let begun = asked.all();
    assert!(begun.iter().all(|item| item.key.is_none()), "{begun:?}");
    assert_eq!(begun.len(), 1, "what is under way can be found");
    assert_eq!(begun[0].upload_of.as_ref().and_then(StoreKey::writer), Some(7), "and whose it is");
    // Servers tell whole seconds.
    assert!(begun[0].modified + Duration::from_secs(2) > started, "{begun:?}");
    drop(upload);
    for _ in 0..1000 {
        if asked.all().is_empty() {
            return;
        }
    }
    panic!("{:?}", asked.all());
}

fn what_was_never_finished_can_be_removed(asked: StoreFixture) {
    let mut upload = asked.runtime.block_on(asked.store.create(StoreKey::of_writer(7))).unwrap();
    asked.runtime.block_on(async {
        upload.write(&noise(9 << 20)).await.unwrap();
        upload.write(b"more").await.unwrap();
    });
    while asked.all().is_empty() {}
    for item in asked.all() {
        asked.runtime.block_on(asked.store.remove_listed(&item)).unwrap();
        asked.runtime.block_on(asked.store.remove_listed(&item)).unwrap();
    }
    assert!(asked.all().is_empty());
    let refused = asked.runtime.block_on(upload.commit()).unwrap_err();
    assert_eq!(
        refused.kind(),
        ErrorKind::Unavailable,
        "its owner notices, and nobody else did anything wrong"
    );
}

fn blobs_are_listed_with_their_sizes_and_removed_by_many(asked: StoreFixture) {
    let stored: Vec<StoredBlob> = (0..30).map(|size| asked.put(&noise(size))).collect();
    let mut listed: Vec<(String, u64)> =
        asked.all().iter().map(|item| (item.key.as_ref().unwrap().to_string(), item.size)).collect();
    let mut expected: Vec<(String, u64)> =
        stored.iter().map(|stored| (stored.key.to_string(), stored.size)).collect();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    let missing = (0..1_200).map(|_| StoreKey::random());
    let keys: Vec<StoreKey> = stored[1..].iter().map(|stored| stored.key.clone()).chain(missing).collect();
    let count = keys.len();
    let outcomes = asked.runtime.block_on(asked.store.delete_all(keys));
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        count,
        "one that is gone is no failure"
    );
    assert_eq!(asked.all().len(), 1);
    asked.runtime.block_on(asked.store.delete(&stored[0].key)).unwrap();
    asked.runtime.block_on(asked.store.delete(&stored[0].key)).unwrap();
    assert!(asked.all().is_empty());
}

fn what_is_missing_or_of_another_size_is_refused(asked: StoreFixture) {
    assert_eq!(asked.refusal(&StoreKey::random(), 10), ErrorKind::NotFound);
    let stored = asked.put(b"ten bytes.");
    assert_eq!(asked.refusal(&stored.key, 9), ErrorKind::Internal);
    assert_eq!(asked.refusal(&stored.key, 11), ErrorKind::Internal);
    asked.runtime.block_on(asked.store.delete(&stored.key)).unwrap();
    assert_eq!(asked.refusal(&stored.key, 10), ErrorKind::NotFound);
}

fn what_is_not_what_its_row_says_is_never_seen(asked: StoreFixture) {
    for size in [5, 9 << 20] {
        let bytes = noise(size);
        let put = |expected: Sha256Digest| {
            asked.runtime.block_on(async {
                let mut upload = asked.store.create(StoreKey::random()).await?;
                for piece in bytes.chunks(300_000) {
                    upload.write(piece).await?;
                }
                upload.commit_as(expected).await
            })
        };
        let error = put(Sha256Digest::of(b"other")).unwrap_err();
        assert!(error.source_chain().unwrap().contains(" instead of "), "{error:?}");
        assert!(asked.all().iter().all(|item| item.key.is_none()));
        let stored = put(Sha256Digest::of(&bytes)).unwrap();
        assert!(asked.read(&stored) == bytes);
        asked.runtime.block_on(asked.store.delete(&stored.key)).unwrap();
    }
}

fn a_store_has_one_id_that_is_no_blob(asked: StoreFixture) {
    assert_eq!(asked.runtime.block_on(asked.store.instance_id()).unwrap(), None);
    let (first, second) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    for id in [first, second] {
        assert_eq!(asked.runtime.block_on(asked.store.keep_instance_id(id)).unwrap(), first);
    }
    assert_eq!(asked.runtime.block_on(asked.store.instance_id()).unwrap(), Some(first));
    assert!(asked.all().is_empty());
}

fn a_store_holds_blobs_from_the_first_that_is_there_and_its_id_and_clock_are_none(asked: StoreFixture) {
    let holds = || asked.runtime.block_on(asked.store.holds_blobs()).unwrap();
    assert!(!holds());
    asked.runtime.block_on(asked.store.keep_instance_id(uuid::Uuid::new_v4())).unwrap();
    asked.runtime.block_on(asked.store.now()).unwrap();
    assert!(!holds());
    for _ in 0..4 {
        let stored = asked.put(b"bytes");
        assert!(holds(), "{}", stored.key);
        asked.runtime.block_on(asked.store.delete(&stored.key)).unwrap();
        assert!(!holds());
    }
}

fn a_stores_clock_is_the_one_that_its_blobs_have_their_times_from(asked: StoreFixture) {
    let before = asked.runtime.block_on(asked.store.now()).unwrap();
    asked.put(b"bytes");
    let after = asked.runtime.block_on(asked.store.now()).unwrap();
    let listed = asked.all();
    assert_eq!(listed.len(), 1, "nothing is left of asking: {listed:?}");
    assert!(before <= listed[0].modified && listed[0].modified <= after, "{listed:?}");
}

fn a_store_that_is_there_says_so(asked: StoreFixture) {
    asked.runtime.block_on(asked.store.probe()).unwrap();
}

#[test]
fn only_a_bucket_gives_out_addresses_and_they_are_good_for_one_method() {
    let directory = StoreFixture::in_a_directory();
    let sign = |asked: &StoreFixture, stored: &StoredBlob, head: bool| {
        let disposition = "attachment; filename=\"a b.zip\"".to_owned();
        let signed = asked.store.presigned_url(&stored.key, head, disposition, Duration::from_secs(60));
        asked.runtime.block_on(signed).unwrap()
    };
    assert_eq!(sign(&directory, &directory.put(b"x"), false), None);
    let asked = StoreFixture::in_a_bucket();
    let stored = asked.put(b"bytes");
    let curl = |arguments: &[&str], url: &str| {
        let output =
            std::process::Command::new("curl").args(["-sS", "-i"]).args(arguments).arg(url).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let url = sign(&asked, &stored, false).unwrap();
    let got = curl(&[], &url);
    assert!(got.starts_with("HTTP/1.1 200") && got.ends_with("\r\n\r\nbytes"), "{got}");
    assert!(got.to_lowercase().contains("content-disposition: attachment; filename=\"a b.zip\""), "{got}");
    assert!(curl(&["-r", "1-2"], &url).ends_with("\r\n\r\nyt"));
    assert!(curl(&["-I"], &url).starts_with("HTTP/1.1 403"), "signed for GET");
    let head = curl(&["-I"], &sign(&asked, &stored, true).unwrap());
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[test]
fn a_bucket_that_is_not_there_is_unavailable_and_not_an_error_of_ours() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let asked = StoreFixture::open(&bucket::fresh(nobody), tempfile::tempdir().unwrap());
    assert_eq!(asked.runtime.block_on(asked.store.probe()).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn whether_a_bucket_holds_blobs_is_one_question_and_what_lies_deeper_is_another_stores() {
    let proxy = bucket::Proxy::start();
    let url = bucket::fresh(proxy.address);
    let StorageUrl::Bucket(mut deeper) = url.clone() else { panic!("{url:?}") };
    deeper.prefix.push_str("/deeper");
    let asked = StoreFixture::open(&url, tempfile::tempdir().unwrap());
    let holds = || asked.runtime.block_on(asked.store.holds_blobs()).unwrap();
    let questions = || proxy.take_seen().len();
    asked.runtime.block_on(asked.store.keep_instance_id(uuid::Uuid::new_v4())).unwrap();
    asked.runtime.block_on(asked.store.now()).unwrap();
    questions();
    assert_eq!((holds(), questions()), (false, 1));
    let deeper = StoreFixture::open(&StorageUrl::Bucket(deeper), tempfile::tempdir().unwrap());
    for _ in 0..4 {
        deeper.put(b"bytes");
    }
    questions();
    assert_eq!((holds(), questions()), (false, 2), "more lies there than was asked for first");
    for _ in 0..4 {
        asked.put(b"bytes");
    }
    questions();
    assert_eq!((holds(), questions()), (true, 1));
}
