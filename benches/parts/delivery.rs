//! Benchmark of a small file from a blob on disk: opened, found, read and decompressed, or wrapped as gzip.

use std::time::Duration;

use artigate::archive::Limits;
use artigate::catalog::artifacts::Artifact;
use artigate::deliver::{Body, Capacity, IndexCache, Sources, StoredEncoding, find_entry};
use artigate::domain::artifact::{Accessibility, ArtifactFormat, ArtifactKind, ArtifactName, ArtifactState};
use artigate::domain::{EntryPath, Timestamp, Uuid};
use artigate::settings::StorageUrl;
use artigate::store::Store;

use super::{archive, part};

pub(crate) fn measure() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder below target/");
    let url = StorageUrl::Directory(folder.path().to_owned());
    let store = Store::open_at(&url, Duration::from_secs(60)).expect("the store opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let artifact = runtime.block_on(stored(&store, &archive::of(10_000)));
    let indexes = IndexCache::new(Limits::default(), 128 << 20);
    let capacity = Capacity::new(256 << 20, 128 << 20);
    let sources = Sources { store: &store, indexes: &indexes, capacity: &capacity, client: None };
    let path = EntryPath::from_bytes(archive::PAGE.into()).expect("a path");

    let find = || async { find_entry(sources, &artifact, &path).await.expect("it is there") };
    part("18 KB file from a blob, inflated", archive::page().len(), || {
        runtime.block_on(async { length(find().await.into_body().await.expect("its bytes")) })
    });
    let packed = runtime.block_on(find()).compressed_size(StoredEncoding::Gzip) as usize;
    part("18 KB file from a blob, gzip wrapped", packed, || {
        runtime.block_on(async {
            length(find().await.into_compressed_body(StoredEncoding::Gzip).await.expect("its bytes"))
        })
    });
}

fn length(body: Body) -> usize {
    match body {
        Body::Full(bytes) => bytes.len(),
        Body::Stream(_) => panic!("a small file comes at once"),
    }
}

async fn stored(store: &Store, archive: &[u8]) -> Artifact {
    let mut upload = store.create(artigate::store::StoreKey::random()).await.expect("room");
    upload.write(archive).await.expect("room");
    let stored = upload.commit().await.expect("room");
    Artifact {
        id: 1,
        job_id: 1,
        uuid: Uuid::for_row(),
        name: ArtifactName::ARCHIVE,
        kind: ArtifactKind::Archive,
        format: ArtifactFormat::Zip,
        media_type: None,
        state: ArtifactState::Finished,
        filename: "artifacts.zip".into(),
        accessibility: Accessibility::Public,
        size_bytes: archive.len() as i64,
        sha256: stored.sha256,
        store_key: stored.key.to_string(),
        created_at: Timestamp::from_millis(0),
        expire_at: None,
        tail_bytes: None,
        crc32: None,
        origin: None,
    }
}
