//! Tests of the whole room, by the behaviour that is asked of it: agreement with the `zip`
//! crate, strictness, hostile bytes, reading entries, folders, zips of one
//! folder, and of a directory on disk. Units are tested in their files.

mod agreement;
mod archives;
mod end_records;
mod far_apart;
mod hostile;
mod listing;
mod lookup;
mod moved;
mod pack;
mod reading;
mod records;
mod subset;
mod subset_damage;
mod zstd_frames;
mod zstd_windows;
