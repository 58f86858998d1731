DROP INDEX pipelines_created;
DROP INDEX pipelines_by_finish;
DROP INDEX pipelines_created_by_user;
DROP INDEX pipelines_created_with_status;
DROP INDEX pipelines_created_on_ref;
ALTER TABLE artifacts DROP COLUMN bytes_kept_until;
