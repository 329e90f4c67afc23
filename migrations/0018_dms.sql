-- What Slack calls the DM with somebody whom we told something before they ever wrote: learned from Slack when a message
-- to their id went out. Only there can a post be looked for whose answer was lost.
CREATE TABLE dms (
    user_id TEXT NOT NULL PRIMARY KEY,         -- Slack's id of them
    channel TEXT NOT NULL                      -- D…
) STRICT;
CREATE INDEX dms_by_channel ON dms (channel);
