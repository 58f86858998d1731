//! Role: the rights of a member in a project, lowest to highest.

named! {
    /// A member's role. Ordered: a higher role has every right of a lower one.
    pub enum Role ("role") {
        /// Sees the project.
        Guest = "guest",
        /// Plans work; has a guest's rights on artifacts.
        Planner = "planner",
        /// Reads code and job results.
        Reporter = "reporter",
        /// Changes code.
        Developer = "developer",
        /// Administers the project's pipelines and artifacts.
        Maintainer = "maintainer",
        /// Owns the project.
        Owner = "owner",
    }
}
