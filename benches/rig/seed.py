"""Fills a catalog with many jobs by bulk SQL, and the store with what is asked for."""

import os
import sqlite3
import subprocess
from pathlib import Path

from .machine import find
from .servers import load, registry

JOBS_A_PIPELINE = 10
REFS = 1000
FIRST = 1_000_000

# %(numbers)s: the numbers from 0 on, as table `numbers` with column n, so many as its second word says.
STATEMENTS = """
WITH %(pipelines)s INSERT INTO pipelines
    (id, uuid, project_id, iid, ref, tag, sha, status, source, root_id, depth, created_at, updated_at)
    SELECT 1000000 + n, %(uuid)s, 1, 1000000 + n, 'ref-' || (n %% 1000), %(false)s, 'abc', 'success', 'push',
        1000000 + n, 0, 0, 0 FROM numbers;
WITH %(jobs)s INSERT INTO jobs
    (id, uuid, project_id, pipeline_id, name, stage, status, allow_failure, retried, created_at)
    SELECT 1000000 + n, %(uuid)s, 1, 1000000 + n / 10, 'job-' || (n %% 10), 'test', 'success', %(false)s, %(false)s, 0
    FROM numbers;
WITH %(jobs)s INSERT INTO artifacts
    (uuid, project_id, job_id, name, kind, format, filename, accessibility, state, size_bytes, sha256,
     store_key, created_at, updated_at, shown_name)
    SELECT %(uuid)s, 1, 1000000 + n, 'archive', 'archive', 'zip', 'artifacts.zip', 'public', 'finished', %(size)s,
        %(digest)s, %(key)s, 0, 0, 'job-' || (n %% 10) FROM numbers;
"""

SQLITE = {
    "numbers": "RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {})",
    "uuid": "randomblob(16)", "false": "0", "digest": "zeroblob(32)",
    "key": "printf('%02x/%02x%030x', n % 256, n % 256, n)",
}
POSTGRES = {
    "numbers": "numbers(n) AS (SELECT generate_series(0, {} - 1))",
    "uuid": "uuid_send(gen_random_uuid())", "false": "false", "digest": "decode(repeat('00', 32), 'hex')",
    "key": "lpad(to_hex(n % 256), 2, '0') || '/' || lpad(to_hex(n % 256), 2, '0') || lpad(to_hex(n), 30, '0')",
}


def key(n: int) -> str:
    """The store key of job n, as the statements make it."""
    return f"{n % 256:02x}/{n % 256:02x}{n:030x}"


def seed(program: Path, home: Path, settings: dict[str, str], jobs: int, archive: Path) -> None:
    """So many jobs, ten a pipeline, over a thousand refs; the newest pipeline of each ref has real archives."""
    load(program, home, registry({}), settings)
    url = settings.get("ARTIGATE_DATABASE__URL")
    dialect = POSTGRES if url else SQLITE
    numbers = dialect["numbers"]
    statements = STATEMENTS % {
        **dialect, "size": archive.stat().st_size,
        "pipelines": numbers.format(jobs // JOBS_A_PIPELINE), "jobs": numbers.format(jobs),
    }
    if url:
        psql = [find("psql"), "-q", "-v", "ON_ERROR_STOP=1", url]
        subprocess.run(psql, input=f"{statements} VACUUM (ANALYZE); CHECKPOINT;", text=True, check=True)
    else:
        database = sqlite3.connect(home / "artigate-data/artigate.db")
        database.executescript(f"BEGIN; {statements} COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")
        database.close()
    blobs = home / "artigate-data/blobs"
    first_blob = blobs / "blob"
    first_blob.write_bytes(archive.read_bytes())
    pipelines = jobs // JOBS_A_PIPELINE
    for n in range(max(0, pipelines - REFS) * JOBS_A_PIPELINE, jobs):
        os.link(first_blob, blobs / key(n))
