-- How often the upstream was asked in vain about the pipeline of a hint, and when it is asked again.
ALTER TABLE feed_events ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE feed_events ADD COLUMN next_attempt_at BIGINT;
