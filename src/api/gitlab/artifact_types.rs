//! Artifact types of GitLab: which of them a job may upload and a client may download.

use crate::domain::artifact::ArtifactKind;
use crate::ingest::Validator;

use super::dotenv;

/// Whether a job may upload an artifact of this type; the CI server makes the others itself.
pub(super) const fn can_be_uploaded(kind: ArtifactKind) -> bool {
    !matches!(kind, ArtifactKind::Metadata | ArtifactKind::Trace)
}

/// Whether `file_type` of a download may be this type: any that can be uploaded.
pub(super) const fn can_be_fetched(kind: ArtifactKind) -> bool {
    can_be_uploaded(kind)
}

/// Returns the check that an upload of this type must pass.
pub(super) const fn validator(kind: ArtifactKind) -> Option<Validator> {
    match kind {
        ArtifactKind::Dotenv => Some(dotenv::VALIDATOR),
        _ => None,
    }
}
