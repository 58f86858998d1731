-- What the uploader said its artifact is, where that is not the kind's.
ALTER TABLE artifacts ADD COLUMN media_type TEXT;
-- When the tombstone of an expired artifact whose bytes are deleted is deleted too.
ALTER TABLE artifacts ADD COLUMN forget_after BIGINT;
CREATE INDEX artifacts_to_forget ON artifacts (forget_after) WHERE forget_after IS NOT NULL;
