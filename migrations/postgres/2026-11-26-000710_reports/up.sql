-- The numbers that projects, pipelines and jobs of an upstream have here, where its own are no numbers of ours.
CREATE TABLE foreign_numbers (
    upstream   TEXT NOT NULL,   -- its name in the settings
    kind       TEXT NOT NULL,   -- project, pipeline or job
    foreign_id TEXT NOT NULL,   -- of a pipeline behind the number of its project, of a job behind that of its pipeline
    number     BIGINT NOT NULL,
    PRIMARY KEY (upstream, kind, foreign_id)
);
CREATE INDEX foreign_numbers_by_number ON foreign_numbers (kind, number);
-- The upstream's clock when it last told the status: what is older is not believed any more.
ALTER TABLE pipelines ADD COLUMN told_at BIGINT;
ALTER TABLE jobs ADD COLUMN told_at BIGINT;
-- Events that hooks delivered, by the digest of the delivery, so that none counts twice. They are forgotten after a week.
CREATE TABLE feed_events (
    sha256      BYTEA PRIMARY KEY,
    upstream    TEXT NOT NULL,
    project_id  BIGINT NOT NULL,
    pipeline_id BIGINT,         -- which to ask the upstream about, of an event that is only a hint
    hint        BOOLEAN NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX feed_events_by_age ON feed_events (received_at);
