-- Our reactions on people's own messages, and the Home tabs that they have open.

-- One row a message of a person: what is to stand on it, and what may stand there since a call whose answer is not recorded.
CREATE TABLE reactions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    channel    TEXT    NOT NULL,
    ts         TEXT    NOT NULL,               -- of the person's message
    thread     TEXT,                           -- where words go, should any be needed
    person_id  INTEGER REFERENCES people (id),
    command_id INTEGER REFERENCES commands (id) ON DELETE SET NULL, -- whose outcome it tells
    alone      INTEGER NOT NULL DEFAULT 0,     -- no message says it as well
    refusals   INTEGER NOT NULL DEFAULT 0,     -- a refusal is marked too
    wanted     TEXT,                           -- the one reaction that is to stand there; none: nothing
    version    INTEGER NOT NULL DEFAULT 0,     -- of what is wanted
    placed     INTEGER NOT NULL DEFAULT 0,     -- the version that stands there
    may_stand  TEXT    NOT NULL DEFAULT '[]',  -- every reaction of ours that may be there
    dropped    TEXT,                           -- why it could not be placed
    created_ms INTEGER NOT NULL,
    UNIQUE (channel, ts)
) STRICT;
CREATE INDEX reactions_due ON reactions (id) WHERE dropped IS NULL AND version > placed;
CREATE INDEX reactions_by_command ON reactions (command_id);

-- One row a person in Slack who has opened the Home tab.
CREATE TABLE homes (
    user_id   TEXT    PRIMARY KEY,
    dm        TEXT,                            -- their DM with us, where what they press there is answered
    refusal   TEXT,                            -- why they may not command
    opened_ms INTEGER NOT NULL,
    wanted    INTEGER NOT NULL DEFAULT 1,      -- counts what asks for it to be published whatever it shows
    published INTEGER NOT NULL DEFAULT 0,
    digest    TEXT,                            -- of what was published last
    hash      TEXT                             -- Slack's, of the same
) STRICT, WITHOUT ROWID;
CREATE INDEX homes_by_opened ON homes (opened_ms);

-- In a thread of a channel: is it one of ours? In a DM: which message is the newest about a task?
CREATE INDEX messages_by_thread ON messages (channel, thread) WHERE thread IS NOT NULL;
CREATE INDEX messages_by_about ON messages (about, id) WHERE about IS NOT NULL;
