-- Projects of an upstream that were deleted there: since when they are hidden. Besides when the upstream told them last
-- to this server's own token, and when it is asked about them again.
ALTER TABLE projects ADD COLUMN gone_at BIGINT;
ALTER TABLE projects ADD COLUMN seen_at BIGINT;
ALTER TABLE projects ADD COLUMN seen_by BYTEA; -- the digest of the upstream's address and that token
ALTER TABLE projects ADD COLUMN check_at BIGINT;
CREATE INDEX projects_gone ON projects (gone_at) WHERE gone_at IS NOT NULL;
CREATE INDEX projects_to_check ON projects (upstream, check_at) WHERE upstream IS NOT NULL;
