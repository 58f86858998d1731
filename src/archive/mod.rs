//! What the gateway knows about ZIP: where the central directory lies, what it lists, and
//! how to get one entry's bytes out, checked; what a folder holds, and a zip of just that; and a zip
//! of a directory on disk.
//!
//! Nothing here knows where an archive lies. The caller brings a way to read ranges to
//! [`read_directory`], the directory to [`Index::build`], a reader at an entry's local header to
//! [`open`], and a reader of ranges to [`Subset::into_stream`].
//! Every number in an archive is a claim by whoever made it: it is checked before use.

mod bounded_reader;
mod damage;
mod directory;
mod end_record;
mod entry;
mod error;
mod field_reader;
pub mod gzip;
mod index;
mod limits;
mod listing;
mod oddity;
mod pack;
mod paths;
mod range_reader;
mod raw;
mod read_directory;
mod small_entry;
mod subset;
mod timestamp;
mod writer;
mod zip64_end;
mod zstd_frames;

#[cfg(test)]
mod tests;

pub use damage::{CorruptEntry, CorruptEntryError};
pub use directory::{Entry, walk};
pub use end_record::{Located, Span, TAIL_BYTES, locate};
pub use entry::{EntryMeta, Unsupported, open, open_within, probable_span};
pub use error::ArchiveError;
pub use index::Index;
pub use limits::Limits;
pub use listing::{Listing, ListingEntry, Outline};
pub use oddity::Oddity;
pub use pack::pack_directory;
pub use raw::raw;
pub use read_directory::{Directory, DirectoryError, read_directory};
pub use small_entry::{compressed_range, decompress, is_small};
pub use subset::{Subset, SubsetError};
pub use zstd_frames::{Frame, Frames, MOST_WINDOW_BYTES, enough_window_bytes, needed_window_bytes};
