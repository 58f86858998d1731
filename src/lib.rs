//! artigate is an artifact server with a GitLab-compatible API.
//!
//! Bytes come in through [`ingest`], go out through [`deliver`] and are deleted by [`retention`]; the
//! [`catalog`] holds facts, the [`store`] holds bytes, [`archive`] reads zip; [`access`] finds and
//! authorizes; the dialects under [`api`] and the pages under [`web`] only translate.
//!
//! ```text
//! cli → server → api · web → http → app → registry → access
//!     → ingest · deliver · retention · readiness → auth → upstream → audit → writers · identity · node
//!     → catalog · store · archive → settings · telemetry · metrics · shares · threads · yielding → domain
//! ```
//!
//! A module may use itself and any module to its right. A test checks this.

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
pub mod metrics;
pub mod node;
pub mod readiness;
pub mod registry;
pub mod retention;
pub mod server;
pub mod settings;
pub mod shares;
pub mod store;
pub mod telemetry;
pub mod threads;
pub mod upstream;
pub mod web;
pub mod writers;
pub mod yielding;
