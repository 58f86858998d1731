//! HTTP glue on actix that all dialects share. It knows HTTP and our errors, but no vendor.

pub mod audit;
pub mod base_url;
pub mod body;
pub mod client_ip;
pub mod conditional;
pub mod content_disposition;
pub mod content_encoding;
pub mod context;
mod cors;
pub mod credentials;
pub mod disposition;
pub mod download;
pub mod error;
pub mod forwarded;
pub mod handler;
pub mod id_token;
pub mod middleware;
pub mod multipart;
pub mod pagination;
pub mod query;
pub mod reason;
pub mod redact;
pub mod representation;
pub mod request_log;
pub mod target;
pub mod token;
pub mod unreadable;
