//! Scopes: the rights of a personal token, one of them or a set.

use std::fmt;

named! {
    /// A right of a personal token. `api`, `read_api`, `registry`, `agent`, and those of builds have an effect
    /// here; the others exist for clients that request them by name.
    pub enum Scope ("scope") {
        /// Reads and changes.
        Api = "api",
        /// Reads.
        ReadApi = "read_api",
        /// Reads its own user.
        ReadUser = "read_user",
        /// Reads code.
        ReadRepository = "read_repository",
        /// Reads and changes code.
        WriteRepository = "write_repository",
        /// Reads container images.
        ReadRegistry = "read_registry",
        /// Reads and changes container images.
        WriteRegistry = "write_registry",
        /// Registers users, projects, pipelines and jobs.
        Registry = "registry",
        /// Reads artifacts, in the dialect of builds.
        ReadArtifacts = "read_artifacts",
        /// Deletes artifacts, in the dialect of builds.
        WriteArtifacts = "write_artifacts",
        /// Reads builds and jobs, in the dialect of builds.
        ReadBuilds = "read_builds",
        /// Creates and cancels builds, in the dialect of builds.
        WriteBuilds = "write_builds",
        /// Reads logs, in the dialect of builds.
        ReadBuildLogs = "read_build_logs",
        /// Reads pipelines, in the dialect of builds.
        ReadPipelines = "read_pipelines",
        /// Reads organizations, in the dialect of builds.
        ReadOrganizations = "read_organizations",
        /// Registers agents, which run the jobs of builds.
        Agent = "agent",
    }
}

/// A set of scopes: those of a token, or those of which one is required.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u32);

impl Scopes {
    /// Every scope.
    pub const ALL: Self = Self::of(Scope::ALL);

    /// Scopes of which a token needs one to read artifacts, jobs, pipelines and projects.
    pub const READ: Self = Self::of(&[Scope::Api, Scope::ReadApi]);

    /// Scope that a token needs to change something.
    pub const WRITE: Self = Self::of(&[Scope::Api]);

    /// Scopes of which a token needs one to read its own user.
    pub const READ_USER: Self = Self::of(&[Scope::Api, Scope::ReadApi, Scope::ReadUser]);

    /// Scope that a token needs to change the registry.
    pub const REGISTRY: Self = Self::of(&[Scope::Registry]);

    /// Scope that a token needs to register agents.
    pub const AGENT: Self = Self::of(&[Scope::Agent]);

    /// Scopes that an upstream gives: those of its own API.
    pub const OF_UPSTREAM: Self = Self::of(&[
        Scope::Api,
        Scope::ReadApi,
        Scope::ReadUser,
        Scope::ReadRepository,
        Scope::WriteRepository,
        Scope::ReadRegistry,
        Scope::WriteRegistry,
    ]);

    /// Scopes that only the dialect of builds knows. A token that has one of them has no other right there.
    pub const OF_BUILDS: Self = Self::of(&[
        Scope::ReadArtifacts,
        Scope::WriteArtifacts,
        Scope::ReadBuilds,
        Scope::WriteBuilds,
        Scope::ReadBuildLogs,
        Scope::ReadPipelines,
        Scope::ReadOrganizations,
    ]);

    /// Returns the scopes of which a token needs one to read what `scope` names, in the dialect of builds.
    pub const fn to_read(scope: Scope) -> Self {
        Self::of(&[Scope::Api, Scope::ReadApi, scope])
    }

    /// Returns the scopes of which a token needs one to change what `scope` names, in the dialect of builds.
    pub const fn to_write(scope: Scope) -> Self {
        Self::of(&[Scope::Api, scope])
    }

    /// Whether a token with these scopes has one of `needed`.
    pub const fn admit(self, needed: Self) -> bool {
        let of_builds = Self::OF_BUILDS;
        if needed.intersects(of_builds) && self.intersects(of_builds) {
            return self.0 & needed.0 & of_builds.0 != 0;
        }
        self.intersects(needed)
    }

    /// Returns the set of these scopes.
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut next) = (0, 0);
        while next < scopes.len() {
            bits |= 1 << scopes[next] as u16;
            next += 1;
        }
        Self(bits)
    }

    /// Parses scopes separated by spaces, as the catalog stores them. An unknown word, perhaps of a later
    /// release, is ignored.
    pub fn parse_known(text: &str) -> Self {
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    /// Whether both sets have a scope in common.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the scopes, in their order of declaration.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.intersects(Self::of(&[*scope])))
    }

    /// Returns the names of the scopes with `separator` between them.
    pub fn join(self, separator: &str) -> String {
        self.iter().map(Scope::as_str).collect::<Vec<_>>().join(separator)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | Self::of(&[scope]).0))
    }
}

/// As the catalog stores them: separated by spaces.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_that_are_no_scopes_open_nothing() {
        assert_eq!(Scopes::parse_known("root  admin api_read"), Scopes::default());
        assert!(!Scopes::parse_known("").intersects(Scopes::ALL));
        assert_eq!(Scopes::parse_known("read_api sudo api"), Scopes::READ);
        assert_eq!(Scopes::READ.join(" or "), "api or read_api");
        assert!(!Scopes::REGISTRY.intersects(Scopes::READ_USER));
    }

    #[test]
    fn scopes_of_builds_count_alone_in_their_dialect() {
        let token = Scopes::parse_known("api read_artifacts");
        assert!(token.admit(Scopes::to_read(Scope::ReadArtifacts)) && token.admit(Scopes::WRITE));
        assert!(!token.admit(Scopes::to_read(Scope::ReadBuilds)));
        assert!(!token.admit(Scopes::to_write(Scope::WriteArtifacts)));
        assert!(Scopes::WRITE.admit(Scopes::to_write(Scope::WriteBuilds)));
        let reader = Scopes::of(&[Scope::ReadApi]);
        assert!(reader.admit(Scopes::to_read(Scope::ReadBuilds)));
        assert!(!reader.admit(Scopes::to_write(Scope::WriteBuilds)));
    }

    proptest! {
        #[test]
        fn a_set_is_read_as_it_is_written(bits in 0u32..1 << Scope::ALL.len()) {
            let scopes: Scopes = Scope::ALL.iter().copied().filter(|s| bits >> *s as u16 & 1 == 1).collect();
            prop_assert_eq!(Scopes::parse_known(&scopes.to_string()), scopes);
            prop_assert_eq!(scopes.iter().count(), bits.count_ones() as usize);
        }
    }
}
