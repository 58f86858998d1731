DROP TABLE leftover_blobs;
DROP TABLE storage_counts;
DROP TABLE usage_days;
DROP TRIGGER artifacts_deleted;
DROP TRIGGER artifacts_changed;
DROP TRIGGER artifacts_added;
DROP TABLE project_usage;
