-- Since when this store is Slack's, by our clock: what was said in a DM before is none of its business. One row.
CREATE TABLE slack_since (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    since_us INTEGER NOT NULL DEFAULT 0
) STRICT;
