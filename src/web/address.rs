//! Addresses of pages: GitLab's own, with every name encoded so that a link opens exactly what it names.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Escapes all but letters, digits and the marks that no part of a URL gives a meaning.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same in a path, whose slashes stay.
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// Encodes a path; its slashes stay.
pub(super) fn encoded(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// Encodes a value of a query.
pub(super) fn value(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The addresses of a project's pages.
#[derive(Debug, Clone)]
pub(super) struct Project {
    base: String,
}

impl Project {
    pub(super) fn new(root: &str, path: &str) -> Self {
        Self { base: format!("{root}/{}", encoded(path)) }
    }

    pub(super) fn home(&self) -> String {
        self.base.clone()
    }

    pub(super) fn pipelines(&self) -> String {
        format!("{}/-/pipelines", self.base)
    }

    pub(super) fn pipelines_of_ref(&self, name: &str) -> String {
        format!("{}/-/pipelines?ref={}", self.base, value(name))
    }

    pub(super) fn pipeline(&self, id: i64) -> String {
        format!("{}/-/pipelines/{id}", self.base)
    }

    /// A folder of the archive of the newest successful job of this name on a ref, whichever that is then; the path ends
    /// with a slash or is empty.
    pub(super) fn browse_newest(&self, ref_name: &str, job_name: &str, folder: &str) -> String {
        let (of_ref, path, job) = (encoded(ref_name), encoded(folder), value(job_name));
        format!("{}/-/jobs/artifacts/{of_ref}/browse/{path}?job={job}", self.base)
    }

    pub(super) fn branches(&self) -> String {
        format!("{}/-/branches", self.base)
    }

    pub(super) fn tags(&self) -> String {
        format!("{}/-/tags", self.base)
    }

    pub(super) fn artifacts(&self) -> String {
        format!("{}/-/artifacts", self.base)
    }

    pub(super) fn job(&self, id: i64) -> String {
        format!("{}/-/jobs/{id}", self.base)
    }

    /// The address of something of a job's artifacts, such as `browse`.
    fn of_job(&self, id: i64, what: &str) -> String {
        format!("{}/artifacts/{what}", self.job(id))
    }

    /// The addresses of what stands for a job's archive.
    pub(super) fn archive(&self, job_id: i64) -> Archive {
        Archive { project: self.clone(), job_id, artifact: None }
    }

    /// The addresses of one of several archives of a job.
    pub(super) fn named_archive(&self, job_id: i64, artifact_id: i64) -> Archive {
        Archive { project: self.clone(), job_id, artifact: Some(artifact_id) }
    }

    /// The page of a job's artifact that is no archive, by its kind.
    pub(super) fn view_kind(&self, job_id: i64, kind: &str) -> String {
        format!("{}?file_type={}", self.of_job(job_id, "view"), value(kind))
    }

    /// The bytes of a job's artifact by its kind.
    pub(super) fn download_kind(&self, job_id: i64, kind: &str) -> String {
        format!("{}?file_type={}", self.of_job(job_id, "download"), value(kind))
    }

    pub(super) fn keep(&self, job_id: i64) -> String {
        self.of_job(job_id, "keep")
    }

    pub(super) fn delete(&self, job_id: i64) -> String {
        self.of_job(job_id, "delete")
    }

    /// The page that compares a job's archive with the one of another job, which its query names.
    pub(super) fn compare(&self, job_id: i64) -> String {
        self.of_job(job_id, "compare")
    }

    pub(super) fn compare_with(&self, job_id: i64, other: i64) -> String {
        format!("{}/{other}", self.compare(job_id))
    }

    /// The page that compares a file of two jobs' archives by its lines.
    pub(super) fn compare_file(&self, job_id: i64, other: i64, path: &str) -> String {
        format!("{}/{}", self.compare_with(job_id, other), encoded(path))
    }

    pub(super) fn delete_some(&self) -> String {
        format!("{}/delete", self.artifacts())
    }
}

/// The addresses of an archive's pages.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    project: Project,
    job_id: i64,
    /// The ID of the artifact, if the job has several archives.
    artifact: Option<i64>,
}

impl Archive {
    fn page(&self, what: &str, path: &str) -> String {
        let address = format!("{}/{}", self.project.of_job(self.job_id, what), encoded(path));
        match self.artifact {
            Some(id) => format!("{address}?artifact={id}"),
            None => address,
        }
    }

    /// A folder; the path ends with a slash or is empty.
    pub(super) fn browse(&self, folder: &str) -> String {
        self.page("browse", folder)
    }

    /// The page of a file.
    pub(super) fn view(&self, path: &str) -> String {
        self.page("view", path)
    }

    /// Where a file, or the index of a folder, is shown as a report; the empty path is that of the front page.
    pub(super) fn report(&self, path: &str) -> String {
        self.page("report", path)
    }

    /// The bytes of a file, or of a folder's files if the path ends with a slash and a file's follows.
    pub(super) fn raw(&self, path: &str) -> String {
        match self.artifact {
            Some(id) => format!("{}/{id}/{}", self.project.of_job(self.job_id, "get"), encoded(path)),
            None => format!("{}/{}", self.project.of_job(self.job_id, "raw"), encoded(path)),
        }
    }

    /// The bytes of the archive.
    pub(super) fn download(&self) -> String {
        match self.artifact {
            Some(id) => format!("{}/{id}", self.project.of_job(self.job_id, "get")),
            None => self.project.of_job(self.job_id, "download"),
        }
    }

    /// A folder as a zip.
    pub(super) fn download_folder(&self, folder: &str) -> String {
        format!("{}?path={}", self.download(), value(folder))
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_stay_names() {
        let project = Project::new("/ci", "group/app");
        assert_eq!(
            project.archive(7).view("a?b#c%2F&.txt"),
            "/ci/group/app/-/jobs/7/artifacts/view/a%3Fb%23c%252F%26.txt"
        );
        let markup = project.archive(7).view("\"><img src=x onerror=alert(1)>.html");
        assert!(!markup.contains(['"', '<', '>', ' ', '(']), "{markup}");
        let named = project.named_archive(7, 3);
        assert_eq!(named.view("a b"), "/ci/group/app/-/jobs/7/artifacts/view/a%20b?artifact=3");
        assert_eq!(named.raw("d/e"), "/ci/group/app/-/jobs/7/artifacts/get/3/d/e");
        assert_eq!(
            project.archive(7).view("javascript:alert(1)"),
            "/ci/group/app/-/jobs/7/artifacts/view/javascript%3Aalert%281%29"
        );
    }

    proptest! {
        #[test]
        fn an_encoded_path_is_decoded_to_itself(path in ".{0,40}") {
            let encoded = encoded(&path);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~/%".contains(&b)));
            let decoded: Vec<u8> = percent_decode_str(&encoded).collect();
            prop_assert_eq!(decoded, path.into_bytes());
        }
    }
}
