//! Metrics of refused credentials.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::Part;
use super::series::Each;

/// Why a credential was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReason {
    /// It is no token, or one that nobody knows.
    Unknown,
    /// It has expired, or its job has ended.
    Expired,
    /// It was revoked.
    Revoked,
    /// Too many were refused before, from the same address.
    Limited,
}

/// The metrics of refused credentials; clones share them.
#[derive(Debug, Clone)]
pub struct AuthFailures(Each<Counter, 4>);

impl Default for AuthFailures {
    fn default() -> Self {
        Self(Each::new("reason", ["unknown", "expired", "revoked", "limited"], Counter::default))
    }
}

impl AuthFailures {
    /// Counts a refused credential.
    pub fn failed(&self, reason: FailureReason) {
        self.0.at(reason as usize).inc();
    }
}

impl Part for AuthFailures {
    fn register(&self, registry: &mut Registry) {
        self.0.register(registry, "artigate_auth_failures", "Refused credentials");
    }
}
