//! The one error that crosses rooms: what kind, what a client may read, and what the log gets.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// What went wrong, in terms of who can do something about it. HTTP statuses are chosen from it in
/// one place, `http::error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request itself is wrong.
    Invalid,
    /// Nobody is known behind the request.
    Unauthenticated,
    /// Known, and not allowed.
    Forbidden,
    /// Not there, or not to be seen.
    NotFound,
    /// The request does not fit what is already there.
    Conflict,
    /// Larger than a limit.
    TooLarge,
    /// A media type or coding that is not understood.
    UnsupportedMedia,
    /// Understood, but the stored bytes do not allow it.
    Unprocessable,
    /// A part that we need does not answer; worth another try.
    Unavailable,
    /// The store takes no more: it is full, or may only be read.
    OutOfSpace,
    /// A fault of ours.
    Internal,
}

/// An error with a public text and, apart from it, the truth for the log.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    public: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A result with the error that crosses rooms.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that the client may read in full.
    pub fn new(kind: ErrorKind, public: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, public: public.into(), hint: None, source: None }
    }

    /// A fault of ours: the client learns nothing but that it happened.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, "Internal Server Error").with_source(source)
    }

    /// A part that we need does not answer.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Unavailable, "Service Unavailable").with_source(source)
    }

    /// Adds what the log gets.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds why, in words that a client may read who may read what it asked about.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with another public text.
    #[must_use]
    pub fn with_public_message(mut self, public: impl Into<Cow<'static, str>>) -> Self {
        self.public = public.into();
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// All that a client may see.
    pub fn public_message(&self) -> &str {
        &self.public
    }

    /// What may be said beside the public text to those who may read what they asked about.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Why, in a few words for the log: the causes, or what else is known; no secret.
    pub fn reason(&self) -> Cow<'static, str> {
        match (self.source_chain(), &self.hint) {
            (Some(causes), _) => causes.into(),
            (None, Some(hint)) => hint.clone(),
            (None, None) => self.public.clone(),
        }
    }

    /// Whether reading or writing bytes failed.
    pub fn is_broken_io(&self) -> bool {
        self.source.as_deref().is_some_and(|source| source.is::<std::io::Error>())
    }

    /// The causes, outermost first, for the log; `None` when the public text says it all.
    pub fn source_chain(&self) -> Option<String> {
        let mut next = self.source.as_deref().map(|e| e as &dyn StdError);
        let mut text = String::new();
        while let Some(cause) = next {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        (!text.is_empty()).then_some(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}

/// A failed read or write of bytes: a store that takes no more and one that does not answer are told
/// apart, the rest is ours. A process or system that has as many files open as it may will have fewer in a
/// moment.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        if is_out_of_descriptors(&error) {
            return Self::unavailable(error);
        }
        match error.kind() {
            Io::StorageFull | Io::QuotaExceeded | Io::ReadOnlyFilesystem => {
                Self::new(ErrorKind::OutOfSpace, "Insufficient Storage").with_source(error)
            }
            Io::NotConnected | Io::TimedOut => Self::unavailable(error),
            Io::NotFound => Self::new(ErrorKind::NotFound, "Not Found").with_source(error),
            _ => Self::internal(error),
        }
    }
}

/// Whether this, or what it wraps, is the system's word that no more files may be open.
fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        next = match error.downcast_ref::<std::io::Error>() {
            Some(io) => {
                let code = io.raw_os_error();
                if [Errno::MFILE, Errno::NFILE].iter().any(|errno| code == Some(errno.raw_os_error())) {
                    return true;
                }
                // Its `source` would pass over what it wraps.
                io.get_ref().map(|inner| inner as &(dyn StdError + 'static))
            }
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn too_many_open_files_is_worth_another_try() {
        for errno in [Errno::MFILE, Errno::NFILE] {
            let error = || std::io::Error::from(errno);
            assert_eq!(Error::from(error()).kind(), ErrorKind::Unavailable);
            let wrapped = std::io::Error::other(std::io::Error::other(error()));
            assert_eq!(Error::from(wrapped).kind(), ErrorKind::Unavailable);
        }
        assert_eq!(Error::from(std::io::Error::from(Errno::INVAL)).kind(), ErrorKind::Internal);
    }
}
