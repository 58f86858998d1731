"""The catalog of a large instance in bulk SQL: by default 1,000,000 jobs in 100,000 pipelines over 1,000 refs of one
project, with 1,000,000 artifacts, and 1,000,000 builds of another."""

from dataclasses import dataclass

REFS, USERS = 1_000, 50
RUN_ARTIFACTS = 1_000
START_MS, STEP_MS = 1_700_000_000_000, 60_000
FIRST_BUILD, FIRST_JOB = 10_000_000, 20_000_000


@dataclass(frozen=True)
class Size:
    """How many jobs there are, and as many builds; at least 20,000."""

    jobs: int

    @property
    def pipelines(self) -> int:
        return self.jobs // 10

    @property
    def of_jobs(self) -> int:
        """The pipeline that has 1,000 artifacts in as many jobs."""
        return self.pipelines + 1

    @property
    def of_one_job(self) -> int:
        """The pipeline that has 1,000 artifacts in one job."""
        return self.pipelines + 2


@dataclass(frozen=True)
class Dialect:
    """How a database writes what the two write differently."""

    numbers: str
    uuid: str
    digest: str
    commit: str

    def series(self, count: int) -> str:
        """A table of the numbers from 1 on, in a column `n`."""
        return self.numbers.format(count=count)

    def sha(self, n: str) -> str:
        """The ID of a commit by its number."""
        return self.commit.format(n=n)


SQLITE = Dialect(
    numbers="(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s)",
    uuid="randomblob(16)",
    digest="randomblob(32)",
    commit="printf('%040x', {n} * 2654435761)",
)
POSTGRES = Dialect(
    numbers="generate_series(1::bigint, {count}) AS s(n)",
    uuid="uuid_send(gen_random_uuid())",
    digest="sha256(n::text::bytea)",
    commit="lpad(to_hex({n} * 2654435761), 40, '0')",
)


def runs(dialect: Dialect, size: Size) -> str:
    """The pipelines of project 1, of which a tenth are children of the one before it on the same ref, and their jobs
    and artifacts: a fifth of the jobs has an archive that has expired, another fifth one that has not, another three
    that GitHub's toolkit uploaded. Two more pipelines have 1,000 artifacts each."""
    series, sha, uuid, digest = dialect.series, dialect.sha, dialect.uuid, dialect.digest
    return f"""
INSERT INTO users (id, uuid, username, name, email, admin, created_at)
  SELECT n + 10, {uuid}, 'user-' || n, 'User ' || n, NULL, FALSE, {START_MS} FROM {series(USERS)};
INSERT INTO commits (project_id, sha, title, message, author_name, author_email, created_at)
  SELECT 1, {sha("n")}, 'Commit ' || n, 'Commit ' || n || '.', 'Somebody', 'somebody@example.com', {START_MS} + n * {STEP_MS}
  FROM {series(size.pipelines // 2)};
INSERT INTO pipelines (id, uuid, project_id, iid, ref, tag, sha, status, source, parent_id, root_id, depth, user_id,
    created_at, updated_at, started_at, finished_at)
  SELECT n, {uuid}, 1, n, 'branch-' || ((n - CASE WHEN n % 10 = 0 THEN 1 ELSE 0 END) / 7 % {REFS}), FALSE, {sha("((n + 1) / 2)")},
    CASE WHEN n > {size.pipelines - 20} THEN 'running' WHEN n % 13 = 0 THEN 'failed' WHEN n % 29 = 0 THEN 'canceled' ELSE 'success' END,
    CASE WHEN n % 10 = 0 THEN 'parent_pipeline' WHEN n % 17 = 0 THEN 'schedule' WHEN n % 3 = 0 THEN 'merge_request_event' ELSE 'push' END,
    CASE WHEN n % 10 = 0 THEN n - 1 END, n - CASE WHEN n % 10 = 0 THEN 1 ELSE 0 END, CASE WHEN n % 10 = 0 THEN 1 ELSE 0 END,
    11 + n % {USERS}, {START_MS} + n * {STEP_MS}, {START_MS} + n * {STEP_MS} + n * 7919 % 600000,
    {START_MS} + n * {STEP_MS} + 2000, {START_MS} + n * {STEP_MS} + 500000
  FROM {series(size.pipelines)};
INSERT INTO jobs (id, uuid, project_id, pipeline_id, name, stage, status, allow_failure, retried, user_id, token_sha256,
    coverage, failure_reason, created_at, started_at, finished_at, erased_at)
  SELECT n, {uuid}, 1, (n + 9) / 10, 'job ' || (n % 10), 'test',
    CASE WHEN n > {size.jobs - 40} THEN 'running' WHEN n % 17 = 0 THEN 'failed' WHEN n % 31 = 0 THEN 'canceled'
      WHEN n % 41 = 0 THEN 'skipped' WHEN n % 1009 = 0 THEN 'manual' ELSE 'success' END,
    FALSE, n % 53 = 0, 11 + n % {USERS}, NULL, CASE WHEN n % 10 = 3 THEN 91.5 END, CASE WHEN n % 17 = 0 THEN 'script_failure' END,
    {START_MS} + n * 6000, {START_MS} + n * 6000 + 1000, {START_MS} + n * 6000 + 90000, NULL
  FROM {series(size.jobs)};
INSERT INTO artifacts (uuid, project_id, job_id, name, kind, format, filename, accessibility, state, size_bytes, sha256,
    store_key, created_at, updated_at, expire_at, remove_after, shown_name)
  SELECT {uuid}, 1, n, 'archive', 'archive', 'zip', 'artifacts.zip', 'public', 'finished', 1000 + n, {digest},
    'bench/' || n, {START_MS} + n * 6000, {START_MS} + n * 6000, CASE WHEN n % 5 = 1 THEN {START_MS} + n * 6000 + 1000 END, NULL,
    'job ' || (n % 10)
  FROM {series(size.jobs)} WHERE n % 5 IN (1, 2);
INSERT INTO artifacts (uuid, project_id, job_id, name, kind, format, filename, accessibility, state, size_bytes, sha256,
    store_key, created_at, updated_at, expire_at, remove_after, shown_name)
  SELECT {uuid}, 1, n / 3 * 5 + 5, 'named/part-' || (n % 3), 'archive', 'zip', 'part.zip', 'public', 'finished', 1000 + n,
    {digest}, 'bench/part/' || n, {START_MS} + n * 6000, {START_MS} + n * 6000, NULL, NULL,
    'part-' || (n % 3)
  FROM {series(size.jobs)} WHERE n < {size.jobs // 5 * 3};
INSERT INTO pipelines (id, uuid, project_id, iid, ref, tag, sha, status, source, parent_id, root_id, depth, user_id,
    created_at, updated_at, started_at, finished_at)
  SELECT {size.pipelines} + n, {uuid}, 1, {size.pipelines} + n, 'branch-0', FALSE, {sha("n")}, 'success', 'push', NULL, {size.pipelines} + n, 0, 11,
    {START_MS}, {START_MS}, {START_MS}, {START_MS}
  FROM {series(USERS)} WHERE n <= 2;
INSERT INTO jobs (id, uuid, project_id, pipeline_id, name, stage, status, allow_failure, retried, user_id, created_at)
  SELECT {size.jobs} + n, {uuid}, 1, CASE WHEN n <= {RUN_ARTIFACTS} THEN {size.of_jobs} ELSE {size.of_one_job} END, 'part: [' || n || ']',
    'test', 'success', FALSE, FALSE, 11, {START_MS}
  FROM {series(size.pipelines)} WHERE n <= {RUN_ARTIFACTS + 1};
INSERT INTO artifacts (uuid, project_id, job_id, name, kind, format, filename, accessibility, state, size_bytes, sha256,
    store_key, created_at, updated_at, expire_at, remove_after, shown_name)
  SELECT {uuid}, 1, {size.jobs} + CASE WHEN n <= {RUN_ARTIFACTS} THEN n ELSE {RUN_ARTIFACTS + 1} END,
    CASE WHEN n <= {RUN_ARTIFACTS} THEN 'archive' ELSE 'named/part-' || (n - {RUN_ARTIFACTS}) END, 'archive', 'zip',
    'artifacts.zip', 'public', 'finished', 1000 + n, {digest}, 'bench/run/' || n, {START_MS}, {START_MS}, NULL, NULL,
    CASE WHEN n <= {RUN_ARTIFACTS} THEN 'part- [' || n || ']' ELSE 'part-' || (n - {RUN_ARTIFACTS}) END
  FROM {series(size.pipelines)} WHERE n <= {RUN_ARTIFACTS * 2};
"""


