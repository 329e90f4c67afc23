-- What is said in Slack. A row is a place in its conversation from the moment of the command on; words may come later.
CREATE TABLE messages (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    uid            TEXT    NOT NULL UNIQUE,       -- in the message's metadata: by it a lost post is found again
    channel        TEXT    NOT NULL,
    thread         TEXT,
    person_id      INTEGER REFERENCES people (id),
    command_id     INTEGER REFERENCES commands (id),
    pin_id         INTEGER REFERENCES pins (id),  -- shown by this message
    list_id        INTEGER REFERENCES lists (id) ON DELETE SET NULL,
    about          INTEGER REFERENCES tasks (id), -- in a thread under it, commands mean this task
    words          TEXT,
    version        INTEGER NOT NULL DEFAULT 0,    -- of the words
    posted_version INTEGER NOT NULL DEFAULT 0,
    begun_us       INTEGER,                       -- a first post was about to be sent and has no recorded answer
    ts             TEXT,                          -- Slack's id of it
    dropped        TEXT,                          -- why it could not be posted
    created_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_due ON messages (id) WHERE dropped IS NULL AND (ts IS NULL OR version > posted_version);
CREATE INDEX messages_by_command ON messages (command_id);
CREATE INDEX messages_by_ts ON messages (channel, ts);
