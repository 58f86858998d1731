//! Error: the one type that modules pass to each other, with a kind, a public message for the client, and the
//! causes for the log.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// The kind of an error, by who can do something about it. `http::error` is the one place that maps it to an
/// HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request itself is invalid.
    Invalid,
    /// The request is not authenticated.
    Unauthenticated,
    /// The request is authenticated, but not permitted.
    Forbidden,
    /// The resource does not exist or is hidden.
    NotFound,
    /// The resource existed, and has expired.
    Gone,
    /// The request conflicts with the stored state.
    Conflict,
    /// The input is larger than a limit.
    TooLarge,
    /// The input does not fit into what may be stored.
    OverQuota,
    /// The media type or coding is not supported.
    UnsupportedMedia,
    /// The request is valid, but the stored bytes do not allow it.
    Unprocessable,
    /// A service that is needed does not respond; worth a retry.
    Unavailable,
    /// The store accepts no more: it is full or read-only.
    OutOfSpace,
    /// A fault of the server.
    Internal,
}

/// An error with a public message and, apart from it, the causes for the log.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    public: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    retry_after_seconds: Option<u32>,
}

/// A result with this error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error that the client may read in full.
    pub fn new(kind: ErrorKind, public: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, public: public.into(), hint: None, source: None, retry_after_seconds: None }
    }

    /// Creates a fault of the server: the client learns only that it happened.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, "Internal Server Error").with_source(source)
    }

    /// Creates an error for a service that does not respond.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Unavailable, "Service Unavailable").with_source(source)
    }

    /// Adds the cause for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a reason for clients that may read what they requested.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says when another attempt is worth while, for an error that passes.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Returns in how many seconds another attempt is worth while, if that is known.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after_seconds
    }

    /// Replaces the public message.
    #[must_use]
    pub fn with_public_message(mut self, public: impl Into<Cow<'static, str>>) -> Self {
        self.public = public.into();
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the message, which is all that a client may see.
    pub fn public_message(&self) -> &str {
        &self.public
    }

    /// Returns the reason for clients that may read what they requested.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the reason, in a few words for the log: the causes, else the hint or the message; no secret.
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

    /// Returns the causes, outermost first, for the log; `None` if the public message says it all.
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

/// Converts a failed read or write: a full store and one that does not respond are told apart, the rest is
/// the server's fault. Reaching the limit of open files of the process or system counts as unavailable,
/// because it passes.
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

/// Whether this error, or one that it wraps, says that no more files may be open.
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
                // Its `source` would skip the error that it wraps.
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
