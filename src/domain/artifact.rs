//! Artifact: its name, format, media type, accessibility and state.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::Uuid;
pub use super::artifact_kind::ArtifactKind;

/// The name of an artifact, which identifies it within its job. An artifact of a kind that a job has once is
/// named after its kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArtifactName(Cow<'static, str>);

/// Prefix of the stored names of named archives. No kind has a slash in its name.
const NAMED: &str = "named/";

/// Prefix of the stored names of single files.
const FILE: &str = "file/";

/// In the stored name of a single file, what comes between its path and its UUID, if the job has another file of the
/// same path. No path holds it.
const AGAIN: &str = "//";

impl ArtifactName {
    /// The name of a job's archive.
    pub const ARCHIVE: Self = Self(Cow::Borrowed(ArtifactKind::Archive.as_str()));

    /// The name of a job's log.
    pub const LOG: Self = Self(Cow::Borrowed(ArtifactKind::Trace.as_str()));

    /// The name of an archive that its uploader named; `name` holds no slash.
    pub fn of_named_archive(name: &str) -> Self {
        Self(Cow::Owned(format!("{NAMED}{name}")))
    }

    /// The name of a single file at `path`.
    pub fn of_file(path: &str) -> Self {
        Self(Cow::Owned(format!("{FILE}{path}")))
    }

    /// The name of a single file at `path` while the job has another file there.
    pub fn of_file_again(path: &str, uuid: Uuid) -> Self {
        Self(Cow::Owned(format!("{FILE}{path}{AGAIN}{uuid}")))
    }

    /// Returns the names that an upload called `name` may have: it is an archive, or a single file.
    pub fn of_upload(name: &str) -> [Self; 2] {
        [Self::of_named_archive(name), Self::of_file(name)]
    }

    /// Returns the names that an upload called as this one may have; only itself if it is neither an archive that its
    /// uploader named nor a single file.
    pub fn forms(&self) -> Vec<Self> {
        match self.named_archive().or(self.file_path()) {
            Some(name) => Self::of_upload(name).to_vec(),
            None => vec![self.clone()],
        }
    }

    /// Returns the file name that downloads suggest if the uploader gave none: of a named archive with its
    /// ending, of a single file its last segment; `None` for any other artifact.
    pub fn default_filename(&self) -> Option<String> {
        let of_archive = self.named_archive().map(zip_filename);
        of_archive.or_else(|| Some(self.file_path()?.rsplit('/').next()?.to_owned()))
    }

    /// Returns the uploader's name of a named archive; `None` for any other artifact.
    pub fn named_archive(&self) -> Option<&str> {
        self.0.strip_prefix(NAMED)
    }

    /// Returns the path of a single file; `None` for any other artifact.
    pub fn file_path(&self) -> Option<&str> {
        let rest = self.0.strip_prefix(FILE)?;
        Some(rest.split_once(AGAIN).map_or(rest, |(path, _)| path))
    }

