-- People who are signed in. The secret of a session is in their browser; only its digest is kept. A session stands for
-- a personal token, or for tokens that only the upstream knows: those are sealed with a key that is made of the secret.
CREATE TABLE sessions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256          BLOB NOT NULL UNIQUE,
    token_id        BIGINT REFERENCES access_tokens (id) ON DELETE CASCADE,
    upstream        TEXT, -- the name of the upstream, if only that knows the tokens
    foreign_user_id BIGINT, -- the number of the user there
    username        TEXT, -- the user's name there
    sealed          BLOB, -- the tokens
    renew_at        BIGINT, -- when they are to be exchanged for new ones
    created_at      BIGINT NOT NULL,
    seen_at         BIGINT NOT NULL,
    ends_at         BIGINT NOT NULL
);
CREATE INDEX sessions_by_token ON sessions (token_id);
CREATE INDEX sessions_by_foreign_user ON sessions (upstream, foreign_user_id) WHERE upstream IS NOT NULL;
CREATE INDEX sessions_by_end ON sessions (ends_at);
CREATE INDEX sessions_by_sight ON sessions (seen_at);
