DROP INDEX artifacts_pulled;
ALTER TABLE artifacts DROP COLUMN origin;
