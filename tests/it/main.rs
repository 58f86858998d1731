//! The one integration-test binary: a real server on a socket, on SQLite and on PostgreSQL.
//!
//! `tests/run` starts PostgreSQL and names it in `ARTIGATE_TEST_POSTGRES`; without it the PostgreSQL half of
//! each test fails with an error that says so.

// The helpers of tests panic when something is wrong, and nothing here is reached from outside.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[macro_use]
mod support;

mod administration;
mod answer_headers;
mod audit;
mod base_urls;
mod bounded_delivery;
mod browser;
mod buckets;
mod buildkite;
mod by_ref;
mod by_ref_at_once;
mod changes;
mod chaos;
mod clients;
mod collecting;
mod connections;
mod copy_store;
mod cors;
mod credential_places;
mod credentials;
mod damaged_archives;
mod deploy;
mod docs;
mod downloads;
mod failed_auth;
mod faults;
mod folders;
mod github;
mod half_closed;
mod hostile_paths;
mod identity;
mod keyless;
mod limits;
mod logs;
mod metrics;
mod migrations;
mod permissions;
mod places;
mod program;
mod ranges;
mod raw_targets;
mod reading;
mod reasons;
mod registry;
mod registry_http;
mod registry_names;
mod repository;
mod requests_in_a_row;
mod retention;
mod reuploads;
mod runner;
mod settings;
mod single_files;
mod special_files;
mod storage;
mod stores;
mod structure;
mod stuck_disks;
mod taken_away;
mod tls;
mod traces;
mod unreadable_credentials;
mod unreadable_requests;
mod uploads;
mod uploads_broken;
mod upstream;
mod waiting_writers;
mod web;
