-- Tasks have types: GitHub's issue types, ClickUp's task types. Those of mirrored tasks are read by a complete read of the
-- sources, which is due now.
ALTER TABLE tasks ADD COLUMN task_type TEXT; -- its name; NULL: none, or a plain task in ClickUp
UPDATE containers SET walked_full_ms = NULL;
