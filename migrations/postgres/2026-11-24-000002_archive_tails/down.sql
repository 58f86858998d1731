ALTER TABLE artifacts DROP COLUMN tail_bytes;
