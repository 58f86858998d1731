//! What goes, and when: expired artifacts, removed ones, bytes that nobody names.
//!
//! Everything goes in three steps — mark, remove bytes, forget the row — in batches, so that many
//! nodes may do it at once and any of them may die anywhere.

mod check;
mod collect;
mod remove;
mod sweep;
mod timer;

pub use check::{Checked, Fault, check};
pub use collect::{Collected, STEPS, Terms, collect};
pub use remove::{Removed, remove_bytes};
pub use sweep::{Swept, sweep};
pub use timer::{collect_forever, collect_if_due, first_after, sweep_forever};
