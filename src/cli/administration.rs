//! What the administration commands stand on: a catalog that is up to date, and a thread to wait on.
//!
//! All of them work while servers run: each changes the catalog in one transaction, and a server
//! keeps no copy of what they change.

use tokio::runtime::{Builder, Runtime};

use super::{CommandError, existing};
use crate::audit::{AuditActor, AuditEvent, AuditOutcome, RequestOrigin};
use crate::catalog::{Catalog, Db};
use crate::domain::Result;
use crate::settings::Settings;

/// A catalog to ask and to change.
pub(super) struct CatalogSession {
    catalog: Catalog,
    runtime: Runtime,
}

impl CatalogSession {
    /// Opens the catalog that is there and brings its schema up to date.
    pub(super) fn open(settings: &Settings) -> Result<Self, CommandError> {
        let catalog = existing::catalog(settings)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| CommandError::Configuration(e.into()))?;
        Ok(Self { catalog, runtime })
    }

    /// Asks the catalog.
    pub(super) fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T> + Send + 'static,
    ) -> Result<T, CommandError> {
        self.runtime.block_on(self.catalog.read(work)).map_err(CommandError::rejected)
    }

    /// Changes the catalog in one transaction, and tells the audit log that `action` was done to
    /// `subject`.
    pub(super) fn write<T: Send + 'static>(
        &self,
        action: &'static str,
        subject: impl Into<String>,
        work: impl FnOnce(&mut Db) -> Result<T> + Send + 'static,
    ) -> Result<T, CommandError> {
        let done = self.runtime.block_on(self.catalog.write(work)).map_err(CommandError::rejected)?;
        audit(action, subject.into());
        Ok(done)
    }
}

/// Tells the audit log what a command has done to `subject`.
pub(super) fn audit(action: &'static str, subject: String) {
    let facts = AuditEvent {
        action: Some(action),
        who: AuditActor::CommandLine { uid: uid() },
        subject: Some(subject),
        ..AuditEvent::default()
    };
    facts.log(AuditOutcome::Done, None, RequestOrigin::default());
}

/// Whose process this is, where the system tells in a file.
fn uid() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|process| process.uid())
}
