-- Tokens of the API that people made for themselves. Only the hash of a token is stored.
CREATE TABLE personal_tokens (
    id         INTEGER PRIMARY KEY,
    person_id  INTEGER NOT NULL REFERENCES people (id),
    slack_id   TEXT    NOT NULL,                    -- the member who made it
    name       TEXT    NOT NULL COLLATE NOCASE,
    digest     BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    read_only  INTEGER NOT NULL,
    made_ms    INTEGER NOT NULL,                    -- our clock
    used_ms    INTEGER,                             -- our clock, to a few minutes; NULL: never
    message_id INTEGER,                             -- the message that shows it once; NULL if its user had it before
    shown_ms   INTEGER,                             -- our clock; NULL: that message is not posted yet
    UNIQUE (slack_id, name)
) STRICT;
CREATE INDEX personal_tokens_unshown ON personal_tokens (id) WHERE shown_ms IS NULL;
