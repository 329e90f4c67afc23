-- The mark of this file changes every second while it is written to. A file beside the store has the newest two, so a
-- start notices that this one is an older copy. Messages from before `lost_until_us` may have been answered in a time
-- that the copy does not know.
CREATE TABLE generation (
    one           INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
    mark          TEXT    NOT NULL,
    lost_until_us INTEGER                   -- our clock; NULL: it was never put back
) STRICT;
