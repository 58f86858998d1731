//! Spare questions: what may still be asked about tokens that nobody knows for an address that has failed too often.
//!
//! Behind one address may be many runners, and one of them that shows a bad token for ever must not keep the new tokens
//! of the others from being asked about. Tokens of jobs and tokens of users have a share each, so that a flood of one kind
//! leaves the other alone.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use quick_cache::unsync::Cache as Map;

use crate::domain::Timestamp;
use crate::domain::network::counted_as;

/// Questions at once, for each address and kind of token.
const MOST: i64 = 10;

/// The time after which another one may be asked, in milliseconds: twenty a minute.
const INTERVAL_MILLIS: i64 = 3_000;

/// Most addresses and kinds that are remembered; they are those that fail.
const ADDRESSES: usize = 10_000;

/// What is left of the share of an address.
#[derive(Debug, Clone, Copy)]
struct Share {
    left: i64,
    since: Timestamp,
}

/// The shares of all addresses.
#[derive(Debug)]
pub(super) struct SpareQuestions(Mutex<Map<(IpAddr, bool), Share>>);

impl Default for SpareQuestions {
    fn default() -> Self {
        Self(Mutex::new(Map::new(ADDRESSES)))
    }
}

impl SpareQuestions {
    /// Takes a question out of the share of an address; `false` if there is none left.
    pub(super) fn take(&self, client: IpAddr, is_of_job: bool, now: Timestamp) -> bool {
        let key = (counted_as(client), is_of_job);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut share = all.get(&key).copied().unwrap_or(Share { left: MOST, since: now });
        let passed = now.as_millis() - share.since.as_millis();
        let more = passed.max(0) / INTERVAL_MILLIS;
        if share.left + more >= MOST {
            share = Share { left: MOST, since: now };
        } else {
            share.left += more;
            // A clock that was set back begins anew.
            let since = share.since.as_millis() + more * INTERVAL_MILLIS;
            share.since = Timestamp::from_millis(since.min(now.as_millis()));
        }
        let is_left = share.left > 0;
        share.left -= i64::from(is_left);
        all.insert(key, share);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_at_once_and_one_every_three_seconds_for_each_kind_of_token() {
        let spare = SpareQuestions::default();
        let at = Timestamp::from_millis;
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let taken = |client, is_of_job, millis| {
            (0..100).filter(|_| spare.take(client, is_of_job, at(millis))).count()
        };
        assert_eq!((taken(one, true, 0), taken(one, false, 0), taken(other, true, 0)), (10, 10, 10));
        assert_eq!((taken(one, true, 2_999), taken(one, true, 3_000), taken(one, true, 3_001)), (0, 1, 0));
        assert_eq!((taken(one, true, 8_999), taken(one, true, 9_000)), (1, 1));
        assert_eq!(
            (taken(one, true, 3_600_000), taken(one, true, 3_600_000)),
            (10, 0),
            "no more than at first"
        );
        assert_eq!(taken(one, true, 0), 0, "a clock that was set back gives none");
        assert_eq!(taken(one, true, 3_000), 1);
    }
}
