//! Admission: bounds the open connections, in total and per address, so that a single client cannot hold all
//! of them.
//!
//! A connection that is not admitted is a spare one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::network::Network;
use crate::settings::Settings;

/// How often refused connections are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Counts the open connections, in total and per address.
pub(super) struct Admission {
    /// Most connections in total.
    most: usize,
    /// Most connections per address; 0 for no bound.
    per_address: usize,
    /// Exempt from the bound per address: a proxy has many clients.
    trusted_proxies: Vec<Network>,
    open: Mutex<Open>,
    /// Refusals by the bound per address, and by the total bound.
    refused: [Mutex<Refused>; 2],
}

#[derive(Default)]
struct Open {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// Refusals that were not logged yet.
#[derive(Default)]
struct Refused {
    connections: u64,
    told: Option<Instant>,
}

/// An admitted connection; counted until this is dropped.
pub(super) struct Admitted {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
}

impl Admission {
    /// Reads the bounds from the settings; without one per address, an address may have half of `most`.
    pub(super) fn new(settings: &Settings, most: usize) -> Self {
        Self {
            most,
            per_address: settings.connections_per_address.unwrap_or_else(|| most.div_ceil(2)),
            trusted_proxies: settings.trusted_proxies.clone(),
            open: Mutex::default(),
            refused: Default::default(),
        }
    }

    /// Admits a connection, or logs a refusal and returns `None`. A connection without a known peer counts
    /// for no address.
    pub(super) fn admit(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Admitted> {
        let is_proxy = |peer: IpAddr| self.trusted_proxies.iter().any(|network| network.contains(peer));
        let address = peer.filter(|peer| self.per_address > 0 && !is_proxy(*peer)).map(counted_as);
        let mut open = self.open();
        let of_address = address.map_or(0, |address| open.of.get(&address).copied().unwrap_or(0));
        if address.is_some() && of_address >= self.per_address {
            drop(open);
            self.tell_of_address(address);
            return None;
        }
        if open.all >= self.most {
            drop(open);
            self.tell_of_all();
            return None;
        }
        open.all += 1;
        if let Some(address) = address {
            open.of.insert(address, of_address + 1);
        }
        Some(Admitted { admission: Arc::clone(self), address })
    }

    /// Returns how many connections are open, and how many may be.
    pub(super) fn connections(&self) -> (usize, usize) {
        (self.open().all, self.most)
    }

    fn tell_of_address(&self, address: Option<IpAddr>) {
        let Some(connections) = due(&self.refused[0]) else { return };
        tracing::warn!(
            client.address = address.map(tracing::field::display),
            connections,
            bound = self.per_address,
            "connections get health checks and 503 only: their address has reached \
             limits.connections_per_address"
        );
    }

    fn tell_of_all(&self) {
        let Some(connections) = due(&self.refused[1]) else { return };
        tracing::warn!(
            connections,
            bound = self.most,
            "connections get health checks and 503 only: server.max_connections or the limit of \
             open files is reached"
        );
    }

    fn release(&self, address: Option<IpAddr>) {
        let mut open = self.open();
        open.all -= 1;
        let Some(address) = address else { return };
        if let Some(of_address) = open.of.get_mut(&address) {
            *of_address -= 1;
            if *of_address == 0 {
                open.of.remove(&address);
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a refusal; once per interval returns how many there were since the last time.
fn due(refused: &Mutex<Refused>) -> Option<u64> {
    let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
    refused.connections += 1;
    if refused.told.is_some_and(|told| told.elapsed() < LOG_INTERVAL) {
        return None;
    }
    let told = std::mem::replace(&mut *refused, Refused { connections: 0, told: Some(Instant::now()) });
    Some(told.connections)
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.release(self.address);
    }
}

/// Returns the address under which a peer is counted, of IPv6 its /64: a customer has at least that.
pub(super) fn counted_as(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(per_address: Option<usize>, most: usize) -> Arc<Admission> {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let settings =
            Settings { connections_per_address: per_address, trusted_proxies, ..Settings::default() };
        Arc::new(Admission::new(&settings, most))
    }

    fn admit(admission: &Arc<Admission>, peer: &str) -> Option<Admitted> {
        admission.admit(Some(peer.parse().unwrap()))
    }

    #[test]
    fn an_address_has_so_many_connections_and_one_more_when_one_has_ended() {
        let admission = admission(Some(2), 100);
        let first = admit(&admission, "192.0.2.1");
        let second = admit(&admission, "::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(admit(&admission, "192.0.2.1").is_none() && admit(&admission, "192.0.2.2").is_some());
        drop(first);
        assert!(admit(&admission, "192.0.2.1").is_some());
        drop(second);
        assert!(admission.open().of.is_empty(), "nothing is remembered of who has gone");
    }

    #[test]
    fn the_addresses_of_a_customer_count_together_and_those_behind_a_proxy_do_not() {
        let admission = admission(Some(1), 100);
        let _one = admit(&admission, "2001:db8::1").unwrap();
        assert!(admit(&admission, "2001:db8::2").is_none() && admit(&admission, "2001:db8:0:1::2").is_some());
        let proxied: Vec<_> = (0..10).map(|_| admit(&admission, "10.0.0.1")).collect();
        assert!(proxied.iter().all(Option::is_some));
    }

    #[test]
    fn without_a_setting_an_address_has_half_and_with_zero_all() {
        assert_eq!(admission(None, 101).per_address, 51);
        assert_eq!(admission(None, 1).per_address, 1);
        let unbounded = admission(Some(0), 1000);
        let all: Vec<_> = (0..1000).map(|_| admit(&unbounded, "192.0.2.1")).collect();
        assert!(all.iter().all(Option::is_some));
    }

    #[test]
    fn there_are_no_more_than_there_may_be_whoever_has_them() {
        let admission = admission(Some(2), 3);
        let mut held: Vec<_> =
            ["192.0.2.1", "192.0.2.2", "10.0.0.1"].map(|peer| admit(&admission, peer)).into();
        assert!(held.iter().all(Option::is_some));
        assert!(admit(&admission, "192.0.2.3").is_none() && admit(&admission, "10.0.0.1").is_none());
        assert!(admission.admit(None).is_none());
        held.pop();
        assert!(admit(&admission, "192.0.2.3").is_some());
    }
}
