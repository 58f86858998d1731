-- Agents that are connected: each took part with a personal token, and holds the token of its session.
CREATE TABLE agents (
    uuid           BLOB NOT NULL PRIMARY KEY,
    token_id       BIGINT NOT NULL REFERENCES access_tokens (id) ON DELETE CASCADE,
    session_sha256 BLOB NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    hostname       TEXT,
    version        TEXT,
    tags           TEXT NOT NULL, -- JSON: a list of name=value
    queue          TEXT NOT NULL,
    takes_jobs     BOOLEAN NOT NULL,
    action         TEXT, -- pause or disconnect, which the next ping tells it
    created_at     BIGINT NOT NULL,
    seen_at        BIGINT NOT NULL -- its last heartbeat
);
CREATE INDEX agents_by_token ON agents (token_id);
CREATE INDEX agents_by_heartbeat ON agents (seen_at);

-- What jobs that agents run have beside other jobs.
CREATE TABLE agent_jobs (
    job_id         BIGINT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    query_rules    TEXT NOT NULL, -- JSON: a list of name=value
    artifact_paths TEXT,
    waiting_queue  TEXT, -- its queue until an agent accepts it
    holder         BLOB, -- the agent that it is assigned to, that accepted it or runs it
    assigned_at    BIGINT, -- when the holder got or accepted it
    agent_uuid     BLOB, -- the agent that runs it or ran it
    signal         TEXT,
    signal_reason  TEXT,
    log_bytes      BIGINT NOT NULL -- how much of the bound of a log has come in
);
CREATE INDEX agent_jobs_waiting ON agent_jobs (waiting_queue, job_id) WHERE waiting_queue IS NOT NULL;
CREATE INDEX agent_jobs_held ON agent_jobs (holder) WHERE holder IS NOT NULL;

-- Pieces of logs as they come in, compressed with gzip, until a log is whole and becomes an artifact.
CREATE TABLE log_chunks (
    job_id     BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    starts_at  BIGINT NOT NULL, -- where it is in the log
    size_bytes BIGINT NOT NULL, -- uncompressed
    data       BLOB NOT NULL,
    PRIMARY KEY (job_id, starts_at)
);

-- What builds of a project do: JSON, a list of steps.
ALTER TABLE projects ADD COLUMN steps TEXT;
