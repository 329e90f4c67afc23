-- Answers that one person alone sees, forms, and messages that tasks were made from.
ALTER TABLE messages ADD COLUMN whisper_to TEXT;                        -- the Slack id of the one who sees it, by reply_url
ALTER TABLE messages ADD COLUMN whispers INTEGER NOT NULL DEFAULT 0;    -- how often that address was used
ALTER TABLE messages ADD COLUMN in_channel INTEGER NOT NULL DEFAULT 0;  -- a good outcome is for the whole channel

-- Where a form that is still open is to be answered; secrets, forgotten when Slack forgets them.
CREATE TABLE reply_urls (
    id      TEXT    PRIMARY KEY,
    user_id TEXT    NOT NULL,
    url     TEXT    NOT NULL,
    kept_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which task was made from which message, so that the same message makes no second one.
CREATE TABLE made_from (
    channel    TEXT    NOT NULL,
    ts         TEXT    NOT NULL,
    command_id INTEGER REFERENCES commands (id) ON DELETE SET NULL,
    task_id    INTEGER REFERENCES tasks (id) ON DELETE CASCADE,  -- once it is there
    PRIMARY KEY (channel, ts)
) STRICT, WITHOUT ROWID;
CREATE INDEX made_from_by_command ON made_from (command_id);
CREATE INDEX made_from_by_task ON made_from (task_id);
