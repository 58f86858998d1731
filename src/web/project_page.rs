//! Pages of a project: their addresses below the project's own, and how they are asked for.

use percent_encoding::percent_decode_str;

use crate::domain::pipeline::RefKind;
use crate::http::target::number;

/// Most ways in which an address by ref is read: each may cost a lookup.
pub(super) const MAX_CANDIDATES: usize = 8;

/// A page of a project. Paths in archives are decoded bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProjectPage {
    Pipelines,
    Pipeline(i64),
    /// All branches or all tags.
    Refs(RefKind),
    Job(i64),
    Artifacts,
    DeleteArtifacts,
    /// A folder of what stands for a job's archive.
    Browse {
        job_id: i64,
        path: Vec<u8>,
    },
    /// A file of it, or one of the job's other artifacts.
    View {
        job_id: i64,
        path: Vec<u8>,
    },
    /// A file of it as a report, or the index of a folder.
    Report {
        job_id: i64,
        path: Vec<u8>,
    },
    /// A file's bytes for a client, and its page for a browser.
    File {
        job_id: i64,
        path: Vec<u8>,
    },
    /// The bytes of an artifact by its ID, or of a file of it.
    Get {
        job_id: i64,
        artifact_id: i64,
        path: Vec<u8>,
    },
    /// Two jobs' archives; the query names the other job if the address does not.
    Compare {
        job_id: i64,
        other: Option<i64>,
    },
    /// One file of two jobs' archives.
    CompareFile {
        job_id: i64,
        other: i64,
        path: Vec<u8>,
    },
    Keep(i64),
    Delete(i64),
    /// A page of the newest successful job of a ref, in every way in which the address can be read, the longest ref first.
    ByRef(Vec<ByRef>),
    /// The pipelines of a commit.
    Commit(String),
    /// The pipelines of a ref.
    Tree(String),
    Badge {
        ref_name: String,
        kind: BadgeKind,
    },
}

/// A page of the newest successful job of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ByRef {
    pub(super) ref_name: String,
    pub(super) what: RefPage,
    pub(super) path: Vec<u8>,
}

/// What of a job an address by ref names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefPage {
    Browse,
    View,
    Report,
    File,
    Raw,
    Download,
}

/// What a badge shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadgeKind {
    /// The coverage of a job, or its state without one.
    Job,
    /// The state of the newest pipeline.
    Pipeline,
    /// The coverage of the newest successful pipeline.
    Coverage,
}

impl RefPage {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "browse" => Self::Browse,
            "view" => Self::View,
            "report" => Self::Report,
            "file" => Self::File,
            "raw" => Self::Raw,
            "download" => Self::Download,
            _ => return None,
        })
    }

    /// Whether the address gives a client bytes.
    fn has_bytes(self) -> bool {
        matches!(self, Self::File | Self::Raw | Self::Download)
    }
}

impl ProjectPage {
    /// Reads what stands behind the dash that ends a project's path.
    pub(super) fn parse(rest: &[&str]) -> Option<Self> {
        use ProjectPage as P;
        Some(match *rest {
            ["pipelines"] => P::Pipelines,
            ["pipelines", id] => P::Pipeline(number(id)?),
            ["branches"] => P::Refs(RefKind::Branch),
            ["tags"] => P::Refs(RefKind::Tag),
            ["artifacts"] => P::Artifacts,
            ["artifacts", "delete"] => P::DeleteArtifacts,
            ["commit", sha] => P::Commit(text(&[sha])),
            ["tree", ref name @ ..] if !name.is_empty() => P::Tree(text(name)),
            ["jobs", "artifacts", ref name @ .., "badge.svg"] if !name.is_empty() => {
                P::Badge { ref_name: text(name), kind: BadgeKind::Job }
            }
            ["jobs", "artifacts", ref rest @ ..] => P::ByRef(by_ref(rest)?),
            ["jobs", id] => P::Job(number(id)?),
            ["jobs", id, "artifacts", what, ref path @ ..] => of_job(number(id)?, what, path)?,
            _ => return None,
        })
    }

