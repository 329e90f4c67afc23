-- Tasks are parts of others: ClickUp's subtasks, GitHub's sub-issues. Those of mirrored tasks are read by a complete read
-- of the sources, which is due now.
ALTER TABLE tasks ADD COLUMN parent TEXT; -- the source_key of the task that it is a part of; NULL: none
ALTER TABLE tasks ADD COLUMN children TEXT; -- JSON: the number of its own parts, open ones and all; NULL: none
CREATE INDEX tasks_children ON tasks (source, parent) WHERE parent IS NOT NULL;
UPDATE containers SET walked_full_ms = NULL;
