-- Where an artifact comes from: 'upstream' for a copy that was fetched there, null for what was uploaded here.
ALTER TABLE artifacts ADD COLUMN origin TEXT;
-- Copies are given up oldest first.
CREATE INDEX artifacts_pulled ON artifacts (created_at, id) WHERE origin IS NOT NULL;
