-- Processes that serve, each from its start on, for operators to see. One that died stays here for a day.
CREATE TABLE nodes (
    number     BIGINT PRIMARY KEY, -- drawn by the process at its start
    version    TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL
);
CREATE INDEX nodes_by_sight ON nodes (seen_at);
