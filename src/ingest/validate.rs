//! Validators: checks of a whole artifact that a dialect asks for before it is recorded.

/// Checks the content of an artifact of a few bytes.
#[derive(Debug, Clone, Copy)]
pub struct Validator {
    /// The largest artifact that is read, in bytes; a larger one is rejected unread.
    pub max_bytes: u64,
    /// Why a larger one is rejected.
    pub too_large: &'static str,
    /// Returns the reason if content is rejected. Runs on a thread where it may block.
    pub validate: fn(&[u8]) -> Result<(), &'static str>,
}
