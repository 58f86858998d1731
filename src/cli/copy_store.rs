//! `artigate copy-store`: copies all blobs to another store and verifies the copies.

use clap::Args;
use serde_json::json;

use super::progress::Progress;
use super::{CommandError, environment, existing};
use crate::catalog::artifacts::{self, Artifact};
use crate::retention::copy_store::{Copied, CopyItem, copy_blobs};
use crate::settings::{Settings, StorageUrl};
use crate::store::Store;

pub(super) const EXAMPLES: &str = "\
Moving without downtime:
  artigate copy-store --from file://artigate-data/blobs --to s3://bucket/artigate
  then restart every node with storage.url = s3://… and storage.previous_url = file://…,
  run the same command again for blobs stored meanwhile, and remove storage.previous_url.";

#[derive(Debug, Args)]
pub(super) struct CopyStore {
    /// Store to copy from: <file://PATH> or <s3://BUCKET/PREFIX>.
    #[arg(long, value_name = "URL")]
    from: String,
    /// Store to copy to: <file://PATH> or <s3://BUCKET/PREFIX>.
    #[arg(long, value_name = "URL")]
    to: String,
    /// Print one JSON object, and one for each blob that could not be copied.
    #[arg(long)]
    json: bool,
}

impl CopyStore {
    /// Copies the blobs that the target store lacks and verifies them.
    pub(super) fn run(self, settings: &Settings) -> Result<(), CommandError> {
        let url = |option: &str, text: &str| {
            let wrong = |why: String| CommandError::Configuration(anyhow::anyhow!("{option}: {why}"));
            StorageUrl::parse(text, environment()?).map_err(wrong)
        };
        let open = |url| Store::open_at(url, settings.storage_timeout).map_err(CommandError::startup);
        let (from, to) = (url("--from", &self.from)?, url("--to", &self.to)?);
        let catalog = existing::catalog(settings)?;
        existing::check_store(&from, settings)?;
        let (from, to) = (open(&from)?, open(&to)?);
        let runtime = super::runtime()?;
        let total = runtime.block_on(catalog.read(artifacts::count))?;
        let progress = Progress::new("copying blobs", usize::try_from(total).ok());
        let report = |item: &CopyItem, why: &str| self.report(item, why);
        let copied = runtime.block_on(copy_blobs(&catalog, &from, &to, || progress.advance(1), report));
        progress.finish();
        self.conclude(copied?)
    }

    fn report(&self, item: &CopyItem, why: &str) {
        let (named, key, text) = match item {
            CopyItem::Artifact(artifact) => {
                let Artifact { id, job_id, kind, store_key, .. } = &**artifact;
                let named = json!({ "artifact": id, "job": job_id, "kind": kind.as_str() });
                (named, store_key, format!("artifact {id} ({kind} of job {job_id})"))
            }
            CopyItem::Upload(blob) => {
                let job_id = blob.job_id;
                (json!({ "upload": true, "job": job_id }), &blob.store_key, format!("upload of job {job_id}"))
            }
        };
        if self.json {
            let mut named = named;
            named["blob"] = json!(key);
            named["problem"] = json!(why);
            println!("{named}");
        } else {
            println!("{text}, blob {key}: {why}");
        }
    }

    fn conclude(&self, copied: Copied) -> Result<(), CommandError> {
        let Copied { blobs, bytes, already_there, faults } = copied;
        let said = if self.json {
            json!({ "copied": blobs, "bytes": bytes, "already_there": already_there, "faults": faults })
                .to_string()
        } else {
            format!(
                "{blobs} blobs copied, {bytes} bytes; {already_there} already present; {faults} could not be copied"
            )
        };
        match faults {
            0 => {
                println!("{said}");
                Ok(())
            }
            _ => Err(CommandError::Data(anyhow::Error::msg(said))),
        }
    }
}
