-- How many artifacts of a kind a project has, and their bytes. Triggers keep it, in the transaction of each change,
-- whatever the release of the node that makes it. They only add rows, which are added up, so that no transaction waits
-- for another; the rows of a project and kind are made one from time to time.
CREATE FUNCTION count_added_artifacts() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO project_usage (project_id, kind, stored, stored_bytes, waiting, waiting_bytes)
    SELECT
        project_id,
        kind,
        SUM(CASE WHEN state = 'finished' THEN 1 ELSE 0 END),
        SUM(CASE WHEN state = 'finished' THEN size_bytes ELSE 0 END),
        SUM(CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN 1 ELSE 0 END),
        SUM(CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN size_bytes ELSE 0 END)
    FROM added
    GROUP BY project_id, kind;
    RETURN NULL;
END $$;
CREATE FUNCTION count_changed_artifacts() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO project_usage (project_id, kind, stored, stored_bytes, waiting, waiting_bytes)
    SELECT project_id, kind, SUM(stored), SUM(stored_bytes), SUM(waiting), SUM(waiting_bytes)
    FROM (
        SELECT
            project_id,
            kind,
            CASE WHEN state = 'finished' THEN 1 ELSE 0 END AS stored,
            CASE WHEN state = 'finished' THEN size_bytes ELSE 0 END AS stored_bytes,
            CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN 1 ELSE 0 END AS waiting,
            CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN size_bytes ELSE 0 END AS waiting_bytes
        FROM after_change
        UNION ALL
        SELECT
            project_id,
            kind,
            CASE WHEN state = 'finished' THEN -1 ELSE 0 END,
            CASE WHEN state = 'finished' THEN -size_bytes ELSE 0 END,
            CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN -1 ELSE 0 END,
            CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN -size_bytes ELSE 0 END
        FROM before_change
    ) AS changes
    GROUP BY project_id, kind
    HAVING SUM(stored) <> 0 OR SUM(stored_bytes) <> 0 OR SUM(waiting) <> 0 OR SUM(waiting_bytes) <> 0;
    RETURN NULL;
END $$;
CREATE FUNCTION count_deleted_artifacts() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO project_usage (project_id, kind, stored, stored_bytes, waiting, waiting_bytes)
    SELECT project_id, kind, SUM(stored), SUM(stored_bytes), SUM(waiting), SUM(waiting_bytes)
    FROM (
        SELECT
            project_id,
            kind,
            CASE WHEN state = 'finished' THEN -1 ELSE 0 END AS stored,
            CASE WHEN state = 'finished' THEN -size_bytes ELSE 0 END AS stored_bytes,
            CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN -1 ELSE 0 END AS waiting,
            CASE WHEN state <> 'finished' AND remove_after IS NOT NULL THEN -size_bytes ELSE 0 END AS waiting_bytes
        FROM deleted
    ) AS changes
    GROUP BY project_id, kind
    HAVING SUM(stored) <> 0 OR SUM(stored_bytes) <> 0 OR SUM(waiting) <> 0 OR SUM(waiting_bytes) <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER artifacts_added AFTER INSERT ON artifacts
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_added_artifacts();
CREATE TRIGGER artifacts_changed AFTER UPDATE ON artifacts
    REFERENCING OLD TABLE AS before_change NEW TABLE AS after_change
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_artifacts();
CREATE TRIGGER artifacts_deleted AFTER DELETE ON artifacts
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION count_deleted_artifacts();
-- What is there already is counted now. The triggers come first: whoever makes them waits for those who write, and keeps
-- others from it until this is done.
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
CREATE INDEX project_usage_by_kind ON project_usage (project_id, kind);
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
