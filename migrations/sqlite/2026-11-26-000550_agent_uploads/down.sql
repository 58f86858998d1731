DROP INDEX uploads_ordered;
DROP INDEX uploads_by_batch;
ALTER TABLE uploads DROP COLUMN ordered_at;
ALTER TABLE uploads DROP COLUMN declared_sha256;
ALTER TABLE uploads DROP COLUMN declared_sha1;
ALTER TABLE uploads DROP COLUMN declared_bytes;
ALTER TABLE uploads DROP COLUMN parts;
ALTER TABLE uploads DROP COLUMN batch_index;
ALTER TABLE uploads DROP COLUMN batch;
