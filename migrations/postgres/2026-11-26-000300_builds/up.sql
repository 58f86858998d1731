-- How the dialect of builds names a project: unique, and kept once given, because clients store it.
ALTER TABLE projects ADD COLUMN organization_slug TEXT;
ALTER TABLE projects ADD COLUMN pipeline_slug TEXT;
CREATE UNIQUE INDEX projects_by_slug ON projects (organization_slug, pipeline_slug);
-- What the starter of a pipeline said about it; env, author and pull_request are JSON objects.
ALTER TABLE pipelines ADD COLUMN message TEXT;
ALTER TABLE pipelines ADD COLUMN env TEXT;
ALTER TABLE pipelines ADD COLUMN author TEXT;
ALTER TABLE pipelines ADD COLUMN pull_request TEXT;
ALTER TABLE pipelines ADD COLUMN cancel_reason TEXT;
ALTER TABLE pipelines ADD COLUMN rebuilt_from BIGINT; -- a pipeline, which may be gone
-- When a pipeline that waits for somebody to run it, or one that is being canceled, is canceled in any case.
ALTER TABLE pipelines ADD COLUMN cancel_at BIGINT;
CREATE INDEX pipelines_to_cancel ON pipelines (cancel_at) WHERE cancel_at IS NOT NULL;
-- Builds are listed in the order of creation, child pipelines too.
CREATE INDEX pipelines_by_creation ON pipelines (project_id, created_at, id);
CREATE TABLE meta_data (
    pipeline_id BIGINT NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,
    value_start TEXT NOT NULL, -- its first characters, as many as fit into an index
    PRIMARY KEY (pipeline_id, key)
);
CREATE INDEX meta_data_by_value ON meta_data (key, value_start, pipeline_id);
-- What is known of the step that a job runs; agent is a JSON object.
ALTER TABLE jobs ADD COLUMN command TEXT;
ALTER TABLE jobs ADD COLUMN exit_status BIGINT;
ALTER TABLE jobs ADD COLUMN step_key TEXT;
ALTER TABLE jobs ADD COLUMN soft_failed BOOLEAN;
ALTER TABLE jobs ADD COLUMN parallel_group_index BIGINT;
ALTER TABLE jobs ADD COLUMN parallel_group_total BIGINT;
ALTER TABLE jobs ADD COLUMN agent TEXT;
-- Digests of files within archives, kept once they were computed; the UUID is that of the file.
CREATE TABLE entry_digests (
    uuid        BYTEA NOT NULL PRIMARY KEY,
    artifact_id BIGINT NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    sha1        BYTEA NOT NULL,
    sha256      BYTEA NOT NULL
);
CREATE INDEX entry_digests_by_artifact ON entry_digests (artifact_id);
