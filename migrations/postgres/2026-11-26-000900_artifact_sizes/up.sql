-- The artifacts of a project by size, for people who look for what takes room.
CREATE INDEX artifacts_by_size ON artifacts (project_id, state, size_bytes, id);
