-- Of an artifact that is no archive: what other dialects show of it, and what a zip of it needs.
ALTER TABLE artifacts ADD COLUMN sha1 BLOB;
ALTER TABLE artifacts ADD COLUMN crc32 BIGINT;
-- Uploads that arrive in pieces, until they are finished or abandoned. No reader meets one: it is no artifact yet.
CREATE TABLE uploads (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid          BLOB NOT NULL UNIQUE,
    project_id    BIGINT NOT NULL REFERENCES projects (id),
    pipeline_id   BIGINT NOT NULL REFERENCES pipelines (id),
    job_id        BIGINT NOT NULL REFERENCES jobs (id),
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL,
    format        TEXT NOT NULL,
    media_type    TEXT,
    filename      TEXT NOT NULL,
    accessibility TEXT NOT NULL,
    expire_at     BIGINT,
    state         TEXT NOT NULL, -- open: takes pieces; received: its bytes are one blob; abandoned: takes nothing
    received      BIGINT NOT NULL, -- how many bytes its pieces have
    pieces        BIGINT NOT NULL, -- how many pieces it has
    list_sha256   BLOB,   -- of the list that ordered the pieces, as it may be sent again
    size_bytes    BIGINT, -- this and the next five: of the blob
    sha256        BLOB,
    sha1          BLOB,
    crc32         BIGINT,
    tail_bytes    BIGINT,
    store_key     TEXT UNIQUE,
    created_at    BIGINT NOT NULL
);
-- One upload of a name in a job takes pieces.
CREATE UNIQUE INDEX uploads_by_job ON uploads (job_id, name) WHERE state <> 'abandoned';
CREATE INDEX uploads_by_pipeline ON uploads (pipeline_id);
CREATE INDEX uploads_by_age ON uploads (created_at);
CREATE TABLE upload_pieces (
    upload_id  BIGINT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    name       TEXT NOT NULL, -- what the client calls it
    store_key  TEXT NOT NULL UNIQUE,
    size_bytes BIGINT NOT NULL,
    sha256     BLOB NOT NULL,
    PRIMARY KEY (upload_id, name)
);
-- Keys that sign links and tokens; the newest signs, the one before is still accepted.
CREATE TABLE signing_keys (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    secret     BLOB NOT NULL,
    created_at BIGINT NOT NULL
);
