//! Artifact kind: the purpose of a job's artifact, and the form in which each kind is stored.

use super::artifact::ArtifactFormat;

named! {
    /// The purpose of an artifact. The names and the table of formats are GitLab's (`artifact_type`).
    pub enum ArtifactKind ("artifact type") {
        /// The files that a job uploads, as one archive.
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

impl ArtifactKind {
    /// Returns the format of an artifact of this kind; the CI server's table allows no other.
    pub const fn default_format(self) -> ArtifactFormat {
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

    /// Returns the file name of an artifact of this kind that was stored without one.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_format_of_the_ci_servers_table() {
        let of = |format| ArtifactKind::ALL.iter().filter(|k| k.default_format() == format).count();
        assert_eq!((of(ArtifactFormat::Zip), of(ArtifactFormat::Gzip), of(ArtifactFormat::Raw)), (2, 12, 18));
    }
}
