//! Breaker: leaves an upstream alone that fails, or that said when to come back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::answer::Outage;
use super::question::{AskerKey, Kind};
use crate::domain::Timestamp;

/// Failures in a row after which the upstream is left alone.
const FAILURES: u32 = 5;

/// How long it is left alone, in milliseconds.
const PAUSE_MILLIS: i64 = 5_000;

/// How often failures are logged, in milliseconds.
const LOG_INTERVAL_MILLIS: i64 = 60_000;

/// The longest time that an upstream may ask to be left alone, in seconds.
const MAX_RETRY_AFTER: u32 = 60;

/// How many callers with tokens of their own reach their limits until a kind of question is asked for nobody: the limit is
/// that of this server's address then.
const LIMITED_ASKERS: usize = 5;

/// Whose question of which kind it is.
pub(super) type Limit = (Kind, AskerKey);

/// The state of an upstream. A question is asked only if [`Breaker::check`] admits it.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    pause_until: Option<Timestamp>,
    /// Whose limit of calls is reached, by kinds of questions, and until when.
    limited: HashMap<Limit, Timestamp>,
    logged_at: Option<Timestamp>,
    not_logged: u64,
}

impl Breaker {
    /// Requires that a question may be asked.
    pub(super) fn check(&self, limit: Limit, now: Timestamp) -> Result<(), Outage> {
        self.check_failures(now)?;
        let state = self.state();
        let own = state.limited.get(&limit).and_then(|until| left(*until, now));
        match own.or_else(|| state.all_limited(limit.0, now)) {
            Some(seconds) => Err(Outage::not_asked("left alone, because its rate limit is reached", seconds)),
            None => Ok(()),
        }
    }

    /// Requires that the upstream is not left alone after failures, whatever it is asked.
    pub(super) fn check_failures(&self, now: Timestamp) -> Result<(), Outage> {
        match self.state().pause_until.and_then(|until| left(until, now)) {
            Some(seconds) => Err(Outage::not_asked("left alone after failures", seconds)),
            None => Ok(()),
        }
    }

    /// Notes that the upstream has answered.
    pub(super) fn succeeded(&self) {
        let mut state = self.state();
        state.failures = 0;
        state.pause_until = None;
    }

    /// Notes a failure, and logs it if none was logged within a minute.
    pub(super) fn failed(&self, name: &str, outage: &Outage, now: Timestamp) {
        let mut state = self.state();
        if outage.is_failure {
            state.failures = state.failures.saturating_add(1);
            if state.failures >= FAILURES {
                state.pause_until = Some(Timestamp::from_millis(now.as_millis() + PAUSE_MILLIS));
            }
        }
        state.not_logged += 1;
        let since = state.logged_at.map(|at| now.as_millis() - at.as_millis());
        if since.is_some_and(|millis| (0..LOG_INTERVAL_MILLIS).contains(&millis)) {
            return;
        }
        let failures = std::mem::take(&mut state.not_logged);
        state.logged_at = Some(now);
        drop(state);
        tracing::warn!(
            upstream = name,
            failures,
            reason = %outage.reason,
            "the upstream gives no answers; requests that need them get 503"
        );
    }

    /// Notes that the upstream refuses more calls for so many seconds, and returns the outage.
    pub(super) fn limited(&self, limit: Limit, retry_after: Option<u32>, now: Timestamp) -> Outage {
        let seconds = retry_after.unwrap_or(MAX_RETRY_AFTER).clamp(1, MAX_RETRY_AFTER);
        let until = Timestamp::from_millis(now.as_millis() + i64::from(seconds) * 1000);
        let mut state = self.state();
        state.limited.retain(|_, until| left(*until, now).is_some());
        state.limited.insert(limit, until);
        Outage::not_asked("429: its rate limit is reached", seconds)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the seconds until a question of this kind is asked again, when so many have reached their limits of it.
    fn all_limited(&self, kind: Kind, now: Timestamp) -> Option<u32> {
        let of_kind = self.limited.iter().filter(|((other, asker), _)| *other == kind && asker.is_some());
        let mut seconds: Vec<u32> = of_kind.filter_map(|(_, until)| left(*until, now)).collect();
        seconds.sort_unstable();
        (seconds.len() >= LIMITED_ASKERS).then(|| seconds[seconds.len() - LIMITED_ASKERS])
    }
}

/// Returns the whole seconds until then; `None` if it has passed. A clock that was set back ends the pause.
fn left(until: Timestamp, now: Timestamp) -> Option<u32> {
    let millis = until.as_millis() - now.as_millis();
    let longest = i64::from(MAX_RETRY_AFTER) * 1000;
    if !(1..=longest).contains(&millis) {
        return None;
    }
    u32::try_from(millis.div_euclid(1000) + i64::from(millis % 1000 != 0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Sha256Digest;
    use crate::upstream::Place;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn five_failures_in_a_row_leave_it_alone_for_five_seconds() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed("gitlab", &Outage::new("timeout"), at(0));
        }
        breaker.succeeded();
        for _ in 0..4 {
            breaker.failed("gitlab", &Outage::new("timeout"), at(0));
        }
        assert!(breaker.check((Kind::Job, None), at(0)).is_ok());
        breaker.failed("gitlab", &Outage::new("timeout"), at(0));
        assert_eq!(breaker.check((Kind::Job, None), at(1)).unwrap_err().retry_after, 5);
        assert_eq!(breaker.check((Kind::MayRead, None), at(4_001)).unwrap_err().retry_after, 1);
        assert!(breaker.check((Kind::Job, None), at(5_000)).is_ok());
        // One more failure is enough then.
        breaker.failed("gitlab", &Outage::new("timeout"), at(5_000));
        assert!(breaker.check((Kind::Job, None), at(5_001)).is_err());
        // What the upstream does not answer is no failure of it.
        breaker.succeeded();
        for _ in 0..9 {
            breaker.failed("gitlab", &Outage::of_question("status 414"), at(9_000));
        }
        assert!(breaker.check((Kind::Job, None), at(9_000)).is_ok());
    }

    #[test]
    fn a_limit_stops_its_askers_kind_of_question_for_as_long_as_was_said() {
        let of = |asker: u8| Some((Place::Personal, Sha256Digest::of(&[asker])));
        let breaker = Breaker::default();
        assert_eq!(breaker.limited((Kind::Job, of(1)), Some(7), at(0)).retry_after, 7);
        assert_eq!(breaker.limited((Kind::Token, of(1)), Some(7_000), at(0)).retry_after, 60);
        assert_eq!(breaker.limited((Kind::Job, None), Some(9), at(0)).retry_after, 9);
        let asks = |kind, asker, millis| breaker.check((kind, asker), at(millis)).is_ok();
        assert!(!asks(Kind::Job, of(1), 6_999) && asks(Kind::Job, of(1), 7_000));
        assert!(asks(Kind::MayRead, of(1), 0) && asks(Kind::Job, of(2), 0));
        // Many who are limited at once are limited by this server's address.
        for asker in 2..=5 {
            assert!(asks(Kind::Job, of(9), 0));
            breaker.limited((Kind::Job, of(asker)), Some(20), at(0));
        }
        assert!(
            !asks(Kind::Job, of(9), 6_999) && asks(Kind::Job, of(9), 7_000) && asks(Kind::Token, of(9), 0)
        );
    }
}
