-- The command and the tasks that a person was asked about, until they answer.
ALTER TABLE commands ADD COLUMN asks TEXT; -- JSON
