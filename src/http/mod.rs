//! actix glue that all dialects share. It knows HTTP and our errors; it knows no vendor.

pub mod body;
pub mod coding;
pub mod conditional;
pub mod failure;
pub mod headers;
pub mod middleware;
pub mod multipart;
pub mod paging;
pub mod query;
pub mod response;
pub mod span;
