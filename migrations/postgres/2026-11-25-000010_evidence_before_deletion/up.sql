-- Who stores bytes just now whose rows come later. The number is part of the keys of those bytes: as long
-- as a writer is here, what has such a key and no row belongs to somebody. A row names such a key only in
-- a transaction that finds its writer here.
CREATE TABLE writers (
    number  BIGINT PRIMARY KEY, -- never used twice
    purpose TEXT NOT NULL, -- keys: stores under keys of its own; copy: under keys that rows name
    seen_at BIGINT NOT NULL -- by the database's clock
);
-- The id that this database shares with its store, in one row.
CREATE TABLE instance (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    id         TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
-- Work that one node does for all, and which one does it; times are by the database's clock.
CREATE TABLE leases (
    name       TEXT PRIMARY KEY,
    holder     BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    done_at    BIGINT NOT NULL -- when it was last done to its end
);
-- The last artifact that a project had when its removal was asked for at that time: the clocks of nodes
-- differ, the order of numbers does not.
CREATE TABLE purges (
    project_id   BIGINT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    requested_at BIGINT NOT NULL,
    through_id   BIGINT NOT NULL
);
