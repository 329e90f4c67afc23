-- Who did what, when, from where, and what came of it. Rows are added and never changed, and go by age alone.
CREATE TABLE log (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    kept_ms   INTEGER NOT NULL,               -- our clock: when it was written down
    at_ms     INTEGER NOT NULL,               -- when it was asked for; of what others did, the source's clock
    person_id INTEGER REFERENCES people (id), -- one of ours, if it was
    account   TEXT,                           -- who it was to the source, where it was done there
    surface   TEXT    NOT NULL
              CHECK (surface IN ('dm', 'channel', 'button', 'reaction', 'slash', 'form', 'http', 'cli', 'slack', 'clickup', 'github')),
    verb      TEXT    NOT NULL,
    outcome   TEXT    NOT NULL CHECK (outcome IN ('done', 'already_so', 'refused', 'given_up', 'taken_back')),
    source    TEXT    CHECK (source IN ('clickup', 'github')),
    task_id   INTEGER REFERENCES tasks (id),
    task      TEXT,                           -- its id, title and address, as they were then
    title     TEXT    NOT NULL,
    url       TEXT    NOT NULL DEFAULT '',
    before    TEXT,                           -- in the source's words
    after     TEXT,
    text      TEXT,                           -- what was said, cut
    detail    TEXT                            -- why it came to nothing
) STRICT;
CREATE INDEX log_by_person ON log (person_id, id);
CREATE INDEX log_by_task ON log (task_id, id);
CREATE INDEX log_by_age ON log (kept_ms);

-- What was written down before this is forgotten: only a retention that is over moves it.
CREATE TABLE log_horizon (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    before_ms INTEGER NOT NULL
) STRICT;
INSERT INTO log_horizon (one, before_ms) VALUES (1, 0);

-- A task that lives on under another key takes its history with it: nothing else of a row may change.
CREATE TRIGGER log_is_not_changed
    BEFORE UPDATE OF id, kept_ms, at_ms, person_id, account, surface, verb, outcome, source, task, title, url, before, after, text,
        detail ON log
BEGIN
    SELECT raise(ABORT, 'the log is only added to');
END;
CREATE TRIGGER log_is_forgotten_by_age_alone
    BEFORE DELETE ON log WHEN old.kept_ms >= (SELECT before_ms FROM log_horizon)
BEGIN
    SELECT raise(ABORT, 'the log forgets by age alone');
END;
CREATE TRIGGER log_horizon_goes_forward
    BEFORE UPDATE ON log_horizon WHEN new.before_ms < old.before_ms
BEGIN
    SELECT raise(ABORT, 'what the log has forgotten does not come back');
END;
CREATE TRIGGER log_horizon_stays
    BEFORE DELETE ON log_horizon
BEGIN
    SELECT raise(ABORT, 'the log has a horizon');
END;

ALTER TABLE commands ADD COLUMN via TEXT;     -- by which of its ways the surface was used: dm, button, cli, ...
