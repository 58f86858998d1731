DROP INDEX pipelines_by_sha;
DROP INDEX pipelines_by_source;
DROP INDEX pipelines_by_user;
DROP INDEX pipelines_by_update;
DROP INDEX pipelines_of_ref;
DROP INDEX pipelines_by_status;
DROP INDEX pipelines_by_project;
DROP INDEX jobs_by_status;
