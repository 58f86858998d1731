"""Deletes one job's artifacts, then the project's, in every way that python-gitlab knows.

Usage: delete.py BASE_URL TOKEN PROJECT_PATH JOB_ID OTHER_JOB_ID

Both jobs have an archive. The project's deletion is only asked for: what it takes is gone when the
gateway has swept, so the caller looks at that.
"""

import sys

import gitlab
from expecting import expect
from gitlab.exceptions import GitlabAuthenticationError, GitlabCreateError, GitlabGetError


def main(base_url, token, project_path, job_id, other_job_id):
    def project_as(private_token):
        client = gitlab.Gitlab(base_url, private_token=private_token, timeout=60)
        return client.projects.get(project_path, lazy=True)

    project = project_as(token)
    job = project.jobs.get(int(job_id), lazy=True)
    other = project.jobs.get(int(other_job_id), lazy=True)
    stranger = project_as("no-such-token")
    expect(GitlabAuthenticationError, 401, stranger.jobs.get(int(job_id), lazy=True).delete_artifacts)
    expect(GitlabAuthenticationError, 401, stranger.artifacts.delete)
    assert job.artifacts(), "the refused calls deleted nothing"

    job.delete_artifacts()
    expect(GitlabGetError, 404, job.artifacts)
    expect(GitlabCreateError, 404, job.keep_artifacts)
    again = project.manager.gitlab.http_delete(f"{job.manager.path}/{job.encoded_id}/artifacts")
    assert (again.status_code, again.content) == (204, b""), again
    assert other.artifacts(), "another job's artifacts stay"
    print("job: 204")

    project.artifacts.delete()
    again = project.manager.gitlab.http_delete(f"/projects/{project.encoded_id}/artifacts")
    assert (again.status_code, again.json()) == (202, {"message": "202 Accepted"}), again
    print("project: 202")


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
