//! Catalog session of the administration commands: a catalog with a current schema, and the runtime that
//! runs its calls.
//!
//! The commands are safe while servers run: each changes the catalog in one transaction, and servers do not
//! cache the rows that the commands change.

use tokio::runtime::{Builder, Runtime};

use super::{CommandError, existing};
use crate::audit::{AuditActor, AuditEvent, AuditOutcome, RequestOrigin};
use crate::catalog::{Catalog, Db};
use crate::domain::{Clock, ErrorKind, Result};
use crate::retention;
use crate::settings::Settings;

/// How often a change is tried that other transactions are in the way of.
const TRIES: usize = 5;

/// An open catalog and the runtime that runs its calls.
pub(super) struct CatalogSession {
    catalog: Catalog,
    runtime: Runtime,
}

impl CatalogSession {
    /// Opens the existing catalog and migrates its schema.
    pub(super) fn open(settings: &Settings) -> Result<Self, CommandError> {
        let catalog = existing::catalog(settings)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| CommandError::Configuration(e.into()))?;
        Ok(Self { catalog, runtime })
    }

    /// Reads from the catalog.
    pub(super) fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T> + Send + 'static,
    ) -> Result<T, CommandError> {
        self.runtime.block_on(self.catalog.read(work)).map_err(CommandError::rejected)
    }

    /// Counts what takes long to count, as servers do from time to time. `cache_bytes` is what copies from an upstream may
    /// take, if there is one.
    pub(super) fn count_storage(&self, cache_bytes: Option<u64>) -> Result<(), CommandError> {
        let clock = Clock::System;
        self.runtime
            .block_on(retention::count_storage(&self.catalog, &clock, cache_bytes))
            .map(drop)
            .map_err(CommandError::rejected)
    }

    /// Changes the catalog in one transaction, then writes `action` and `subject` to the audit log.
    pub(super) fn write<T: Send + 'static>(
        &self,
        action: &'static str,
        subject: impl Into<String>,
        work: impl FnOnce(&mut Db) -> Result<T> + Send + 'static,
    ) -> Result<T, CommandError> {
        let done = self.change(work)?;
        audit(action, subject.into());
        Ok(done)
    }

    /// Like [`CatalogSession::write`], and tries again while other transactions are in the way.
    pub(super) fn write_patiently<T: Send + 'static>(
        &self,
        action: &'static str,
        subject: impl Into<String>,
        work: impl Fn(&mut Db) -> Result<T> + Clone + Send + 'static,
    ) -> Result<T, CommandError> {
        let mut done = self.runtime.block_on(self.catalog.write(work.clone()));
        for _ in 1..TRIES {
            match &done {
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    done = self.runtime.block_on(self.catalog.write(work.clone()));
                }
                _ => break,
            }
        }
        let done = done.map_err(CommandError::rejected)?;
        audit(action, subject.into());
        Ok(done)
    }

    /// Changes the catalog in one transaction, as a part of what is written to the audit log when it is complete.
    pub(super) fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T> + Send + 'static,
    ) -> Result<T, CommandError> {
        self.runtime.block_on(self.catalog.write(work)).map_err(CommandError::rejected)
    }
}

/// Writes an event to the audit log: this user ran the command `action` on `subject`.
pub(super) fn audit(action: &'static str, subject: String) {
    let event = AuditEvent {
        action: Some(action),
        who: AuditActor::CommandLine { uid: uid() },
        subject: Some(subject),
        ..AuditEvent::default()
    };
    event.log(AuditOutcome::Done, None, RequestOrigin::default());
}

/// Returns the user ID of this process from `/proc`; `None` on a system without it.
fn uid() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|process| process.uid())
}
