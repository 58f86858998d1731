//! Tests of the whole module by its behaviour. Units are tested in their files.
//!
//! They cover agreement with the `zip` crate, strictness, hostile bytes, reading entries, folders, zips of
//! one folder, and of a directory on disk.

mod agreement;
mod archives;
mod end_records;
mod far_apart;
mod front_page;
mod hostile;
mod listing;
mod lookup;
mod moved;
mod pack;
mod reading;
mod records;
mod rewrite;
mod subset;
mod subset_damage;
mod zstd_frames;
mod zstd_windows;
