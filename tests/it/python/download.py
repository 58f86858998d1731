"""Downloads one job's artifacts in every way that python-gitlab knows.

Usage: download.py BASE_URL TOKEN PROJECT_PATH JOB_ID REF JOB_NAME ENTRY_PATH OUT_DIR

The caller compares the files in OUT_DIR with what the archive holds. Project and job are lazy
objects, so no request is made but the downloads themselves.
"""

import sys
from pathlib import Path

import gitlab
from gitlab.exceptions import GitlabAuthenticationError, GitlabGetError


def expect(error, status, call):
    """Asserts that `call` raises exactly `error` with the HTTP status `status`."""
    try:
        call()
    except gitlab.exceptions.GitlabError as raised:
        assert type(raised) is error, f"expected {error.__name__}, got {raised!r}"
        assert raised.response_code == status, f"expected {status}, got {raised!r}"
    else:
        raise AssertionError(f"expected {error.__name__}, got an answer")


def main(base_url, token, project_path, job_id, ref, job_name, entry, out_dir):
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)

    def project_as(private_token):
        client = gitlab.Gitlab(base_url, private_token=private_token, timeout=60)
        return client.projects.get(project_path, lazy=True)

    project = project_as(token)
    job = project.jobs.get(int(job_id), lazy=True)
    artifacts = project.artifacts

    (out / "by-id.zip").write_bytes(job.artifacts())
    with open(out / "by-id-streamed.zip", "wb") as file:
        job.artifacts(streamed=True, action=file.write)
    with open(out / "by-id-iterator.zip", "wb") as file:
        for chunk in job.artifacts(iterator=True):
            file.write(chunk)

    (out / "by-ref.zip").write_bytes(artifacts.download(ref_name=ref, job=job_name))
    with open(out / "by-ref-streamed.zip", "wb") as file:
        artifacts.download(ref_name=ref, job=job_name, streamed=True, action=file.write)

    (out / "entry-by-id").write_bytes(job.artifact(entry))
    (out / "entry-by-ref").write_bytes(artifacts.raw(ref, entry, job_name))
    with open(out / "entry-by-ref-streamed", "wb") as file:
        artifacts.raw(ref, entry, job_name, streamed=True, action=file.write)

    missing = entry + ".missing"
    expect(GitlabGetError, 404, lambda: job.artifact(missing))
    expect(GitlabGetError, 404, lambda: artifacts.raw(ref, missing, job_name))
    print("missing: 404")

    stranger = project_as("no-such-token")
    expect(GitlabAuthenticationError, 401, stranger.jobs.get(int(job_id), lazy=True).artifacts)
    expect(GitlabAuthenticationError, 401, lambda: stranger.artifacts.download(ref, job_name))
    print("unauthorized: 401")


if __name__ == "__main__":
    if len(sys.argv) != 9:
        sys.exit(__doc__)
    main(*sys.argv[1:])
