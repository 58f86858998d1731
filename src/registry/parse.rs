//! Parsing and checking of registry documents. Checks that need the catalog are made while applying.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

use serde::de::DeserializeOwned;
use serde_saphyr::{Budget, DuplicateKeyPolicy, Options};

use super::document::{
    ArtifactDocument, Document, GroupDocument, Patch, PipelineDocument, ProjectDocument, Size, UserDocument,
};
use super::secret;
use super::strict::Strict;
use super::{FileSource, Format, LoadError, Source};
use crate::domain::artifact::{
    ArtifactFormat, ArtifactKind, ArtifactName, check_archive_name, check_file_path,
};
use crate::domain::build::is_slug;
use crate::domain::project::is_valid_path;
use crate::domain::user::is_valid_username;

/// The limit on YAML nodes: far above any real document, it stops the endless expansion of aliases.
const MAX_NODES: usize = 100_000_000;

/// Parses the text of a file as YAML, of which JSON is a subset.
pub(super) fn document(name: &str, text: &str) -> Result<Document, LoadError> {
    yaml(name, text, options())
}

/// Parses a body from HTTP. In YAML, limits all text, with aliases expanded, to twice the body's size plus
/// 1 MiB.
pub(super) fn sent_document(name: &str, body: &[u8], format: Format) -> Result<Document, LoadError> {
    let text =
        std::str::from_utf8(body).map_err(|_| LoadError::Malformed(format!("{name}: is not valid UTF-8")))?;
    match format {
        Format::Json => json(text).map_err(|why| LoadError::Malformed(format!("{name}: {why}"))),
        Format::Yaml => {
            let mut options = options();
            if let Some(budget) = &mut options.budget {
                budget.max_total_scalar_bytes = text.len().saturating_mul(2).saturating_add(1 << 20);
            }
            yaml(name, text, options)
        }
    }
}

/// Parses a JSON body into a value.
pub(super) fn json_value<T: DeserializeOwned>(body: &[u8]) -> Result<T, LoadError> {
    let text = std::str::from_utf8(body);
    let text = text.map_err(|_| LoadError::Malformed("the body is not valid UTF-8".into()))?;
    json(text).map_err(LoadError::Malformed)
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(Strict(&mut json)).map_err(|error| {
        let place = error.path().to_string();
        let error = error.into_inner();
        match secret::at(&place) {
            None => format!("{}{error}", placed(&place)),
            Some(secret) => {
                format!("{} at line {} column {}", secret.said(&error), error.line(), error.column())
            }
        }
    })?;
    json.end().map_err(|error| error.to_string())?;
    Ok(value)
}

fn yaml(name: &str, text: &str, options: Options) -> Result<Document, LoadError> {
    let mut place = String::new();
    let parsed = serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
        let unknown_path = serde_path_to_error::deserialize(yaml);
        unknown_path.map_err(|error| {
            place = error.path().to_string();
            error.into_inner()
        })
    });
    let document: Option<Document> = parsed.map_err(|error| wrong_text(name, &place, &error))?;
    document.ok_or_else(|| LoadError::Malformed(format!("{name}: the document is empty")))
}

fn options() -> Options {
    let mut options = Options::default();
    options.with_snippet = false;
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    let mut budget = Budget::default();
    budget.max_events = MAX_NODES;
    budget.max_nodes = MAX_NODES;
    budget.max_total_scalar_bytes = usize::MAX;
    options.budget = Some(budget);
    options
}

fn wrong_text(name: &str, place: &str, error: &serde_saphyr::Error) -> LoadError {
    let line = error.location().map(|at| format!("line {} column {}: ", at.line(), at.column()));
    let line = line.unwrap_or_default();
    LoadError::Malformed(match secret::at(place) {
        None => format!("{name}: {line}{}{error}", placed(place)),
        Some(secret) => format!("{name}: {line}{}", secret.said(error)),
    })
}

/// Returns the prefix of an error at `place`; empty for the whole document.
fn placed(place: &str) -> String {
    match place {
        "" | "." | "?" => String::new(),
        place => format!("{place}: "),
    }
}

