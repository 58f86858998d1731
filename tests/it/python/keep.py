"""Keeps one job's artifacts and prints the job, as python-gitlab parsed it, as JSON.

Usage: keep.py BASE_URL TOKEN READ_ONLY_TOKEN PROJECT_PATH JOB_ID
"""

import json
import sys

import gitlab
from expecting import expect
from gitlab.exceptions import GitlabAuthenticationError, GitlabCreateError


def main(base_url, token, read_only_token, project_path, job_id):
    def client_as(private_token):
        return gitlab.Gitlab(base_url, private_token=private_token, timeout=60)

    def job_as(private_token):
        project = client_as(private_token).projects.get(project_path, lazy=True)
        return project.jobs.get(int(job_id), lazy=True)

    expect(GitlabAuthenticationError, 401, job_as("no-such-token").keep_artifacts)
    expect(GitlabCreateError, 403, job_as(read_only_token).keep_artifacts)
    job = job_as(token)
    job.keep_artifacts()
    # keep_artifacts drops the answer; the same request again shows it, and that it may be repeated.
    kept = client_as(token).http_post(f"{job.manager.path}/{job.encoded_id}/artifacts/keep")
    print(json.dumps(kept))


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
