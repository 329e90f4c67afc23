-- Work that ended the process twice is set aside, so that no start does it again for ever.

-- One row while a daemon runs; a clean stop removes it. A start that finds it follows an unclean end.
CREATE TABLE running (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    since_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Work that may have been under way at an unclean end of the process.
CREATE TABLE begun_work (
    kind         TEXT    NOT NULL,
    item         TEXT    NOT NULL,
    ends         INTEGER NOT NULL DEFAULT 1,    -- ends of the process at which it was, or may have been, under way
    under_way    INTEGER NOT NULL DEFAULT 0,    -- committed before the work begins
    ended_ms     INTEGER NOT NULL DEFAULT 0,    -- when the last of those ends was found out
    set_aside_ms INTEGER,
    until_ms     INTEGER,                       -- work that comes again by itself rests until then
    about        TEXT    NOT NULL DEFAULT '',   -- for `status`: nobody's text
    PRIMARY KEY (kind, item)
) STRICT, WITHOUT ROWID;

-- It waits for `ivan retry`, and so does what depends on it; the rest of its lane goes on.
ALTER TABLE operations ADD COLUMN set_aside INTEGER NOT NULL DEFAULT 0;
-- A message that tells of work set aside: if it is set aside itself, nobody is told of that.
ALTER TABLE messages ADD COLUMN tells_set_aside INTEGER NOT NULL DEFAULT 0;
