DROP INDEX artifacts_to_forget;
ALTER TABLE artifacts DROP COLUMN forget_after;
ALTER TABLE artifacts DROP COLUMN media_type;