    /// Returns the name as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the file name of an archive that is called `name`: with its ending, once.
pub fn zip_filename(name: &str) -> String {
    let has_ending = name.len() > 4 && name.as_bytes()[name.len() - 4..].eq_ignore_ascii_case(b".zip");
    if has_ending { name.to_owned() } else { format!("{name}.zip") }
}

impl From<ArtifactKind> for ArtifactName {
    fn from(kind: ArtifactKind) -> Self {
        Self(Cow::Borrowed(kind.as_str()))
    }
}

/// Parses a stored name; any text is one.
impl FromStr for ArtifactName {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(name.parse::<ArtifactKind>().map_or_else(|_| Self(Cow::Owned(name.to_owned())), Self::from))
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Longest name of a named archive, in bytes: with its ending it is a file name.
const MAX_NAME_BYTES: usize = 255;

/// Longest path of a single file, in bytes: a row of an index of PostgreSQL has at most 2,704.
const MAX_PATH_BYTES: usize = 2048;

/// Characters that no name of an archive holds, since they end or divide file names somewhere.
const NOT_IN_NAMES: &[char] = &['"', ':', '<', '>', '|', '*', '?', '\\', '/'];

/// Whether no name of an archive holds a character: control characters, and those that end or divide file names
/// somewhere.
pub fn is_not_in_names(c: char) -> bool {
    c.is_control() || NOT_IN_NAMES.contains(&c)
}

/// Why a text is no name of a named archive, or no path of a single file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It is empty.
    #[error("must not be empty")]
    Empty,
    /// It is `.` or `..`.
    #[error("must not be . or ..")]
    Dots,
    /// The name is too long.
    #[error("is longer than {MAX_NAME_BYTES} bytes")]
    Long,
    /// The path is too long.
    #[error("is longer than {MAX_PATH_BYTES} bytes")]
    LongPath,
    /// The name has a character that names of archives may not have.
    #[error("must not hold control characters or any of \" : < > | * ? \\ /")]
    Character,
    /// The path is not one below a folder.
    #[error("must be a path without control characters and without empty, . or .. segments")]
    Path,
}

/// Checks a name that an uploader gives to an archive.
///
/// # Errors
/// [`InvalidName`].
pub fn check_archive_name(name: &str) -> Result<(), InvalidName> {
    match name {
        "" => Err(InvalidName::Empty),
        "." | ".." => Err(InvalidName::Dots),
        _ if name.len() > MAX_NAME_BYTES => Err(InvalidName::Long),
        _ if name.contains(is_not_in_names) => Err(InvalidName::Character),
        _ => Ok(()),
    }
}

/// Checks the path of a single file.
///
/// # Errors
/// [`InvalidName`].
pub fn check_file_path(path: &str) -> Result<(), InvalidName> {
    if path.is_empty() {
        return Err(InvalidName::Empty);
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(InvalidName::LongPath);
    }
    let is_bad = |segment: &str| matches!(segment, "" | "." | "..");
    if path.contains(char::is_control) || path.split('/').any(is_bad) {
        return Err(InvalidName::Path);
    }
    Ok(())
}

/// Longest media type, in bytes: each half has at most 127 (RFC 6838, section 4.2).
const MAX_MEDIA_TYPE_BYTES: usize = 255;

/// A media type without parameters, such as `text/html`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MediaType(String);

impl MediaType {
    /// Returns the media type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a media type such as text/html")]
pub struct InvalidMediaType;

/// Parses a media type; parameters are dropped.
impl FromStr for MediaType {
    type Err = InvalidMediaType;

    fn from_str(text: &str) -> Result<Self, InvalidMediaType> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        let is_token = |part: &str| {
            let is_token_byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
            part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.bytes().all(is_token_byte)
        };
        match essence.split_once('/') {
            Some((kind, subtype))
                if essence.len() <= MAX_MEDIA_TYPE_BYTES && is_token(kind) && is_token(subtype) =>
            {
                Ok(Self(essence.to_ascii_lowercase()))
            }
            _ => Err(InvalidMediaType),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

named! {
    /// The format of an artifact's bytes.
    pub enum ArtifactFormat ("artifact format") {
        /// No particular format.
        Raw = "raw",
        /// A zip archive.
        Zip = "zip",
        /// A gzip stream of one or more members.
        Gzip = "gzip",
    }
}

named! {
    /// Who may read an artifact, among those who may read its job.
    pub enum Accessibility ("accessibility") {
        /// Every reader of the job.
        Public = "public",
        /// Developers and up.
        Private = "private",
        /// Maintainers and up.
        Maintainer = "maintainer",
        /// Nobody; only jobs that the project admits, through the runner's download.
        None = "none",
    }
}

named! {
    /// The state of an artifact. Expired and deleted rows stay as tombstones: deleted ones until their bytes are
    /// deleted, expired ones as long as the settings say.
    pub enum ArtifactState ("artifact state") {
        /// Declared, its bytes still being uploaded.
        New = "new",
        /// Complete and readable.
        Finished = "finished",
        /// Its upload failed.
        Error = "error",
        /// Expired; its bytes are deleted, or will be.
        Expired = "expired",
        /// Deleted by request or replaced; its bytes are not deleted yet.
        Deleted = "deleted",
    }
}

/// Whether an artifact can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It has not expired, or it is locked.
    Available,
    /// It has expired; its name, size and digest may still be known.
    Expired,
    /// It does not exist, or was deleted.
    Missing,
}

named! {
    /// The state of an upload in pieces.
    pub enum UploadState ("upload state") {
        /// It takes pieces.
        Open = "open",
        /// All its pieces are there, and are being made one blob.
        Ordered = "ordered",
        /// All its bytes are there, as one blob.
        Received = "received",
        /// It is an artifact; its row is kept for clients that ask again.
        Completed = "completed",
        /// It became no artifact, because its client gave up or its bytes are not what was declared.
        Failed = "failed",
        /// It takes nothing more; its pieces are deleted.
        Abandoned = "abandoned",
    }
}

impl UploadState {
    /// The states in which an upload may still become an artifact.
    pub const ALIVE: [Self; 3] = [Self::Open, Self::Ordered, Self::Received];