def builds(dialect: Dialect, size: Size) -> str:
    """The builds of project 2, of one job each, with meta-data."""
    series, sha, uuid = dialect.series, dialect.sha, dialect.uuid
    return f"""
INSERT INTO pipelines (id, uuid, project_id, iid, ref, tag, sha, status, source, parent_id, root_id, depth, user_id,
    created_at, updated_at, started_at, finished_at)
  SELECT {FIRST_BUILD} + n, {uuid}, 2, n,
    CASE WHEN n % 2 = 0 THEN 'main' WHEN n < 20000 THEN 'old' ELSE 'branch-' || (n / 7 % {REFS}) END, FALSE, {sha("((n + 1) / 2)")},
    CASE WHEN n > {size.jobs - 20} THEN 'running' WHEN n % 100003 = 0 THEN 'manual' WHEN n % 50021 = 0 THEN 'pending'
      WHEN n % 13 = 0 THEN 'failed' WHEN n % 29 = 0 THEN 'canceled' WHEN n % 997 = 0 THEN 'skipped' ELSE 'success' END,
    'api', NULL, {FIRST_BUILD} + n, 0, 11 + n % {USERS}, {START_MS} + n * {STEP_MS}, {START_MS} + n * {STEP_MS},
    {START_MS} + n * {STEP_MS} + 2000, CASE WHEN n <= {size.jobs - 20} THEN {START_MS} + n * {STEP_MS} + 500000 END
  FROM {series(size.jobs)};
INSERT INTO jobs (id, uuid, project_id, pipeline_id, name, stage, status, allow_failure, retried, user_id, created_at,
    started_at, finished_at)
  SELECT {FIRST_JOB} + n, {uuid}, 2, {FIRST_BUILD} + n, 'job', 'test', CASE WHEN n % 13 = 0 THEN 'failed' ELSE 'success' END,
    FALSE, FALSE, 11, {START_MS} + n * {STEP_MS}, {START_MS} + n * {STEP_MS}, {START_MS} + n * {STEP_MS}
  FROM {series(size.jobs)};
INSERT INTO meta_data (pipeline_id, key, value, value_start)
  SELECT {FIRST_BUILD} + n, 'release', CASE WHEN n % 3 = 0 THEN 'yes' ELSE 'no' END, CASE WHEN n % 3 = 0 THEN 'yes' ELSE 'no' END
  FROM {series(size.jobs)} WHERE n % 2 = 0;
INSERT INTO meta_data (pipeline_id, key, value, value_start)
  SELECT {FIRST_BUILD} + n, 'ticket', 'T-' || (n / 100), 'T-' || (n / 100) FROM {series(size.jobs)} WHERE n % 3 = 0;
"""
