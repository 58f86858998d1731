//! Tests of the whole room, by the behaviour that is asked of it: agreement with the `zip`
//! crate, strictness, hostile bytes, and reading entries. Units are tested in their files.

mod agreement;
mod archives;
mod end_records;
mod hostile;
mod lookup;
mod reading;
mod records;
