//! Replaces the certificate in use when its files change, or on SIGHUP.
//!
//! Open connections go on with the one with which they began. A pair that cannot be used never replaces one
//! that can.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::signal::unix::{Signal, SignalKind, signal};
use actix_web::rt::task::spawn_blocking;
use futures_util::future::{Either, select};
use tokio::time::{MissedTickBehavior, interval};

use super::Tls;
use super::pair::Stamp;
use crate::domain::Timestamp;

/// How often the files are looked at. They are read at the second look that finds them as the one before:
/// until then they may be half written.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long before the end of the certificate a warning is logged.
const NEAR_DAYS: i64 = 14;

const DAY_MS: i64 = 86_400_000;

/// Watches the files of a listener for ever.
pub(in crate::server) async fn watch(tls: Arc<Tls>) {
    let mut hangups = signal(SignalKind::hangup())
        .inspect_err(|error| tracing::warn!(%error, "SIGHUP will not replace the certificate"))
        .ok();
    let mut looks = interval(INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut files = Files { read: tls.stamp, seen: None };
    let mut warned = tls.clock.now();
    loop {
        let told = {
            let (hung_up, look) = (pin!(hung_up(&mut hangups)), pin!(looks.tick()));
            matches!(select(hung_up, look).await, Either::Left(_))
        };
        let Some(stamp) = tls.look().await else { continue };
        if files.are_due(stamp, told) {
            tls.replace().await;
        }
        let now = tls.clock.now();
        if now.as_millis() - warned.as_millis() >= DAY_MS {
            warned = now;
            warn_of_end(tls.in_use.ends_at(), now);
        }
    }
}

/// Waits for SIGHUP, for ever if it cannot be received.
async fn hung_up(hangups: &mut Option<Signal>) {
    match hangups {
        Some(hangups) => {
            hangups.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// What was seen of the files.
#[derive(Debug)]
struct Files {
    /// Before they were last read.
    read: Stamp,
    /// At the last look.
    seen: Option<Stamp>,
}

impl Files {
    /// Whether the files must be read: when `told`, or if they have changed and did not since the last look.
    fn are_due(&mut self, stamp: Stamp, told: bool) -> bool {
        let rest = self.seen.replace(stamp) == Some(stamp);
        let due = told || (rest && self.read != stamp);
        if due {
            self.read = stamp;
        }
        due
    }
}

impl Tls {
    async fn look(self: &Arc<Self>) -> Option<Stamp> {
        let files = self.files.clone();
        spawn_blocking(move || files.stamp()).await.ok()
    }

    /// Takes the pair in the files into use, or logs why not.
    async fn replace(self: &Arc<Self>) {
        let tls = Arc::clone(self);
        let Ok(read) = spawn_blocking(move || tls.files.read(&tls.provider)).await else { return };
        match read {
            Ok(pair) => {
                let ends_at = pair.ends_at.map(tracing::field::display);
                tracing::info!(ends_at, "new connections get the certificate that was read");
                warn_of_end(pair.ends_at, self.clock.now());
                self.in_use.set(pair);
            }
            Err(why) => {
                tracing::error!(
                    reason = why,
                    "the certificate stays the one before: the new one cannot be used"
                );
            }
        }
    }
}

/// Warns of a certificate that has ended or soon will: clients refuse it then.
pub(super) fn warn_of_end(ends_at: Option<Timestamp>, now: Timestamp) {
    let Some(end) = ends_at else { return };
    let left = end.as_millis() - now.as_millis();
    if left < 0 {
        tracing::warn!(ends_at = %end, "server.tls_certificate has expired: clients refuse it");
    } else if left < NEAR_DAYS * DAY_MS {
        tracing::warn!(ends_at = %end, "server.tls_certificate expires in {} days", left / DAY_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_once_they_have_come_to_rest_or_when_told() {
        let stamp = |number: i128| Stamp::of_test(number);
        let mut files = Files { read: stamp(1), seen: None };
        assert!(!files.are_due(stamp(1), false) && !files.are_due(stamp(1), false), "nothing has changed");
        assert!(!files.are_due(stamp(2), false) && !files.are_due(stamp(3), false), "they are being written");
        assert!(files.are_due(stamp(3), false));
        assert!(!files.are_due(stamp(3), false), "once, whatever was in them");
        assert!(files.are_due(stamp(3), true) && files.are_due(stamp(4), true));
        assert!(!files.are_due(stamp(4), false));
    }
}
