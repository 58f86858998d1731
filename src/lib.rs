//! artigate: a GitLab-compatible artifact gateway.
//!
//! Bytes come in through [`ingest`] and go out through [`deliver`]; the [`catalog`] knows facts, the
//! [`store`] holds bytes, [`archive`] knows zip; [`access`] finds and authorizes; the dialects under [`api`] only
//! translate.
//!
//! ```text
//! cli ── server ── api ── http ── app ── registry ── access ── ingest · deliver · retention · readiness · relocation
//!    └─ auth ── writers · identity ── catalog · store · archive ── settings ── domain
//! ```
//!
//! Arrows point to what a room may use: itself and anything to its right. A test holds them.

#![forbid(unsafe_code)]

pub mod access;
pub mod api;
pub mod app;
pub mod archive;
pub mod audit;
pub mod auth;
pub mod catalog;
pub mod cli;
pub mod deliver;
pub mod domain;
pub mod http;
pub mod identity;
pub mod ingest;
pub mod readiness;
pub mod registry;
pub mod retention;
pub mod server;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod writers;
pub mod yielding;
