//! Tests of the whole room, by the behaviour that is asked of it: agreement with the `zip`
//! crate, strictness, hostile bytes, reading entries, and folders. Units are tested in their files.

mod agreement;
mod archives;
mod end_records;
mod hostile;
mod listing;
mod lookup;
mod reading;
mod records;
