-- Of uploads that are declared together before they are sent: the client's ID of them all, and the place in it.
ALTER TABLE uploads ADD COLUMN batch TEXT;
ALTER TABLE uploads ADD COLUMN batch_index BIGINT;
-- How many pieces the client was asked for.
ALTER TABLE uploads ADD COLUMN parts BIGINT;
-- What the client says about the bytes.
ALTER TABLE uploads ADD COLUMN declared_bytes BIGINT;
ALTER TABLE uploads ADD COLUMN declared_sha1 BLOB;
ALTER TABLE uploads ADD COLUMN declared_sha256 BLOB;
-- When a node last said that it assembles the pieces.
ALTER TABLE uploads ADD COLUMN ordered_at BIGINT;
CREATE UNIQUE INDEX uploads_by_batch ON uploads (job_id, batch, batch_index);
CREATE INDEX uploads_ordered ON uploads (ordered_at) WHERE state = 'ordered';
