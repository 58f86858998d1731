//! Resources below the prefix, and their methods.

/// A resource of this dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resource {
    /// The OpenAPI document.
    Description,
    /// Registry documents.
    Documents,
    /// A job; its ID is still text, as an invalid one has an error of its own.
    Job(String),
    /// The environment of a running job.
    JobEnvironment(String),
    /// The token of a job.
    JobToken(String),
    /// A pipeline.
    Pipeline(String),
}

impl Resource {
    /// Returns the resource at a raw path.
    pub(super) fn at(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        match segments[..] {
            ["openapi.json"] => Some(Self::Description),
            ["v1", "documents"] => Some(Self::Documents),
            ["v1", "jobs", id] => Some(Self::Job(id.to_owned())),
            ["v1", "jobs", id, "environment"] => Some(Self::JobEnvironment(id.to_owned())),
            ["v1", "jobs", id, "token"] => Some(Self::JobToken(id.to_owned())),
            ["v1", "pipelines", id] => Some(Self::Pipeline(id.to_owned())),
            _ => None,
        }
    }

    /// Returns the template of its path.
    pub(super) const fn template(&self) -> &'static str {
        match self {
            Self::Description => "/api/registry/openapi.json",
            Self::Documents => "/api/registry/v1/documents",
            Self::Job(_) => "/api/registry/v1/jobs/:id",
            Self::JobEnvironment(_) => "/api/registry/v1/jobs/:id/environment",
            Self::JobToken(_) => "/api/registry/v1/jobs/:id/token",
            Self::Pipeline(_) => "/api/registry/v1/pipelines/:id",
        }
    }

    /// Returns the methods that the resource accepts.
    pub(super) const fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Description => &["GET", "HEAD"],
            Self::Documents => &["PUT"],
            Self::Job(_) | Self::Pipeline(_) => &["PATCH"],
            Self::JobToken(_) | Self::JobEnvironment(_) => &["POST"],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::api::registry::{OPENAPI, PREFIX};

    /// Returns one of each.
    fn all() -> [Resource; 6] {
        let id = || "{id}".to_owned();
        let all = [
            Resource::Description,
            Resource::Documents,
            Resource::Job(id()),
            Resource::JobToken(id()),
            Resource::JobEnvironment(id()),
            Resource::Pipeline(id()),
        ];
        // A new resource must be added here.
        match &all[0] {
            Resource::Description
            | Resource::Documents
            | Resource::Job(_)
            | Resource::JobToken(_)
            | Resource::JobEnvironment(_)
            | Resource::Pipeline(_) => all,
        }
    }

    #[test]
    fn the_description_has_every_operation_and_no_other() {
        let description: Value = serde_json::from_str(OPENAPI).unwrap();
        let mut described = Vec::new();
        for (path, item) in description["paths"].as_object().unwrap() {
            let below = path.strip_prefix(PREFIX).unwrap();
            let resource = Resource::at(below).unwrap_or_else(|| panic!("{path} is not routed"));
            let verbs = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
            let keys = item.as_object().unwrap().keys();
            let methods: BTreeSet<String> =
                keys.filter(|key| verbs.contains(&key.as_str())).map(|key| key.to_uppercase()).collect();
            let routed: BTreeSet<String> =
                resource.methods().iter().map(|method| (*method).to_owned()).collect();
            assert_eq!(methods, routed, "{path}");
            described.push(resource);
        }
        for resource in all() {
            assert!(described.contains(&resource), "{resource:?} is not described");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_something_or_nothing(path in "(/(v1|jobs|pipelines|token|documents|openapi.json|[a-z0-9%]{0,3})){0,6}") {
            if let Some(resource) = Resource::at(&path) {
                prop_assert!(!resource.methods().is_empty());
            }
        }
    }
}
