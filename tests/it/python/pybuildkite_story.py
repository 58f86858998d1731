"""Tells a story with pybuildkite: builds and artifacts, created, listed, canceled and repeated.

Usage: pybuildkite_story.py BASE_URL TOKEN ORGANIZATION PIPELINE
"""

import sys

from pybuildkite.buildkite import Buildkite, BuildState

base_url, token, organization, pipeline = sys.argv[1:]
buildkite = Buildkite()
buildkite.base_url = f"{base_url}/v2/"
buildkite.set_access_token(token)
builds, artifacts = buildkite.builds(), buildkite.artifacts()

print("builds:", [build["number"] for build in builds.list_all_for_pipeline(organization, pipeline)])
passed = builds.list_all_for_pipeline(organization, pipeline, states=[BuildState.PASSED, BuildState.FAILED])
print("passed:", [build["number"] for build in passed])
build = builds.get_build_by_number(organization, pipeline, 1, include_retried_jobs=True)
print("build:", build["state"], [job["name"] for job in build["jobs"]])

listed = artifacts.list_artifacts_for_build(organization, pipeline, 1)
print("artifacts:", [artifact["path"] for artifact in listed])
job = build["jobs"][0]["id"]
page = artifacts.list_artifacts_for_job(organization, pipeline, 1, job, with_pagination=True)
print("page:", len(page.body), page.next_page)
one = artifacts.get_artifact(organization, pipeline, 1, job, listed[0]["id"])
print("one:", one["sha1sum"], one["file_size"])
print("bytes:", artifacts.download_artifact(organization, pipeline, 1, job, listed[0]["id"]))
buildkite.client.delete(one["url"])
print("left:", [it["path"] for it in artifacts.list_artifacts_for_build(organization, pipeline, 1)])

created = builds.create_build(organization, pipeline, "HEAD", "main", message="Hello", meta_data={"a": True})
print("created:", created["number"], created["state"], created["meta_data"])
pages = builds.list_all_for_pipeline(organization, pipeline, with_pagination=True, page=0)
print("pages:", len(pages.body), pages.next_page)
print("canceled:", builds.cancel_build(organization, pipeline, created["number"])["state"])
again = builds.rebuild_build(organization, pipeline, created["number"])
print("again:", again["number"], again["rebuilt_from"]["number"])
print("everywhere:", len(builds.list_all()), len(builds.list_all_for_org(organization)))
