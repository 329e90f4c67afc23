-- People are named in bot.toml ('config'), are operators ('operator'), or were added by an operator in Slack ('added').
ALTER TABLE people ADD COLUMN listed_by TEXT NOT NULL DEFAULT 'config' CHECK (listed_by IN ('config', 'operator', 'added'));
CREATE INDEX people_added ON people (id) WHERE listed_by <> 'config';

-- Members of the workspace who came to Ivan: whether they were welcomed, and whether the operators added them.
CREATE TABLE arrivals (
    slack_id    TEXT    PRIMARY KEY NOT NULL,
    name        TEXT    NOT NULL,
    came_ms     INTEGER NOT NULL,           -- our clock
    welcomed_ms INTEGER,                    -- our clock; NULL: they were not welcomed yet
    asked_ms    INTEGER,                    -- our clock: operators were asked to add them; NULL: never
    answer      TEXT CHECK (answer IN ('added', 'refused')),
    answered_by TEXT                        -- name of the operator
) STRICT, WITHOUT ROWID;
CREATE INDEX arrivals_open ON arrivals (asked_ms) WHERE asked_ms IS NOT NULL AND answer IS NULL;

-- People who have used Ivan need no welcome.
INSERT INTO arrivals (slack_id, name, came_ms, welcomed_ms)
    SELECT slack_id, name, 0, 0 FROM people WHERE slack_id IS NOT NULL AND dm IS NOT NULL;
