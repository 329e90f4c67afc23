-- The name of the API token that a command came with; NULL for the single token and for other surfaces.
ALTER TABLE commands ADD COLUMN token TEXT;
ALTER TABLE log ADD COLUMN token TEXT;
