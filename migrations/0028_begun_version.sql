-- Which version of a message its first post carries: what people see, if that post is found, is what that version showed.
ALTER TABLE messages ADD COLUMN begun_version INTEGER NOT NULL DEFAULT 0; -- 0: not known
