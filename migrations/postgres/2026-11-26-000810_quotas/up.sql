-- How many bytes of artifacts a project may have, and all projects of a group together.
ALTER TABLE projects ADD COLUMN max_storage_bytes BIGINT;
CREATE TABLE group_quotas (
    path_lower        TEXT NOT NULL PRIMARY KEY,
    path              TEXT NOT NULL,
    max_storage_bytes BIGINT NOT NULL
);
-- What is promised to uploads that are under way counts, too.
CREATE INDEX uploads_of_project ON uploads (project_id, state);
