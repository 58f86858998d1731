//! What kinds of artifact there are, in which form each comes, and who may read one.

named! {
    /// What an artifact is for. The names and the table of forms are GitLab's (`artifact_type`).
    pub enum ArtifactKind ("artifact type") {
        /// The files that a job hands over, as one archive.
        Archive = "archive",
        /// A listing of an archive, made by GitLab's proxy; loaded, never uploaded.
        Metadata = "metadata",
        /// The job's log; loaded, never uploaded.
        Trace = "trace",
        /// Test results.
        Junit = "junit",
        /// Static analysis findings.
        Sast = "sast",
        /// Dependency scan.
        DependencyScanning = "dependency_scanning",
        /// Container scan.
        ContainerScanning = "container_scanning",
        /// Dynamic analysis findings.
        Dast = "dast",
        /// Code quality findings.
        Codequality = "codequality",
        /// Browser performance, old name.
        Performance = "performance",
        /// Metrics for people.
        Metrics = "metrics",
        /// Metrics of a runner.
        MetricsReferee = "metrics_referee",
        /// Network use of a runner.
        NetworkReferee = "network_referee",
        /// Code navigation index.
        Lsif = "lsif",
        /// Variables for later jobs.
        Dotenv = "dotenv",
        /// Coverage.
        Cobertura = "cobertura",
        /// A Terraform plan.
        Terraform = "terraform",
        /// Accessibility findings.
        Accessibility = "accessibility",
        /// Installed cluster applications.
        ClusterApplications = "cluster_applications",
        /// Secrets found.
        SecretDetection = "secret_detection",
        /// Requirements met.
        Requirements = "requirements",
        /// Fuzzing results.
        CoverageFuzzing = "coverage_fuzzing",
        /// Browser performance.
        BrowserPerformance = "browser_performance",
        /// Load test results.
        LoadPerformance = "load_performance",
        /// API fuzzing results.
        ApiFuzzing = "api_fuzzing",
        /// Cluster image scan.
        ClusterImageScanning = "cluster_image_scanning",
        /// Bill of materials.
        Cyclonedx = "cyclonedx",
        /// Requirements met, second form.
        RequirementsV2 = "requirements_v2",
        /// Notes shown beside a job.
        Annotations = "annotations",
        /// Libraries found in a repository.
        RepositoryXray = "repository_xray",
        /// Coverage of Java code.
        Jacoco = "jacoco",
        /// Licences found.
        LicenseScanning = "license_scanning",
    }
}

named! {
    /// How an artifact's bytes are packed.
    pub enum ArtifactFormat ("artifact format") {
        /// As they are.
        Raw = "raw",
        /// A zip archive.
        Zip = "zip",
        /// A gzip stream of one or more members.
        Gzip = "gzip",
    }
}

impl ArtifactKind {
    /// The one format that this kind may have.
    pub const fn format(self) -> ArtifactFormat {
        match self {
            Self::Archive | Self::Lsif => ArtifactFormat::Zip,
            Self::Metadata
            | Self::Junit
            | Self::Metrics
            | Self::MetricsReferee
            | Self::NetworkReferee
            | Self::Dotenv
            | Self::Cobertura
            | Self::ClusterApplications
            | Self::Cyclonedx
            | Self::Annotations
            | Self::RepositoryXray
            | Self::Jacoco => ArtifactFormat::Gzip,
            _ => ArtifactFormat::Raw,
        }
    }

    /// Whether an artifact of this kind makes its job a candidate of a lookup by ref.
    pub const fn is_downloadable(self) -> bool {
        !matches!(
            self,
            Self::Metadata
                | Self::Trace
                | Self::MetricsReferee
                | Self::NetworkReferee
                | Self::Terraform
                | Self::ClusterApplications
                | Self::CoverageFuzzing
                | Self::Annotations
                | Self::RepositoryXray
        )
    }

    /// Whether a job may upload one; the others are made by the CI server itself.
    pub const fn is_uploadable(self) -> bool {
        !matches!(self, Self::Metadata | Self::Trace)
    }

    /// The file name when the uploader gave none.
    pub const fn default_filename(self) -> &'static str {
        match self {
            Self::Archive => "artifacts.zip",
            Self::Metadata => "metadata.gz",
            Self::Trace => "job.log",
            Self::Junit => "junit.xml",
            Self::Sast => "gl-sast-report.json",
            Self::DependencyScanning => "gl-dependency-scanning-report.json",
            Self::ContainerScanning => "gl-container-scanning-report.json",
            Self::Dast => "gl-dast-report.json",
            Self::Codequality => "gl-code-quality-report.json",
            Self::Performance => "performance.json",
            Self::Metrics => "metrics.txt",
            Self::MetricsReferee => "metrics_referee.gz",
            Self::NetworkReferee => "network_referee.gz",
            Self::Lsif => "lsif.json",
            Self::Dotenv => ".env",
            Self::Cobertura => "cobertura-coverage.xml",
            Self::Terraform => "tfplan.json",
            Self::Accessibility => "gl-accessibility.json",
            Self::ClusterApplications => "gl-cluster-applications.json",
            Self::SecretDetection => "gl-secret-detection-report.json",
            Self::Requirements => "requirements.json",
            Self::CoverageFuzzing => "gl-coverage-fuzzing.json",
            Self::BrowserPerformance => "browser-performance.json",
            Self::LoadPerformance => "load-performance.json",
            Self::ApiFuzzing => "gl-api-fuzzing-report.json",
            Self::ClusterImageScanning => "gl-cluster-image-scanning-report.json",
            Self::Cyclonedx => "gl-sbom.cdx.json",
            Self::RequirementsV2 => "requirements_v2.json",
            Self::Annotations => "gl-annotations.json",
            Self::RepositoryXray => "gl-repository-xray.json",
            Self::Jacoco => "jacoco-coverage.xml",
            Self::LicenseScanning => "gl-license-scanning-report.json",
        }
    }
}

named! {
    /// Who may read an artifact, among those who may read its job.
    pub enum Accessibility ("accessibility") {
        /// All of them.
        Public = "public",
        /// Developers and up.
        Private = "private",
        /// Maintainers and up.
        Maintainer = "maintainer",
        /// Nobody; only jobs that the project lets in, through the runner's download.
        None = "none",
    }
}

named! {
    /// Where an artifact stands. Rows that are gone stay as tombstones until their bytes are.
    pub enum ArtifactState ("artifact state") {
        /// Declared, its bytes still on the way.
        New = "new",
        /// Whole and readable.
        Finished = "finished",
        /// Its upload failed.
        Error = "error",
        /// Gone by expiry; its bytes wait to be removed.
        Expired = "expired",
        /// Gone by request or replacement; its bytes wait to be removed.
        Deleted = "deleted",
    }
}

/// The longest file name kept, in bytes: what common file systems allow.
pub const MAX_FILENAME_BYTES: usize = 255;

/// Makes a name from outside fit to be a file name in a header: its last segment, without control
/// characters, at most [`MAX_FILENAME_BYTES`] long. `None` when nothing is left.
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
    fn every_kind_has_the_format_of_gitlabs_table() {
        let of = |format| ArtifactKind::ALL.iter().filter(|k| k.format() == format).count();
        assert_eq!((of(ArtifactFormat::Zip), of(ArtifactFormat::Gzip), of(ArtifactFormat::Raw)), (2, 12, 18));
        assert_eq!(ArtifactKind::ALL.iter().filter(|k| !k.is_downloadable()).count(), 9);
    }
}
