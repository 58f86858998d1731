//! What the tests stand on: gateways, requests, archives.

pub mod bucket;
pub mod disk;
pub mod ended;
pub mod gate;
pub mod gateway;
pub mod raw;
mod until;
pub mod wire;
pub mod world;
pub mod zips;

pub use until::until;

/// Declares tests that run once on each database: `|gateway| { … }` gets a fresh, empty gateway.
macro_rules! on_both_databases {
    ($($(#[$meta:meta])* fn $name:ident($gateway:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn check($gateway: $crate::support::gateway::Gateway) $body

            $(#[$meta])*
            #[test]
            fn on_sqlite() {
                check($crate::support::gateway::Gateway::on_sqlite());
            }

            $(#[$meta])*
            #[test]
            fn on_postgres() {
                check($crate::support::gateway::Gateway::on_postgres());
            }
        }
    )+};
}
