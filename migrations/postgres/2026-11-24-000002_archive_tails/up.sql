-- How many bytes at an archive's end hold its directory, so that it is fetched in one read; NULL where
-- nobody looked, or where there is none. A hint: an archive is read without it, too.
ALTER TABLE artifacts ADD COLUMN tail_bytes BIGINT;
