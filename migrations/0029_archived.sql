-- Lists and repositories that are archived at their source, and in which list a task that stands in several has its home.
ALTER TABLE containers ADD COLUMN archived INTEGER NOT NULL DEFAULT 0; -- 1: its tasks are not offered
ALTER TABLE tasks ADD COLUMN home TEXT NOT NULL DEFAULT '';            -- '': its container is its home
-- Tasks that were added to a list, and live in another, were not read before: everything is read again, once.
UPDATE containers SET walked_full_ms = NULL;
