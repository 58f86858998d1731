"""Downloads one job's artifacts in every way that python-gitlab knows.

Usage: download.py BASE_URL TOKEN PROJECT_PATH JOB_ID REF JOB_NAME OUT_DIR ENTRY_PATH...

The caller compares the files in OUT_DIR with the archive and what it holds. Project and job are lazy
objects, so no request is made but the downloads themselves.
"""

import sys
from pathlib import Path

import gitlab
from expecting import expect
from gitlab.exceptions import GitlabAuthenticationError, GitlabGetError


def create(path):
    """Opens a file for writing, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "wb")


def three_ways(download, out, name):
    """Downloads to NAME, streamed-NAME and iterator-NAME."""
    with create(out / name) as file:
        file.write(download())
    with create(out / f"streamed-{name}") as file:
        download(streamed=True, action=file.write)
    with create(out / f"iterator-{name}") as file:
        for chunk in download(iterator=True):
            file.write(chunk)


def main(base_url, token, project_path, job_id, ref, job_name, out_dir, *entries):
    out = Path(out_dir)

    def project_as(private_token):
        client = gitlab.Gitlab(base_url, private_token=private_token, timeout=60)
        return client.projects.get(project_path, lazy=True)

    project = project_as(token)
    job = project.jobs.get(int(job_id), lazy=True)
    artifacts = project.artifacts

    three_ways(job.artifacts, out, "by-id.zip")
    three_ways(lambda **how: artifacts.download(ref_name=ref, job=job_name, **how), out, "by-ref.zip")
    for entry in entries:
        three_ways(lambda **how: job.artifact(entry, **how), out, f"by-id/{entry}")
        three_ways(lambda **how: artifacts.raw(ref, entry, job_name, **how), out, f"by-ref/{entry}")

    missing = entries[0] + ".missing"
    expect(GitlabGetError, 404, lambda: job.artifact(missing))
    expect(GitlabGetError, 404, lambda: artifacts.raw(ref, missing, job_name))
    expect(GitlabGetError, 404, lambda: artifacts.download(ref, job_name + "?"))
    print("missing: 404")

    stranger = project_as("no-such-token")
    expect(GitlabAuthenticationError, 401, stranger.jobs.get(int(job_id), lazy=True).artifacts)
    expect(GitlabAuthenticationError, 401, lambda: stranger.artifacts.download(ref, job_name))
    print("unauthorized: 401")


if __name__ == "__main__":
    if len(sys.argv) < 9:
        sys.exit(__doc__)
    main(*sys.argv[1:])
