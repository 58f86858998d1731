//! The life of a pipeline or job, in the words that GitLab's API uses for both.

named! {
    /// Where a pipeline or job stands.
    pub enum Status ("status") {
        /// Known, not yet considered for running.
        Created = "created",
        /// Waits for a lock that another job holds.
        WaitingForResource = "waiting_for_resource",
        /// Its environment is being prepared.
        Preparing = "preparing",
        /// Waits for an outside system to call back.
        WaitingForCallback = "waiting_for_callback",
        /// Waits for a runner.
        Pending = "pending",
        /// A runner works on it.
        Running = "running",
        /// Asked to stop, still running its clean-up.
        Canceling = "canceling",
        /// Finished well.
        Success = "success",
        /// Finished badly.
        Failed = "failed",
        /// Stopped by somebody.
        Canceled = "canceled",
        /// Not run, because of an earlier result.
        Skipped = "skipped",
        /// Waits for a person.
        Manual = "manual",
        /// Waits for a point in time.
        Scheduled = "scheduled",
    }
}

impl Status {
    /// Whether a runner still works on it: the only time in which its job token is good.
    pub const fn is_executing(self) -> bool {
        matches!(self, Self::Running | Self::Canceling)
    }

    /// Whether it ran to its end: a job stays there, as another attempt is another job. One that was
    /// skipped did not run, and may still be taken up.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Canceled)
    }

    /// Whether its job may have a new token: it runs, or is the next to run.
    pub const fn awaits_token(self) -> bool {
        matches!(self, Self::Pending) || self.is_executing()
    }

    /// Whether it has come to its end.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Canceled | Self::Skipped)
    }
}
