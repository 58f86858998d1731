"""Goes from a project's name to its newest artifacts, keeps and deletes them, with python-gitlab.

Usage: whole.py BASE_URL TOKEN PROJECT_PATH REF JOB_NAME OUT_DIR ENTRY_PATH

Prints what it found; the caller compares that, and the files in OUT_DIR with the archive.
"""

import sys
from pathlib import Path

import gitlab
from expecting import expect
from gitlab.exceptions import GitlabGetError


def main(base_url, token, project_path, ref, job_name, out_dir, entry):
    out = Path(out_dir)
    out.mkdir()
    client = gitlab.Gitlab(base_url, private_token=token, timeout=60)
    client.auth()
    assert client.version()[0] != "unknown"
    assert client.personal_access_tokens.get("self").user_id == client.user.id
    print("user:", client.user.username)

    name = project_path.split("/")[-1]
    by_search = client.projects.list(search=name, iterator=True)
    by_keyset = client.projects.list(pagination="keyset", order_by="id", per_page=1, get_all=True)
    project = client.projects.get(project_path)
    assert [found.id for found in by_search] == [project.id]
    assert project.id in [found.id for found in by_keyset]
    print("project:", project.id)

    jobs = project.jobs.list(per_page=1, get_all=True)
    assert jobs == project.jobs.list(pagination="keyset", order_by="id", sort="desc", per_page=2, get_all=True)
    print("jobs:", *(job.id for job in jobs))
    succeeded = project.jobs.list(scope=["success", "failed"], per_page=1, iterator=True)
    print("succeeded:", *(job.id for job in succeeded))

    pipeline = project.pipelines.latest(ref=ref)
    newest = project.pipelines.list(ref=ref, status="success", order_by="id", sort="desc", per_page=1, page=1)
    assert [found.id for found in newest] == [pipeline.id]
    assert project.pipelines.get(pipeline.id).attributes == pipeline.attributes
    print("pipeline:", pipeline.id)
    inside = pipeline.jobs.list(include_retried=True, get_all=True)
    assert pipeline.bridges.list(get_all=True) == []
    (job,) = [project.jobs.get(found.id) for found in inside if found.name == job_name]
    print("job:", job.id)

    (out / "by-id.zip").write_bytes(job.artifacts())
    (out / "by-ref.zip").write_bytes(project.artifacts.download(ref_name=ref, job=job_name))
    (out / "one").write_bytes(job.artifact(entry))
    job.keep_artifacts()
    job.refresh()
    print("kept until:", job.artifacts_expire_at)
    job.delete_artifacts()
    expect(GitlabGetError, 404, job.artifacts)
    job.refresh()
    assert not hasattr(job, "artifacts_file")
    print("deleted")


if __name__ == "__main__":
    if len(sys.argv) != 8:
        sys.exit(__doc__)
    main(*sys.argv[1:])
