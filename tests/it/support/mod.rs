//! Test support: servers, requests, archives.

pub mod beside;
pub mod bucket;
pub mod disk;
pub mod ended;
pub mod fixture;
pub mod fixtures;
pub mod gateway;
pub mod gitlab;
pub mod http_client;
pub mod issuers;
pub mod raw;
pub mod tcp_proxy;
pub mod tls;
mod until;
pub mod zips;

pub use until::until;

/// Declares tests that run once on each database: `fn name(gateway: Gateway)` gets a fresh, empty gateway, whose
/// settings a function may change. Both runs meet the same inline snapshots, which `insta` otherwise takes for a
/// mistake.
macro_rules! on_both_databases {
    (with $change:ident: $($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                super::$name($crate::support::gateway::Gateway::on_sqlite_with(super::$change))
            }

            #[test]
            fn on_postgres() {
                super::$name($crate::support::gateway::Gateway::on_postgres_with(super::$change))
            }
        }
    )+};
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        mod $name {
            $(#[$meta])*
            #[test]
            fn on_sqlite() {
                insta::allow_duplicates! {
                    super::$name($crate::support::gateway::Gateway::on_sqlite())
                }
            }

            $(#[$meta])*
            #[test]
            fn on_postgres() {
                insta::allow_duplicates! {
                    super::$name($crate::support::gateway::Gateway::on_postgres())
                }
            }
        }
    )+};
}
