-- Issues have milestones. Those of mirrored issues are read by a complete read of the repositories, which is due now.
ALTER TABLE tasks ADD COLUMN milestone TEXT; -- its title; NULL: none
UPDATE containers SET walked_full_ms = NULL WHERE source = 'github';
