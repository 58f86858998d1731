-- Times are milliseconds since 1970, ids and sizes 64-bit integers, digests and UUIDs bytes.
-- The folder postgres/ holds the same schema for PostgreSQL.

CREATE TABLE users (
    id         INTEGER PRIMARY KEY,
    uuid       BLOB NOT NULL UNIQUE,
    username   TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    email      TEXT,
    admin      BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

-- Personal tokens. Only the digest of a token is kept.
CREATE TABLE access_tokens (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    sha256     BLOB NOT NULL UNIQUE,
    scopes     TEXT NOT NULL, -- separated by spaces
    expires_at BIGINT,
    revoked    BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX access_tokens_by_user ON access_tokens (user_id);

CREATE TABLE projects (
    id                   INTEGER PRIMARY KEY,
    uuid                 BLOB NOT NULL UNIQUE,
    path                 TEXT NOT NULL,
    path_lower           TEXT NOT NULL UNIQUE, -- paths are found in any case
    name                 TEXT NOT NULL,
    visibility           TEXT NOT NULL,
    public_jobs          BOOLEAN NOT NULL,
    default_branch       TEXT,
    keep_latest_artifact BOOLEAN NOT NULL,
    max_artifact_bytes   BIGINT,
    purge_requested_at   BIGINT, -- the next sweep removes what was made until then and is not locked
    created_at           BIGINT NOT NULL
);

CREATE TABLE project_members (
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id    BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       TEXT NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX project_members_by_user ON project_members (user_id);

-- Projects and groups whose job tokens are let in; a path need not exist.
CREATE TABLE job_token_allowlist (
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    path       TEXT NOT NULL,
    PRIMARY KEY (project_id, path)
);

CREATE TABLE commits (
    project_id   BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    sha          TEXT NOT NULL,
    title        TEXT NOT NULL,
    message      TEXT NOT NULL,
    author_name  TEXT NOT NULL,
    author_email TEXT NOT NULL,
    created_at   BIGINT,
    PRIMARY KEY (project_id, sha)
);

-- A family is all pipelines with one root_id; the root names itself, with depth 0.
CREATE TABLE pipelines (
    id          INTEGER PRIMARY KEY,
    uuid        BLOB NOT NULL UNIQUE,
    project_id  BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    iid         BIGINT NOT NULL,
    ref         TEXT NOT NULL,
    tag         BOOLEAN NOT NULL,
    sha         TEXT NOT NULL,
    status      TEXT NOT NULL,
    source      TEXT NOT NULL,
    parent_id   BIGINT REFERENCES pipelines (id) ON DELETE SET NULL,
    root_id     BIGINT NOT NULL,
    depth       INTEGER NOT NULL,
    user_id     BIGINT REFERENCES users (id) ON DELETE SET NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    started_at  BIGINT,
    finished_at BIGINT,
    UNIQUE (project_id, iid)
);
-- The newest successful pipeline of a ref.
CREATE INDEX pipelines_by_ref ON pipelines (project_id, ref, status, id);
CREATE INDEX pipelines_by_family ON pipelines (root_id, depth, id);
CREATE INDEX pipelines_by_parent ON pipelines (parent_id);

CREATE TABLE jobs (
    id             INTEGER PRIMARY KEY,
    uuid           BLOB NOT NULL UNIQUE,
    project_id     BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    pipeline_id    BIGINT NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    stage          TEXT NOT NULL,
    status         TEXT NOT NULL,
    allow_failure  BOOLEAN NOT NULL,
    retried        BOOLEAN NOT NULL,
    user_id        BIGINT REFERENCES users (id) ON DELETE SET NULL,
    token_sha256   BLOB UNIQUE,
    coverage       DOUBLE,
    failure_reason TEXT,
    created_at     BIGINT NOT NULL,
    started_at     BIGINT,
    finished_at    BIGINT,
    erased_at      BIGINT
);
-- A job by id in its project, and a project's jobs, newest first.
CREATE INDEX jobs_by_project ON jobs (project_id, id);
-- The jobs of a family by name.
CREATE INDEX jobs_by_name ON jobs (pipeline_id, name);

-- The name is the artifact's own among those of its job; for GitLab, where a job has one artifact of
-- a kind, it is the kind. A row whose state is expired or deleted is a tombstone: it names bytes
-- that are still to be removed.
CREATE TABLE artifacts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid          BLOB NOT NULL UNIQUE,
    project_id    BIGINT NOT NULL REFERENCES projects (id),
    job_id        BIGINT NOT NULL REFERENCES jobs (id),
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL,
    format        TEXT NOT NULL,
    filename      TEXT NOT NULL,
    accessibility TEXT NOT NULL,
    state         TEXT NOT NULL,
    size_bytes    BIGINT NOT NULL,
    sha256        BLOB NOT NULL,
    store_key     TEXT NOT NULL UNIQUE,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    expire_at     BIGINT,
    remove_after  BIGINT -- of a tombstone: when its bytes may be removed; pushed ahead by who does it
);
CREATE UNIQUE INDEX artifacts_by_job ON artifacts (job_id, name) WHERE state = 'finished';
CREATE INDEX artifacts_of_job ON artifacts (job_id, state);
-- What is due to expire, and tombstones whose bytes wait to be removed.
CREATE INDEX artifacts_due ON artifacts (state, expire_at, id);
CREATE INDEX artifacts_to_remove ON artifacts (remove_after) WHERE remove_after IS NOT NULL;
CREATE INDEX artifacts_by_project ON artifacts (project_id, state, id);
