-- Where a project was before it was moved.
CREATE TABLE former_paths (
    path_lower TEXT NOT NULL PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE
);
CREATE INDEX former_paths_by_project ON former_paths (project_id);
-- The largest ID that a deleted project or user had: none is given out twice.
CREATE TABLE used_numbers (
    name   TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
);
