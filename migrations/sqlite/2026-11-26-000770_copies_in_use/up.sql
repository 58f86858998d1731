-- When a copy of what the upstream has was read last; of one that was fetched ahead, when its job was created.
ALTER TABLE artifacts ADD COLUMN used_at BIGINT;
-- Copies are given up in this order.
CREATE INDEX artifacts_in_use ON artifacts (COALESCE(used_at, created_at), job_id) WHERE origin IS NOT NULL;
