//! ZIP archives: finds the central directory and lists it, reads one entry's bytes with all checks, lists a
//! folder and makes a zip of it, removes a file, and packs a directory on disk.
//!
//! The module does not know where an archive is stored. The caller passes a function that reads ranges to
//! [`read_directory`] and [`Subset::into_stream`], the directory to [`Index::build`], and a reader at an
//! entry's local header to [`open`]. Every number in an archive is a claim of its maker, and is checked
//! before use.

mod arranged;
mod assemble;
mod bounded_reader;
mod comparison;
mod damage;
mod directory;
mod end_record;
mod entry;
mod error;
mod field_reader;
mod files;
mod front_page;
pub mod gzip;
mod index;
mod limits;
mod listing;
mod neighbours;
mod oddity;
mod overlay;
mod pack;
mod paths;
mod range_reader;
mod raw;
mod raw_record;
mod read_directory;
mod rewrite;
mod small_entry;
mod subset;
mod timestamp;
mod writer;
mod zip64_end;
mod zstd_frames;

#[cfg(test)]
mod tests;

pub use arranged::{ArrangedFolder, ArrangedItem, Arrangement, ItemOrder};
pub use assemble::{AssembledFile, Assembly, Segment};
pub use comparison::{Comparison, Difference};
pub use damage::{CorruptEntry, CorruptEntryError};
pub use directory::{Entry, walk};
pub use end_record::{Located, Span, TAIL_BYTES, locate};
pub use entry::{EntryMeta, Unsupported, open, open_within, probable_span};
pub use error::ArchiveError;
pub use files::{ArchivedFile, Files};
pub use front_page::front_page;
pub use index::Index;
pub use limits::Limits;
pub use listing::{Listing, ListingEntry, Outline};
pub use oddity::Oddity;
pub use overlay::Overlay;
pub use pack::pack_directory;
pub use raw::raw;
pub use read_directory::{Directory, DirectoryError, read_directory};
pub use rewrite::{PlannedRemoval, Removal, Rewriting};
pub use small_entry::{compressed_range, decompress, is_small};
pub use subset::{Subset, SubsetError};
pub use zstd_frames::{Frame, Frames, MOST_WINDOW_BYTES, enough_window_bytes, needed_window_bytes};
