-- What is waited for, and the names that tasks have besides their ids.

-- Until when a source wants to be left alone: a restart must not begin by asking all the same.
CREATE TABLE pauses (
    source   TEXT    NOT NULL PRIMARY KEY CHECK (source IN ('clickup', 'github')),
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE operations ADD COLUMN turn_ms INTEGER;   -- when its next attempt will be, where that is certain
ALTER TABLE operations ADD COLUMN sent_ms INTEGER;   -- when it was last about to be sent
ALTER TABLE tasks ADD COLUMN custom_id TEXT;         -- ClickUp: what people may call it instead of its id
CREATE INDEX tasks_custom_id ON tasks (source, custom_id COLLATE NOCASE) WHERE custom_id IS NOT NULL;
