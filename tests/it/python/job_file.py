"""Reads one file of a job's artifacts, and lists the archive, with python-gitlab.

Usage: job_file.py BASE_URL TOKEN PROJECT_PATH JOB_ID PATH
"""

import io
import sys
import zipfile

import gitlab

base_url, token, project, job_id, path = sys.argv[1:]
job = gitlab.Gitlab(base_url, private_token=token).projects.get(project, lazy=True).jobs.get(job_id, lazy=True)
print(job.artifact(path).decode())
print(" ".join(sorted(zipfile.ZipFile(io.BytesIO(job.artifacts())).namelist())))
