//! What the gateway knows about ZIP: where the central directory lies, what it lists, and
//! how to get one entry's bytes out, checked; what a folder holds, and a zip of just that; and a zip
//! of a directory on disk.
//!
//! Nothing here knows where an archive lies. The caller brings a way to read ranges to
//! [`read_directory`], the directory to [`Index::build`], a reader at an entry's local header to
//! [`open`], and a reader of ranges to [`Subset::into_stream`].
//! Every number in an archive is a claim by whoever made it: it is checked before use.

mod at_once;
mod damage;
mod directory;
mod end_record;
mod entry;
mod fault;
mod fetch;
mod fields;
mod forward;
pub mod gzip;
mod headers;
mod index;
mod limits;
mod listing;
mod oddity;
mod pack;
mod packed;
mod paths;
mod raw;
mod subset;
mod timestamp;
mod zip64_end;
mod zstd_frames;

#[cfg(test)]
mod tests;

pub use at_once::{is_small, packed_range, unpack};
pub use damage::{Damage, DamagedEntry};
pub use directory::{Entry, walk};
pub use end_record::{Located, Span, TAIL_BYTES, locate};
pub use entry::{EntryMeta, Unsupported, open, open_within, probable_span};
pub use fault::Fault;
pub use fetch::{Directory, DirectoryError, read_directory};
pub use index::Index;
pub use limits::Limits;
pub use listing::{Item, Listing, Outline};
pub use oddity::Oddity;
pub use pack::pack_directory;
pub use raw::raw;
pub use subset::{Subset, Uncopyable};
pub use zstd_frames::{Frame, Frames, MOST_WINDOW_BYTES, enough_window_bytes, needed_window_bytes};
