-- Mentions by people from outside wait for a message of their own, at most one an hour. 0: until quiet hours end.
ALTER TABLE held ADD COLUMN until_ms INTEGER NOT NULL DEFAULT 0;
