-- What people put off, and what `undo` needs to know.
CREATE TABLE snoozes (
    person_id INTEGER NOT NULL REFERENCES people (id),
    task_id   INTEGER NOT NULL REFERENCES tasks (id),
    until_ms  INTEGER NOT NULL,                       -- our clock: out of that person's queue before
    PRIMARY KEY (person_id, task_id)
) STRICT, WITHOUT ROWID;

ALTER TABLE commands ADD COLUMN snoozed TEXT;         -- a snooze: of which task, until when, and until when before that
ALTER TABLE commands ADD COLUMN undone_by INTEGER;    -- the command that took this one back, or is at it
CREATE INDEX commands_undone_by ON commands (undone_by) WHERE undone_by IS NOT NULL;
CREATE INDEX commands_by_person ON commands (person_id, id);
ALTER TABLE operations ADD COLUMN before TEXT;        -- the task's state in the source's words, right before it was last sent
ALTER TABLE operations ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;  -- not to be sent any more, only to be looked for
