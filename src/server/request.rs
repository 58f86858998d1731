//! Request, as it arrives on a connection: a head, and a body whose framing says where it ends.
//!
//! Both are parsed here before the HTTP library reads them, so that it is given one request at a time. If the
//! two parsers disagreed, one would take for a body what the other takes for a request. So nothing ambiguous
//! is accepted here: a head must follow the standard, and a body is followed step by step as the library does
//! it. `tests/fuzz` compares both with the library.

mod framing;
mod head;

pub use framing::{Framing, Progress};
pub use head::{Head, MAX_HEAD_BYTES, Reader, head_too_large};
pub(super) use head::{MAX_HEADERS, encoded_target};
