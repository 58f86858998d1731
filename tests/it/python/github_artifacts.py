"""Reads and deletes artifacts with PyGithub; then what has expired.

Usage: github_artifacts.py BASE_URL TOKEN OWNER/REPO RUN_ID OUT_FILE [expired]
"""

import hashlib
import pathlib
import sys

import requests
from github import Auth, Github, UnknownObjectException

base_url, token, name, run_id, out, *expired = sys.argv[1:]
github = Github(base_url=f"{base_url}/api/v3", auth=Auth.Token(token), per_page=2)
repository = github.get_repo(name)


def ask(artifact):
    """PyGithub has no call for the bytes: its users ask with the library that it asks with."""
    return requests.get(artifact.archive_download_url, headers={"Authorization": f"token {token}"})


if expired:
    for artifact in repository.get_workflow_run(int(run_id)).get_artifacts():
        print(f"{artifact.name}: expired: {repository.get_artifact(artifact.id).expired}")
        refused = ask(artifact)
        print(f"download: {refused.status_code} {refused.json()['message']}")
        print(f"deleted: {artifact.delete()}")
    print(f"left: {repository.get_workflow_run(int(run_id)).get_artifacts().totalCount}")
    sys.exit()

print(f"repository: {repository.id} {repository.full_name}")
artifacts = repository.get_artifacts()
print(f"all: {artifacts.totalCount} {' '.join(artifact.name for artifact in artifacts)}")
run = repository.get_workflow_run(int(run_id))
print(f"run: {' '.join(artifact.name for artifact in run.get_artifacts())}")
(artifact,) = repository.get_artifacts(name="bin")
one = repository.get_artifact(artifact.id)
assert (one.raw_data, one.size_in_bytes) == (artifact.raw_data, artifact.size_in_bytes)
content = ask(one).content
pathlib.Path(out).write_bytes(content)
print(f"size: {len(content) == one.size_in_bytes}, digest: {one.digest == 'sha256:' + hashlib.sha256(content).hexdigest()}")
print(f"expires: {artifact.expires_at:%Y-%m-%d} expired: {artifact.expired}")
print(f"deleted: {artifact.delete()}")
try:
    repository.get_artifact(artifact.id)
except UnknownObjectException as error:
    print(f"missing: {error.status}")
