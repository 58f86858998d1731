DROP INDEX artifacts_without_shown_name;
DROP INDEX artifacts_by_shown_name;
ALTER TABLE artifacts DROP COLUMN shown_name;
