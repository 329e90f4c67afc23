-- Buttons and forms name tasks by their key and commands by their uid: a row means something else in another store, and in
-- an older copy of the same one.
ALTER TABLE commands ADD COLUMN uid TEXT NOT NULL DEFAULT '';
UPDATE commands SET uid = upper(substr(hex(randomblob(16)), 1, 26));
CREATE UNIQUE INDEX commands_by_uid ON commands (uid) WHERE uid <> '';

-- Posts that stand in Slack and are no message of ours any more, for they were said anew. What else stands there with a uid
-- that is in neither table was posted by another store.
CREATE TABLE left_posts (
    uid     TEXT    PRIMARY KEY,
    left_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX left_posts_by_age ON left_posts (left_ms);

-- Until when somebody was shown things by another store: what this one showed them before is not what they saw last.
CREATE TABLE shown_elsewhere (
    person_id INTEGER PRIMARY KEY REFERENCES people (id),
    until_us  INTEGER NOT NULL                  -- Slack's clock: the newest post that this store does not know
) STRICT;
