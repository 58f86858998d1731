-- Until when the bytes of a tombstone are kept for readers in the middle of them, by the database's clock. A lease of
-- the tombstone, which nodes may take over from each other, is another thing (remove_after).
ALTER TABLE artifacts ADD COLUMN bytes_kept_until BIGINT;
-- Lists of builds, newest first: of a ref, of a status, of a user, of what finished last, and of many projects.
CREATE INDEX pipelines_created_on_ref ON pipelines (project_id, ref, created_at, id);
CREATE INDEX pipelines_created_with_status ON pipelines (project_id, status, created_at, id);
CREATE INDEX pipelines_created_by_user ON pipelines (project_id, user_id, created_at, id);
CREATE INDEX pipelines_by_finish ON pipelines (project_id, finished_at, created_at, id);
CREATE INDEX pipelines_created ON pipelines (created_at, id);
