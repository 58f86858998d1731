"""Reads and deletes artifacts with PyGithub.

Usage: github_artifacts.py BASE_URL TOKEN OWNER/REPO RUN_ID
"""

import sys

from github import Auth, Github, UnknownObjectException

base_url, token, name, run_id = sys.argv[1:]
github = Github(base_url=f"{base_url}/api/v3", auth=Auth.Token(token), per_page=2)
repository = github.get_repo(name)
print(f"repository: {repository.id} {repository.full_name}")
artifacts = repository.get_artifacts()
print(f"all: {artifacts.totalCount} {' '.join(artifact.name for artifact in artifacts)}")
run = repository.get_workflow_run(int(run_id))
print(f"run: {' '.join(artifact.name for artifact in run.get_artifacts())}")
(artifact,) = repository.get_artifacts(name="bin")
assert repository.get_artifact(artifact.id).size_in_bytes == artifact.size_in_bytes
print(f"expires: {artifact.expires_at:%Y-%m-%d} expired: {artifact.expired}")
print(f"deleted: {artifact.delete()}")
try:
    repository.get_artifact(artifact.id)
except UnknownObjectException as error:
    print(f"missing: {error.status}")
