-- A command for several tasks has a command of its own for each. Only the whole has a receipt, an undo button and an
-- Idempotency-Key.
ALTER TABLE commands ADD COLUMN part_of INTEGER; -- the command that this one is a part of
CREATE INDEX commands_part_of ON commands (part_of, id) WHERE part_of IS NOT NULL;
