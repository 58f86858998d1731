DROP INDEX artifacts_in_use;
ALTER TABLE artifacts DROP COLUMN used_at;
