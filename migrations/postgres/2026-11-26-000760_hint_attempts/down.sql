ALTER TABLE feed_events DROP COLUMN next_attempt_at;
ALTER TABLE feed_events DROP COLUMN attempts;
