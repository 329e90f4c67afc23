-- A due date that has no time is a day, the same for everybody; due_ms is the instant that its source keeps for it.
ALTER TABLE tasks ADD COLUMN due_day TEXT;     -- 2026-12-01; none: a time, or not known to be a day
