//! The types of a registry document, as `docs/registry.md` describes it.
//!
//! An absent field leaves the row's value as it is; `null` clears the value. So a field that can be cleared
//! is an option in an option, [`Patch`].

use std::collections::BTreeMap;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::LoadSummary;
use crate::domain::Timestamp;
use crate::domain::artifact::{Accessibility, ArtifactFormat, ArtifactKind, ArtifactName, MediaType};
use crate::domain::build::{Agent, Author, PullRequest, TextMap};
use crate::domain::byte_size;
use crate::domain::expiry::Lifetime;
use crate::domain::pipeline::Source;
use crate::domain::project::Visibility;
use crate::domain::role::Role;
use crate::domain::status::Status;
use crate::domain::step::Steps;

/// A field that is absent (`None`), `null` (`Some(None)`) or a value.
pub(super) type Patch<T> = Option<Option<T>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(default)]
    pub(super) users: Vec<UserDocument>,
    #[serde(default)]
    pub(super) groups: Vec<GroupDocument>,
    #[serde(default)]
    pub(super) projects: Vec<ProjectDocument>,
}

/// What holds of all projects of a group together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupDocument {
    pub(super) path: String,
    #[serde(default, deserialize_with = "named")]
    pub(super) max_storage: Patch<Size>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserDocument {
    pub(super) id: i64,
    pub(super) username: String,
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "named")]
    pub(super) email: Patch<String>,
    pub(super) admin: Option<bool>,
    #[serde(default)]
    pub(super) tokens: Vec<TokenDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenDocument {
    pub(super) value: String,
    pub(super) name: Option<String>,
    pub(super) scopes: Option<Vec<String>>,
    #[serde(default, deserialize_with = "named")]
    pub(super) expires_at: Patch<Timestamp>,
    pub(super) revoked: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectDocument {
    pub(super) id: i64,
    pub(super) path: String,
    pub(super) name: Option<String>,
    pub(super) visibility: Option<Visibility>,
    pub(super) public_jobs: Option<bool>,
    #[serde(default, deserialize_with = "named")]
    pub(super) default_branch: Patch<String>,
    pub(super) keep_latest_artifact: Option<bool>,
    #[serde(default, deserialize_with = "named")]
    pub(super) max_artifact_size: Patch<Size>,
    #[serde(default, deserialize_with = "named")]
    pub(super) max_storage: Patch<Size>,
    pub(super) job_token_allowlist: Option<Vec<String>>,
    pub(super) buildkite: Option<SlugsDocument>,
    #[serde(default, deserialize_with = "named")]
    pub(super) steps: Patch<Steps>,
    #[serde(default, deserialize_with = "members")]
    pub(super) members: Option<BTreeMap<String, Role>>,
    #[serde(default)]
    pub(super) pipelines: Vec<PipelineDocument>,
}

/// How Buildkite's dialect names a project.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlugsDocument {
    pub(super) organization: String,
    pub(super) pipeline: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PipelineDocument {
    pub(super) id: i64,
    pub(super) iid: Option<i64>,
    #[serde(rename = "ref")]
    pub(super) ref_name: String,
    pub(super) tag: Option<bool>,
    pub(super) sha: String,
    pub(super) status: Status,
    pub(super) source: Option<Source>,
    #[serde(default, deserialize_with = "named")]
    pub(super) parent: Patch<i64>,
    #[serde(default, deserialize_with = "named")]
    pub(super) user: Patch<String>,
    pub(super) created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "named")]
    pub(super) started_at: Patch<Timestamp>,
    #[serde(default, deserialize_with = "named")]
    pub(super) finished_at: Patch<Timestamp>,
    pub(super) commit: Option<CommitDocument>,
    #[serde(default, deserialize_with = "named")]
    pub(super) message: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    pub(super) env: Patch<TextMap>,
    #[serde(default, deserialize_with = "named")]
    pub(super) meta_data: Patch<TextMap>,
    #[serde(default, deserialize_with = "named")]
    pub(super) author: Patch<Author>,
    #[serde(default, deserialize_with = "named")]
    pub(super) pull_request: Patch<PullRequest>,
    #[serde(default, deserialize_with = "named")]
    pub(super) cancel_reason: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    pub(super) rebuilt_from: Patch<i64>,
    #[serde(default)]
    pub(super) jobs: Vec<JobDocument>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitDocument {
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) author_name: String,
    #[serde(default)]
    pub(super) author_email: String,
    pub(super) created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobDocument {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) stage: Option<String>,
    pub(super) status: Status,
    pub(super) allow_failure: Option<bool>,
    pub(super) retried: Option<bool>,
    #[serde(default, deserialize_with = "named")]
    pub(super) user: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    pub(super) token: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    pub(super) coverage: Patch<f64>,
    #[serde(default, deserialize_with = "named")]
    pub(super) failure_reason: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    pub(super) erased_at: Patch<Timestamp>,
    pub(super) created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "named")]
    pub(super) started_at: Patch<Timestamp>,
    #[serde(default, deserialize_with = "named")]
    pub(super) finished_at: Patch<Timestamp>,
    #[serde(default, deserialize_with = "named")]
    pub(super) command: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    pub(super) exit_status: Patch<i64>,
    #[serde(default, deserialize_with = "named")]
    pub(super) step_key: Patch<String>,
    #[serde(default, deserialize_with = "named")]
    pub(super) soft_failed: Patch<bool>,
    #[serde(default, deserialize_with = "named")]
    pub(super) parallel_group_index: Patch<i64>,
    #[serde(default, deserialize_with = "named")]
    pub(super) parallel_group_total: Patch<i64>,
    #[serde(default, deserialize_with = "named")]
    pub(super) agent: Patch<Agent>,
    #[serde(default)]
    pub(super) artifacts: Vec<ArtifactDocument>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArtifactDocument {
    #[serde(rename = "type", default = "archive")]
    pub(super) kind: ArtifactKind,
    /// The name of a named archive.
    pub(super) name: Option<String>,
    /// The path of a single file.
    pub(super) path: Option<String>,
    /// The media type of a single file.
    pub(super) media_type: Option<MediaTypeText>,
    pub(super) format: Option<ArtifactFormat>,
    /// A file, or for zip artifacts a directory that is packed.
    pub(super) file: String,
    pub(super) filename: Option<String>,
    pub(super) accessibility: Option<Accessibility>,
    pub(super) expire_in: Option<ExpireIn>,
    #[serde(default, deserialize_with = "named")]
    pub(super) expire_at: Patch<Timestamp>,
}

