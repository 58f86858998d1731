//! Rate limit: bounds the failed authentications of each client address.
//!
//! Above it a failed credential is answered with 429 instead of its own refusal; a valid one still passes. An
//! address is not a person: behind one NAT are many runners, and locking out an address for failures would
//! let anybody there stop all their builds. A lock against guessing is not needed, because tokens hold 256
//! random bits; the limit makes clients that retry for ever wait, and logs them once a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::domain::Timestamp;
use crate::domain::network::counted_as;

/// Length of a window in which failures are counted, in milliseconds.
const WINDOW_MILLIS: i64 = 60_000;

/// Most addresses of a generation, about 40 bytes each; there are two generations.
const GENERATION: usize = 32_768;

/// Counts failures by client address.
#[derive(Debug)]
pub struct FailedLoginLimiter {
    per_minute: u64,
    windows: Mutex<Windows>,
}

/// Counters in two generations. The older is dropped when the newer is full, so memory is bounded. Clients
/// with very many addresses are forgotten early; only the length of a wait depends on it.
#[derive(Debug, Default)]
struct Windows {
    newer: HashMap<IpAddr, Window>,
    older: HashMap<IpAddr, Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Timestamp,
    failures: u64,
}

impl FailedLoginLimiter {
    /// Creates a limit of `per_minute` failures in a minute; 0 for none.
    pub fn new(per_minute: u64) -> Self {
        Self { per_minute, windows: Mutex::default() }
    }

    /// Counts a failure; above the limit returns in how many seconds the client's minute ends. The minute
    /// begins with the first failure.
    pub fn count(&self, client: IpAddr, now: Timestamp) -> Option<u32> {
        if self.per_minute == 0 {
            return None;
        }
        let client = counted_as(client);
        let window = self.windows.lock().unwrap_or_else(PoisonError::into_inner).count(client, now);
        if window.failures <= self.per_minute {
            return None;
        }
        if window.failures == self.per_minute + 1 {
            tracing::warn!(client.address = %client, failures = window.failures,
                "too many failed authentications from one address within a minute");
        }
        let left = WINDOW_MILLIS - (now.as_millis() - window.began.as_millis());
        u32::try_from(left.div_euclid(1000) + i64::from(left % 1000 != 0)).ok()
    }

    /// Whether the next failure of an address is above the limit.
    pub fn is_reached(&self, client: IpAddr, now: Timestamp) -> bool {
        if self.per_minute == 0 {
            return false;
        }
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let client = counted_as(client);
        let known = windows.newer.get(&client).or(windows.older.get(&client));
        known.is_some_and(|window| window.holds(now) && window.failures >= self.per_minute)
    }

    /// Returns how many addresses are remembered.
    #[cfg(test)]
    fn remembered(&self) -> usize {
        let windows = self.windows.lock().unwrap();
        windows.newer.len() + windows.older.len()
    }
}

impl Windows {
    fn count(&mut self, client: IpAddr, now: Timestamp) -> Window {
        let known = self.newer.get(&client).or(self.older.get(&client)).copied();
        let mut window =
            known.filter(|window| window.holds(now)).unwrap_or(Window { began: now, failures: 0 });
        window.failures = window.failures.saturating_add(1);
        if self.newer.len() >= GENERATION && !self.newer.contains_key(&client) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(client, window);
        window
    }
}

impl Window {
    /// Whether `now` is within the window. A clock that was set back begins a new one.
    fn holds(self, now: Timestamp) -> bool {
        (0..WINDOW_MILLIS).contains(&(now.as_millis() - self.began.as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_minute_begins_with_the_first_failure_and_the_wait_is_its_rest() {
        let bound = FailedLoginLimiter::new(2);
        let client = address("192.0.2.1");
        assert_eq!(bound.count(client, at(1_000)), None);
        assert_eq!(bound.count(client, at(2_000)), None);
        assert_eq!(bound.count(client, at(2_001)), Some(59));
        assert_eq!(bound.count(client, at(60_999)), Some(1));
        assert_eq!(bound.count(address("192.0.2.2"), at(60_999)), None, "others are counted apart");
        assert_eq!(bound.count(client, at(61_000)), None);
        assert_eq!(bound.count(client, at(0)), None, "a clock that was set back");
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_as_one() {
        let bound = FailedLoginLimiter::new(1);
        assert_eq!(bound.count(address("2001:db8::1"), at(0)), None);
        assert_eq!(bound.count(address("2001:db8::ffff:2"), at(0)), Some(60));
        assert_eq!(bound.count(address("2001:db8:0:1::1"), at(0)), None);
        assert_eq!(bound.count(address("::ffff:192.0.2.1"), at(0)), None);
        assert_eq!(bound.count(address("192.0.2.1"), at(0)), Some(60));
    }

    #[test]
    fn memory_is_bounded_whatever_the_number_of_addresses() {
        let bound = FailedLoginLimiter::new(1);
        for number in 0..5 * u128::try_from(GENERATION).unwrap() {
            bound.count(Ipv6Addr::from_bits(number << 64).into(), at(0));
            assert!(bound.remembered() <= 2 * GENERATION);
        }
        let last = Ipv6Addr::from_bits((5 * u128::try_from(GENERATION).unwrap() - 1) << 64);
        assert_eq!(bound.count(last.into(), at(0)), Some(60), "the latest are still known");
    }

    #[test]
    fn zero_is_no_bound() {
        let bound = FailedLoginLimiter::new(0);
        assert!((0..1000).all(|_| bound.count(address("192.0.2.1"), at(0)).is_none()));
        assert_eq!(bound.remembered(), 0);
    }
}
