//! Admission: how many connections one address may have open, so that a single client cannot hold all
//! that there are.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::network::Network;
use crate::settings::Settings;

/// How often the log is told of connections that were not let in.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Counts the open connections of each address.
pub(super) struct Admission {
    /// How many an address may have; 0 for no bound.
    per_address: usize,
    /// Behind a proxy there are many clients.
    trusted_proxies: Vec<Network>,
    open: Mutex<HashMap<IpAddr, usize>>,
    refused: Mutex<Refused>,
}

/// What the log has not been told yet.
#[derive(Default)]
struct Refused {
    connections: u64,
    told: Option<Instant>,
}

/// A connection that was let in; it counts until this is dropped.
pub(super) struct Admitted {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
}

impl Admission {
    /// The bound of the settings; by default half of the connections that the server has at `most`.
    pub(super) fn new(settings: &Settings, most: usize) -> Self {
        Self {
            per_address: settings.connections_per_address.unwrap_or_else(|| most.div_ceil(2)),
            trusted_proxies: settings.trusted_proxies.clone(),
            open: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Lets a connection in, or tells the log that it was not.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Admitted> {
        let is_proxy = self.trusted_proxies.iter().any(|network| network.contains(peer));
        if self.per_address == 0 || is_proxy {
            return Some(Admitted { admission: Arc::clone(self), address: None });
        }
        let address = counted_as(peer);
        {
            let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let open = all.entry(address).or_default();
            if *open < self.per_address {
                *open += 1;
                return Some(Admitted { admission: Arc::clone(self), address: Some(address) });
            }
        }
        self.tell(address);
        None
    }

    /// Writes at most one line in an interval, with the number of all since the last.
    fn tell(&self, address: IpAddr) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.connections += 1;
        if refused.told.is_some_and(|told| told.elapsed() < LOG_INTERVAL) {
            return;
        }
        tracing::warn!(
            client.address = %address,
            connections = refused.connections,
            bound = self.per_address,
            "connections closed at once: their address has as many as limits.connections_per_address \
             allows"
        );
        *refused = Refused { connections: 0, told: Some(Instant::now()) };
    }

    fn release(&self, address: IpAddr) {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = all.get_mut(&address) {
            *open -= 1;
            if *open == 0 {
                all.remove(&address);
            }
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.admission.release(address);
        }
    }
}

/// A customer of IPv6 has a /64 at least, and any address of it.
fn counted_as(peer: IpAddr) -> IpAddr {
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
        admission.admit(peer.parse().unwrap())
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
        assert!(admission.open.lock().unwrap().is_empty(), "nothing is remembered of who has gone");
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
        let unbounded = admission(Some(0), 10);
        let all: Vec<_> = (0..1000).map(|_| admit(&unbounded, "192.0.2.1")).collect();
        assert!(all.iter().all(Option::is_some));
    }
}