impl ArtifactDocument {
    /// Returns the name that identifies the artifact within its job.
    pub(super) fn identity(&self) -> ArtifactName {
        match (&self.name, &self.path) {
            (Some(name), _) => ArtifactName::of_named_archive(name),
            (None, Some(path)) => ArtifactName::of_file(path),
            (None, None) => self.kind.into(),
        }
    }

    /// Returns the only format that the artifact may have.
    pub(super) fn own_format(&self) -> ArtifactFormat {
        if self.path.is_some() { ArtifactFormat::Raw } else { self.kind.default_format() }
    }

    /// Returns the file name that downloads suggest unless the document gives one.
    pub(super) fn default_filename(&self) -> String {
        self.identity().default_filename().unwrap_or_else(|| self.kind.default_filename().to_owned())
    }
}

/// How errors call the artifact: by its path, its name or its type.
impl std::fmt::Display for ArtifactDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.name, &self.path) {
            (Some(name), _) => write!(f, "{name:?} artifacts"),
            (None, Some(path)) => write!(f, "{path:?} artifacts"),
            (None, None) => write!(f, "{} artifacts", self.kind),
        }
    }
}

/// A media type, written as text such as `text/html`.
#[derive(Debug, Clone)]
pub(super) struct MediaTypeText(pub(super) MediaType);

impl<'de> Deserialize<'de> for MediaTypeText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map(Self).map_err(D::Error::custom)
    }
}

fn archive() -> ArtifactKind {
    ArtifactKind::Archive
}

pub(super) fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Patch<T>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Reads roles by username. Rejects a username that appears twice: the second entry may be a mistake for
/// another user.
fn members<'de, D: Deserializer<'de>>(from: D) -> Result<Option<BTreeMap<String, Role>>, D::Error> {
    struct Members(BTreeMap<String, Role>);

    impl<'de> Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_map(MembersVisitor).map(Self)
        }
    }

    struct MembersVisitor;

    impl<'de> Visitor<'de> for MembersVisitor {
        type Value = BTreeMap<String, Role>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map from user names to roles")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut members = BTreeMap::new();
            while let Some((username, role)) = items.next_entry::<String, Role>()? {
                if members.contains_key(&username) {
                    return Err(A::Error::custom(format!("{username} appears twice")));
                }
                members.insert(username, role);
            }
            Ok(members)
        }
    }

    Ok(Option::<Members>::deserialize(from)?.map(|Members(members)| members))
}

/// A size in bytes, written as a number or as text such as `10 MiB`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub(super) u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = NumberOrText::deserialize(from)?.into_text();
        byte_size::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

/// The lifetime of an artifact, written as a number of seconds or as text such as `1 week`.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExpireIn(pub(super) Lifetime);

impl<'de> Deserialize<'de> for ExpireIn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = NumberOrText::deserialize(from)?.into_text();
        Lifetime::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl NumberOrText {
    fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// Omits the value, so that printing a document shows no token.
impl std::fmt::Debug for TokenDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Omits the token, as for [`TokenDocument`].
impl std::fmt::Debug for JobDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Document {
    /// Counts the users, projects, pipelines, jobs and artifacts of the document.
    pub(super) fn count(&self) -> LoadSummary {
        let pipelines = || self.projects.iter().flat_map(|project| &project.pipelines);
        let jobs = || pipelines().flat_map(|pipeline| &pipeline.jobs);
        LoadSummary {
            users: self.users.len(),
            projects: self.projects.len(),
            pipelines: pipelines().count(),
            jobs: jobs().count(),
            artifacts: jobs().map(|job| job.artifacts.len()).sum(),
        }
    }
}