    /// Returns the template of the address, for the metrics.
    pub(super) const fn template(&self) -> &'static str {
        use ProjectPage as P;
        match self {
            P::Pipelines => "/:project/-/pipelines",
            P::Pipeline(_) => "/:project/-/pipelines/:id",
            P::Refs(RefKind::Branch) => "/:project/-/branches",
            P::Refs(RefKind::Tag) => "/:project/-/tags",
            P::Job(_) => "/:project/-/jobs/:id",
            P::Artifacts => "/:project/-/artifacts",
            P::DeleteArtifacts => "/:project/-/artifacts/delete",
            P::Browse { .. } => "/:project/-/jobs/:id/artifacts/browse/*path",
            P::View { .. } => "/:project/-/jobs/:id/artifacts/view/*path",
            P::Report { .. } => "/:project/-/jobs/:id/artifacts/report/*path",
            P::File { .. } => "/:project/-/jobs/:id/artifacts/file/*path",
            P::Get { .. } => "/:project/-/jobs/:id/artifacts/get/:artifact_id/*path",
            P::Compare { .. } => "/:project/-/jobs/:id/artifacts/compare/:other",
            P::CompareFile { .. } => "/:project/-/jobs/:id/artifacts/compare/:other/*path",
            P::Keep(_) => "/:project/-/jobs/:id/artifacts/keep",
            P::Delete(_) => "/:project/-/jobs/:id/artifacts/delete",
            P::ByRef(_) => "/:project/-/jobs/artifacts/*ref",
            P::Commit(_) => "/:project/-/commit/:sha",
            P::Tree(_) => "/:project/-/tree/*ref",
            P::Badge { .. } => "/:project/badges/*ref",
        }
    }

    /// Returns the audit log's name for what a request does.
    pub(super) fn action(&self, is_change: bool) -> &'static str {
        use ProjectPage as P;
        match self {
            P::Pipelines | P::Commit(_) | P::Tree(_) => "pipeline.list",
            P::Pipeline(_) | P::Badge { .. } => "pipeline.read",
            P::Refs(_) => "ref.list",
            P::Job(_) => "job.read",
            P::Artifacts | P::Browse { .. } => "artifact.list",
            P::Keep(_) => "artifact.keep",
            P::Delete(_) | P::DeleteArtifacts if is_change => "artifact.delete",
            P::Delete(_)
            | P::DeleteArtifacts
            | P::View { .. }
            | P::Report { .. }
            | P::File { .. }
            | P::Get { .. }
            | P::Compare { .. }
            | P::CompareFile { .. }
            | P::ByRef(_) => "artifact.read",
        }
    }

    /// Whether the address gives bytes to a client that brings a token.
    pub(super) fn has_bytes(&self) -> bool {
        match self {
            Self::File { .. } => true,
            Self::ByRef(all) => all.first().is_some_and(|first| first.what.has_bytes()),
            _ => false,
        }
    }

    /// Whether a form can be sent there.
    pub(super) fn is_change(&self) -> bool {
        matches!(self, Self::Keep(_) | Self::Delete(_) | Self::DeleteArtifacts | Self::Report { .. })
    }

    /// Whether there is nothing to read.
    pub(super) fn is_change_only(&self) -> bool {
        matches!(self, Self::Keep(_))
    }
}

fn of_job(job_id: i64, what: &str, path: &[&str]) -> Option<ProjectPage> {
    use ProjectPage as P;
    Some(match (what, path) {
        ("browse", path) => P::Browse { job_id, path: bytes(path) },
        ("view", path) => P::View { job_id, path: bytes(path) },
        ("report", path) => P::Report { job_id, path: bytes(path) },
        ("file", [_, ..]) => P::File { job_id, path: bytes(path) },
        ("get", [id, path @ ..]) => P::Get { job_id, artifact_id: number(id)?, path: bytes(path) },
        ("compare", []) => P::Compare { job_id, other: None },
        ("compare", [other]) => P::Compare { job_id, other: Some(number(other)?) },
        ("compare", [other, path @ ..]) => {
            P::CompareFile { job_id, other: number(other)?, path: bytes(path) }
        }
        ("keep", []) => P::Keep(job_id),
        ("delete", []) => P::Delete(job_id),
        _ => return None,
    })
}

/// Reads `REF/WORD/PATH…` in every possible way, the longest ref first.
fn by_ref(rest: &[&str]) -> Option<Vec<ByRef>> {
    let candidate = |at: usize| {
        let (what, path) = (RefPage::of(rest[at])?, &rest[at + 1..]);
        let is_whole = match what {
            RefPage::Browse | RefPage::Report => true,
            RefPage::Download => path.is_empty(),
            RefPage::View | RefPage::File | RefPage::Raw => !path.is_empty(),
        };
        is_whole.then(|| ByRef { ref_name: text(&rest[..at]), what, path: bytes(path) })
    };
    let all: Vec<ByRef> = (1..rest.len()).rev().filter_map(candidate).take(MAX_CANDIDATES).collect();
    (!all.is_empty()).then_some(all)
}

fn bytes(segments: &[&str]) -> Vec<u8> {
    percent_decode_str(&segments.join("/")).collect()
}

/// Decodes text. What no name can hold becomes U+FFFD, which no stored name has.
pub(super) fn text(segments: &[&str]) -> String {
    String::from_utf8_lossy(&bytes(segments)).replace('\0', "\u{fffd}")
}
