-- What one person alone sees is changed through the address that a press on it brings.
ALTER TABLE messages ADD COLUMN addressed_ms INTEGER;  -- when reply_url came with a press; none: with the question
ALTER TABLE messages ADD COLUMN instead_of TEXT;       -- the uid of the message whose place a good answer takes
CREATE INDEX messages_instead_of ON messages (instead_of) WHERE instead_of IS NOT NULL;
