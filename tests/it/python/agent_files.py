"""Fetches what an agent uploaded, with pybuildkite and with python-gitlab.

Usage: agent_files.py BASE_URL TOKEN ORGANIZATION PIPELINE BUILD JOB_ID

Prints each file with its size, and whether its SHA-1 is that of its bytes.
"""

import hashlib
import io
import sys
import zipfile

import gitlab
from pybuildkite.buildkite import Buildkite

base_url, token, organization, pipeline, build, job_id = sys.argv[1:]
buildkite = Buildkite()
buildkite.base_url = f"{base_url}/v2/"
buildkite.set_access_token(token)
artifacts = buildkite.artifacts()
for listed in artifacts.list_artifacts_for_build(organization, pipeline, build):
    place = (organization, pipeline, build, listed["job_id"], listed["id"])
    one = artifacts.get_artifact(*place)
    content = artifacts.download_artifact(*place)
    is_same = one["sha1sum"] == listed["sha1sum"] == hashlib.sha1(content).hexdigest()
    print("buildkite:", one["path"], one["state"], one["file_size"] == len(content), is_same)

client = gitlab.Gitlab(base_url, private_token=token, timeout=60)
job = client.projects.get(f"{organization}/{pipeline}").jobs.get(job_id)
with zipfile.ZipFile(io.BytesIO(job.artifacts())) as archive:
    for name in archive.namelist():
        print("gitlab:", name, len(archive.read(name)), job.artifact(name) == archive.read(name))
