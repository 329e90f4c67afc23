-- Who made a task, what it says about which comes before which, and under which row it lives on.
ALTER TABLE tasks ADD COLUMN creator TEXT;                     -- an account, as JSON
ALTER TABLE tasks ADD COLUMN links TEXT NOT NULL DEFAULT '[]'; -- what it blocks and is blocked by, as its source names it
ALTER TABLE tasks ADD COLUMN successor INTEGER REFERENCES tasks (id); -- transferred: what names this one means that one
CREATE INDEX tasks_linked ON tasks (id) WHERE links <> '[]' AND status <> 'done' AND gone = 0 AND away = 0;
-- A queue is read without the many that are done.
CREATE INDEX tasks_to_do ON tasks (id) WHERE status <> 'done' AND gone = 0 AND away = 0;
CREATE INDEX tasks_succeeded ON tasks (successor) WHERE successor IS NOT NULL;
-- What tasks say about each other was not read before: everything is read again, once.
UPDATE containers SET walked_full_ms = NULL;
