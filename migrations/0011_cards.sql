-- Cards and buttons under the words of a message.
ALTER TABLE messages ADD COLUMN parts TEXT;                            -- what stands there besides the words
ALTER TABLE messages ADD COLUMN shows_version INTEGER NOT NULL DEFAULT 0; -- since this version the pin or list is in it
ALTER TABLE messages ADD COLUMN redraw INTEGER NOT NULL DEFAULT 0;     -- only its cards are to be made again
ALTER TABLE messages ADD COLUMN reply_url TEXT;                        -- one person alone sees it, by this address; a secret

-- Which cards stand where, so that they can be made again when their task changes.
CREATE TABLE message_cards (
    task_id    INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    PRIMARY KEY (task_id, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_cards_by_message ON message_cards (message_id);