/// Checks all documents of one load, also against each other.
pub(super) fn check_together(sources: &[Source]) -> Result<(), LoadError> {
    let mut seen = UniquenessCheck::default();
    for source in sources {
        for (place, user) in numbered("users", &source.document.users) {
            seen.user(user).map_err(|why| wrong(source, &place, why))?;
        }
        for (place, group) in numbered("groups", &source.document.groups) {
            seen.group(group).map_err(|why| wrong(source, &place, why))?;
        }
        for (place, project) in numbered("projects", &source.document.projects) {
            seen.project(project).map_err(|why| wrong(source, &place, why))?;
            for (place, pipeline) in numbered(&format!("{place}.pipelines"), &project.pipelines) {
                seen.pipeline(pipeline).map_err(|why| wrong(source, &place, why))?;
                for (place, job) in numbered(&format!("{place}.jobs"), &pipeline.jobs) {
                    seen.job(job.id, job.token.as_ref().and_then(|token| token.as_deref()))
                        .map_err(|why| wrong(source, &place, why))?;
                    let mut of_job = ArtifactNames::default();
                    for (place, artifact) in numbered(&format!("{place}.artifacts"), &job.artifacts) {
                        check_artifact(artifact, &source.files)
                            .and_then(|()| of_job.add(artifact))
                            .map_err(|why| wrong(source, &place, why))?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Returns the error for an invalid value at `place` in a document.
pub(super) fn wrong(source: &Source, place: &str, why: impl Display) -> LoadError {
    LoadError::Invalid(format!("{}: {place}: {why}", source.name))
}

/// Returns the items of a list with their paths in the document.
pub(super) fn numbered<'a, T>(
    name: &str,
    items: &'a [T],
) -> impl Iterator<Item = (String, &'a T)> + use<'a, T> {
    let name = name.to_owned();
    items.iter().enumerate().map(move |(number, item)| (format!("{name}[{number}]"), item))
}

/// The values seen so far that must be unique.
#[derive(Default)]
struct UniquenessCheck {
    users: HashSet<i64>,
    usernames: HashSet<String>,
    tokens: HashSet<String>,
    projects: HashSet<i64>,
    paths: HashSet<String>,
    groups: HashSet<String>,
    pipelines: HashSet<i64>,
    jobs: HashSet<i64>,
}

impl UniquenessCheck {
    fn user(&mut self, user: &UserDocument) -> Result<(), String> {
        identify(&mut self.users, user.id)?;
        once(&mut self.usernames, user.username.clone(), "username")?;
        if !is_valid_username(&user.username) {
            return Err("username: expected a name without spaces".into());
        }
        for (place, token) in numbered("tokens", &user.tokens) {
            if token.value.is_empty() {
                return Err(format!("{place}.value: expected a token"));
            }
            if !self.tokens.insert(token.value.clone()) {
                return Err(format!("{place}.value: the same token appears twice"));
            }
            let wrong_scope = |scope: &&String| scope.is_empty() || scope.contains(char::is_whitespace);
            if let Some(scope) = token.scopes.iter().flatten().find(wrong_scope) {
                return Err(format!(
                    "{place}.scopes: {scope:?} is not a valid scope, expected for example read_api"
                ));
            }
        }
        Ok(())
    }

    fn group(&mut self, group: &GroupDocument) -> Result<(), String> {
        once(&mut self.groups, group.path.to_lowercase(), "path")?;
        if !is_valid_path(&group.path) {
            let path = &group.path;
            return Err(format!("path: {path:?} is not a valid full path, expected for example group"));
        }
        not_zero(group.max_storage)
    }

    fn project(&mut self, project: &ProjectDocument) -> Result<(), String> {
        identify(&mut self.projects, project.id)?;
        once(&mut self.paths, project.path.to_lowercase(), "path")?;
        if !is_valid_path(&project.path) {
            return Err(format!(
                "path: {:?} is not a valid full path, expected for example group/project",
                project.path
            ));
        }
        not_zero(project.max_storage)?;
        if let Some(slugs) = &project.buildkite {
            for (field, slug) in [("organization", &slugs.organization), ("pipeline", &slugs.pipeline)] {
                if !is_slug(slug) {
                    return Err(format!(
                        "buildkite.{field}: {slug:?} is not a slug, expected letters, digits and single hyphens"
                    ));
                }
            }
        }
        if let Some(Some(steps)) = &project.steps {
            steps.check()?;
        }
        // An entry that is no path would match no project, without any error.
        let entries = project.job_token_allowlist.as_deref().unwrap_or_default();
        for (place, entry) in numbered("job_token_allowlist", entries) {
            if !is_valid_path(entry) {
                return Err(format!("{place}: {entry:?} is not a valid full path of a project or group"));
            }
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &PipelineDocument) -> Result<(), String> {
        identify(&mut self.pipelines, pipeline.id)
    }

    fn job(&mut self, id: i64, token: Option<&str>) -> Result<(), String> {
        identify(&mut self.jobs, id)?;
        match token {
            Some("") => Err("token: expected a token".into()),
            Some(token) if !self.tokens.insert(token.to_owned()) => {
                Err("token: the same token appears twice".into())
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a quota of nothing: elsewhere 0 means no limit.
fn not_zero(max_storage: Patch<Size>) -> Result<(), String> {
    match max_storage {
        Some(Some(Size(0))) => Err("max_storage: expected a size above 0, or null for no limit".into()),
        _ => Ok(()),
    }
}

fn identify(seen: &mut HashSet<i64>, id: i64) -> Result<(), String> {
    match id {
        1.. => once(seen, id, "id"),
        _ => Err(format!("id: {id} is not a valid ID, expected a whole number of at least 1")),
    }
}

fn once<T: Hash + Eq + Clone + Display>(seen: &mut HashSet<T>, value: T, field: &str) -> Result<(), String> {
    if seen.insert(value.clone()) { Ok(()) } else { Err(format!("{field}: {value} appears twice")) }
}

/// The names of a job's artifacts, and the folders of those with a path.
#[derive(Default)]
struct ArtifactNames {
    names: HashSet<ArtifactName>,
    folders: HashSet<String>,
}

impl ArtifactNames {
    fn add(&mut self, artifact: &ArtifactDocument) -> Result<(), String> {
        if !self.names.insert(artifact.identity()) {
            return Err(match (&artifact.name, &artifact.path) {
                (Some(name), _) => format!("name: {name:?} appears twice"),
                (None, Some(path)) => format!("path: {path:?} appears twice"),
                (None, None) => format!("type: {} appears twice", artifact.kind),
            });
        }
        let Some(path) = &artifact.path else { return Ok(()) };
        // No reader could unpack both.
        let both = |path: &str| format!("path: {path:?} is a file and a folder");
        if self.folders.contains(path) {
            return Err(both(path));
        }
        for (slash, _) in path.match_indices('/') {
            let folder = &path[..slash];
            if self.names.contains(&ArtifactName::of_file(folder)) {
                return Err(both(folder));
            }
            self.folders.insert(folder.to_owned());
        }
        Ok(())
    }
}

fn check_artifact(artifact: &ArtifactDocument, files: &FileSource) -> Result<(), String> {
    if matches!(files, FileSource::None) {
        let why = "a document sent over HTTP cannot name a file of the server; jobs upload artifacts";
        return Err(format!("file: {why}"));
    }
    check_name(artifact)?;
    let own = artifact.own_format();
    match artifact.format {
        Some(format) if format != own => {
            return Err(format!("format: {artifact} are {own}, not {format}"));
        }
        _ => {}
    }
    if own != ArtifactFormat::Zip && files.is_directory(&artifact.file) {
        let file = &artifact.file;
        return Err(format!(
            "file: {file} is a directory, which is packed for zip artifacts only; {artifact} are {own}"
        ));
    }
    if artifact.expire_in.is_some() && artifact.expire_at.is_some() {
        return Err("expected expire_in or expire_at, not both".into());
    }
    Ok(())
}

/// Checks what tells apart the artifacts of a job: the type, or else a name or a path.
fn check_name(artifact: &ArtifactDocument) -> Result<(), String> {
    match (&artifact.name, &artifact.path) {
        (Some(_), Some(_)) => return Err("expected name or path, not both".into()),
        (Some(name), None) => check_archive_name(name).map_err(|why| format!("name: {why}"))?,
        (None, Some(path)) => check_file_path(path).map_err(|why| format!("path: {why}"))?,
        (None, None) => {}
    }
    if (artifact.name.is_some() || artifact.path.is_some()) && artifact.kind != ArtifactKind::Archive {
        let kind = artifact.kind;
        return Err(format!("type: expected no type beside a name or a path, found {kind}"));
    }
    if artifact.media_type.is_some() && artifact.path.is_none() {
        return Err("media_type: expected only beside a path".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::update::{JobChange, PipelineChange};

    /// Pieces of documents, because texts made of them are nearly valid more often than random bytes.
    const PIECES: &str = r#"(\{|\}|\[|\]|,|: |\n  |- |&a |\*a|<<|"|users|projects|id|username|path|status|running|null|1|2\.0|\\u0000|[ -~]){0,60}"#;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            for format in [Format::Json, Format::Yaml] {
                let _ = sent_document("document", &bytes, format);
            }
            let _ = (JobChange::read(&bytes), PipelineChange::read(&bytes));
        }

        #[test]
        fn no_text_panics_and_every_refusal_says_of_what(text in PIECES) {
            for format in [Format::Json, Format::Yaml] {
                if let Err(error) = sent_document("document", text.as_bytes(), format) {
                    prop_assert!(error.to_string().starts_with("document: "), "{}", error);
                }
            }
            let _ = (JobChange::read(text.as_bytes()), PipelineChange::read(text.as_bytes()));
        }

        #[test]
        fn json_says_the_same_in_both_readers(id in 1..i64::MAX, name in "[a-z]{1,8}", admin: Option<bool>) {
            let text = serde_json::json!({"users": [{"id": id, "username": name, "admin": admin}]}).to_string();
            let read = |format| format!("{:?}", sent_document("document", text.as_bytes(), format).unwrap());
            prop_assert_eq!(read(Format::Json), read(Format::Yaml));
        }
    }
}
