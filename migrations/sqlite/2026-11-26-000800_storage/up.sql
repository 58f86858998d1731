-- How many artifacts of a kind a project has, and their bytes. Triggers keep it, in the transaction of each change,
-- whatever the release of the node that makes it. A project may have several rows of a kind, which are added up.
CREATE TRIGGER artifacts_added AFTER INSERT ON artifacts
BEGIN
    INSERT INTO project_usage (project_id, kind, stored, stored_bytes, waiting, waiting_bytes)
    VALUES (
        NEW.project_id,
        NEW.kind,
        CASE WHEN NEW.state = 'finished' THEN 1 ELSE 0 END,
        CASE WHEN NEW.state = 'finished' THEN NEW.size_bytes ELSE 0 END,
        CASE WHEN NEW.state <> 'finished' AND NEW.remove_after IS NOT NULL THEN 1 ELSE 0 END,
        CASE WHEN NEW.state <> 'finished' AND NEW.remove_after IS NOT NULL THEN NEW.size_bytes ELSE 0 END
    )
    ON CONFLICT (project_id, kind) DO UPDATE SET
        stored = stored + excluded.stored,
        stored_bytes = stored_bytes + excluded.stored_bytes,
        waiting = waiting + excluded.waiting,
        waiting_bytes = waiting_bytes + excluded.waiting_bytes;
END;
CREATE TRIGGER artifacts_changed AFTER UPDATE OF state, size_bytes, remove_after ON artifacts
WHEN OLD.state <> NEW.state
    OR OLD.size_bytes <> NEW.size_bytes
    OR (OLD.remove_after IS NULL) <> (NEW.remove_after IS NULL)
BEGIN
    UPDATE project_usage SET
        stored = stored
            + CASE WHEN NEW.state = 'finished' THEN 1 ELSE 0 END
            - CASE WHEN OLD.state = 'finished' THEN 1 ELSE 0 END,
        stored_bytes = stored_bytes
            + CASE WHEN NEW.state = 'finished' THEN NEW.size_bytes ELSE 0 END
            - CASE WHEN OLD.state = 'finished' THEN OLD.size_bytes ELSE 0 END,
        waiting = waiting
            + CASE WHEN NEW.state <> 'finished' AND NEW.remove_after IS NOT NULL THEN 1 ELSE 0 END
            - CASE WHEN OLD.state <> 'finished' AND OLD.remove_after IS NOT NULL THEN 1 ELSE 0 END,
        waiting_bytes = waiting_bytes
            + CASE WHEN NEW.state <> 'finished' AND NEW.remove_after IS NOT NULL THEN NEW.size_bytes ELSE 0 END
            - CASE WHEN OLD.state <> 'finished' AND OLD.remove_after IS NOT NULL THEN OLD.size_bytes ELSE 0 END
    WHERE project_id = NEW.project_id AND kind = NEW.kind;
END;
CREATE TRIGGER artifacts_deleted AFTER DELETE ON artifacts
BEGIN
    UPDATE project_usage SET
        stored = stored - CASE WHEN OLD.state = 'finished' THEN 1 ELSE 0 END,
        stored_bytes = stored_bytes - CASE WHEN OLD.state = 'finished' THEN OLD.size_bytes ELSE 0 END,
        waiting = waiting - CASE WHEN OLD.state <> 'finished' AND OLD.remove_after IS NOT NULL THEN 1 ELSE 0 END,
        waiting_bytes = waiting_bytes
            - CASE WHEN OLD.state <> 'finished' AND OLD.remove_after IS NOT NULL THEN OLD.size_bytes ELSE 0 END
    WHERE project_id = OLD.project_id AND kind = OLD.kind;
END;
-- What is there already is counted now; the triggers come first, so that nothing is missed between.
CREATE TABLE project_usage AS
SELECT
    project_id,
    kind,
    CAST(SUM(CASE WHEN state = 'finished' THEN 1 ELSE 0 END) AS BIGINT) AS stored,
    CAST(SUM(CASE WHEN state = 'finished' THEN size_bytes ELSE 0 END) AS BIGINT) AS stored_bytes,
    CAST(SUM(CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS waiting,
    CAST(SUM(CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN size_bytes ELSE 0 END) AS BIGINT)
        AS waiting_bytes
FROM artifacts
GROUP BY project_id, kind;
CREATE UNIQUE INDEX project_usage_by_kind ON project_usage (project_id, kind);
-- What a project had at the beginning of a day, counted in days since 1970.
CREATE TABLE usage_days (
    day        BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    artifacts  BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,
    PRIMARY KEY (day, project_id)
);
CREATE INDEX usage_days_by_project ON usage_days (project_id);
-- What takes too long to count on request, as JSON: counted from time to time, by one node for all.
CREATE TABLE storage_counts (
    name       TEXT NOT NULL PRIMARY KEY,
    counts     TEXT NOT NULL,
    counted_at BIGINT NOT NULL
);
-- Blobs of deleted projects, whose rows are gone, until they are deleted from the store. As with tombstones, whoever
-- deletes some pushes remove_after ahead; bytes_kept_until is for readers in the middle of them.
CREATE TABLE leftover_blobs (
    store_key        TEXT NOT NULL PRIMARY KEY,
    size_bytes       BIGINT NOT NULL,
    remove_after     BIGINT NOT NULL,
    bytes_kept_until BIGINT NOT NULL
);
CREATE INDEX leftover_blobs_to_remove ON leftover_blobs (remove_after);