    /// The words of states.
    pub fn words(states: &[Self]) -> impl Iterator<Item = &'static str> + Clone {
        states.iter().map(|state| state.as_str())
    }

    /// Whether an upload may still become an artifact.
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Open | Self::Ordered | Self::Received)
    }
}

/// Longest file name that is stored, in bytes: the limit of common file systems.
pub const MAX_FILENAME_BYTES: usize = 255;

/// Turns untrusted input into a file name for a header: its last segment, without control characters, at most
/// [`MAX_FILENAME_BYTES`] long. `None` if nothing is left.
pub fn clean_filename(raw: &str) -> Option<String> {
    let last = raw.rsplit('/').next().unwrap_or(raw);
    let mut name: String = last.chars().filter(|c| !c.is_control()).collect();
    while name.len() > MAX_FILENAME_BYTES {
        name.pop();
    }
    (!name.is_empty() && name != "." && name != "..").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filename_keeps_its_last_segment_and_nothing_dangerous() {
        assert_eq!(clean_filename("a/b/my \"site\".zip").as_deref(), Some("my \"site\".zip"));
        assert_eq!(clean_filename("a\r\nb.zip").as_deref(), Some("ab.zip"));
        assert_eq!(clean_filename("dir/"), None);
        assert_eq!(clean_filename(".."), None);
        let long = clean_filename(&"ü".repeat(400)).unwrap();
        assert!(long.len() <= MAX_FILENAME_BYTES && long.chars().all(|c| c == 'ü'));
    }

    #[test]
    fn a_media_type_is_two_tokens_without_parameters() {
        for (text, expected) in [
            ("text/html", "text/html"),
            (" Text/HTML; charset=utf-8", "text/html"),
            ("application/vnd.api+json", "application/vnd.api+json"),
        ] {
            assert_eq!(text.parse::<MediaType>().unwrap().as_str(), expected);
        }
        let long = format!("text/{}", "x".repeat(251));
        for text in ["", "text", "text/", "/html", "text/a b", "text/html/x", "t\r\n/x", "text/ü", &long] {
            assert_eq!(text.parse::<MediaType>(), Err(InvalidMediaType), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_read_as_it_is_stored() {
        assert_eq!("archive".parse(), Ok(ArtifactName::ARCHIVE));
        assert_eq!("build/output".parse::<ArtifactName>().unwrap().as_str(), "build/output");
        let again = ArtifactName::of_file_again("a/b.txt", Uuid::for_row());
        assert_eq!(again.file_path(), Some("a/b.txt"));
        assert_eq!(again.default_filename().as_deref(), Some("b.txt"));
        assert_ne!(again, ArtifactName::of_file("a/b.txt"));
    }
}
