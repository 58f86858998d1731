//! actix glue that all dialects share. It knows HTTP and our errors; it knows no vendor.

pub mod audit;
pub mod body;
pub mod client;
pub mod coding;
pub mod conditional;
pub mod credentials;
pub mod failure;
pub mod headers;
pub mod middleware;
pub mod multipart;
pub mod paging;
pub mod query;
pub mod response;
pub mod span;
pub mod target;
