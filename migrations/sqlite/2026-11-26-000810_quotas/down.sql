DROP INDEX uploads_of_project;
DROP TABLE group_quotas;
ALTER TABLE projects DROP COLUMN max_storage_bytes;
