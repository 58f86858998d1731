//! A request as it comes over a connection: a head, and a body whose framing says where it ends.
//!
//! Both are followed here before the HTTP library reads them, so that it is given one request at a time.
//! What is read in another way there would let one program take for a body what another takes for a
//! request. So nothing is read here that can be read in two ways: a head must be as the standard has it,
//! and a body is followed step by step as the library does it. `tests/fuzz` holds both against the library.

mod framing;
mod head;

pub use framing::{Framing, Progress};
pub use head::{Head, MAX_HEAD_BYTES, Reader, head_too_large};
