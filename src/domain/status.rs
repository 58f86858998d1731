//! Status: the state of a pipeline or job, in the words that GitLab's API uses for both.

named! {
    /// The status of a pipeline or job.
    pub enum Status ("status") {
        /// Created, not yet considered for running.
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
        /// Finished successfully.
        Success = "success",
        /// Finished with a failure.
        Failed = "failed",
        /// Stopped before its end.
        Canceled = "canceled",
        /// Not run, because of an earlier result.
        Skipped = "skipped",
        /// Waits for a person to start it.
        Manual = "manual",
        /// Waits for a point in time.
        Scheduled = "scheduled",
    }
}

impl Status {
    /// The words of the statuses of which a condition is true.
    pub fn words(is_wanted: fn(Self) -> bool) -> impl Iterator<Item = &'static str> + Clone {
        Self::ALL.iter().filter(move |status| is_wanted(**status)).map(|status| status.as_str())
    }

    /// Whether a runner still works on it: only then its job token is valid.
    pub const fn is_executing(self) -> bool {
        matches!(self, Self::Running | Self::Canceling)
    }

    /// Whether it ran to its end and keeps this status: another attempt is another job. A skipped job did not
    /// run, and may still be started.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Canceled)
    }

    /// Whether the job may get a new token: it runs, or is the next to run.
    pub const fn awaits_token(self) -> bool {
        matches!(self, Self::Pending) || self.is_executing()
    }

    /// Whether it has ended, skipped ones included.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Canceled | Self::Skipped)
    }
}
