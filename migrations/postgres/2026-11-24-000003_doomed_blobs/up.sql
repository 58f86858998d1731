-- Bytes that nobody names and that are about to be removed. Whoever is about to name some writes their
-- key here first and takes it away again in the same transaction, so that of the two one is too late.
CREATE TABLE doomed_blobs (
    store_key TEXT PRIMARY KEY,
    doomed_at BIGINT NOT NULL -- whoever wrote this may have died since
);
