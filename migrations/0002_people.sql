-- People, what each was shown, and what their list numbers mean.
CREATE TABLE people (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    slack_id   TEXT,
    github     TEXT,
    clickup_id TEXT,
    zone       TEXT    NOT NULL DEFAULT 'UTC',
    alone      INTEGER NOT NULL DEFAULT 0,     -- the one person of a bot.toml without [[people]]
    present    INTEGER NOT NULL DEFAULT 1      -- 0 once bot.toml no longer names them
) STRICT;
-- People start far from other ids, so that a mix-up shows.
INSERT INTO sqlite_sequence (name, seq) VALUES ('people', 100);

-- Each row is a task that became somebody's current one; the newest is the pin. No task: the queue was empty.
CREATE TABLE pins (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id INTEGER NOT NULL REFERENCES people (id),
    task_id   INTEGER REFERENCES tasks (id),
    pinned_us INTEGER NOT NULL,
    shown_us  INTEGER                          -- since when they could see it; a command typed earlier means the pin before
) STRICT;
CREATE INDEX pins_by_person ON pins (person_id, id);

CREATE TABLE lists (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id INTEGER NOT NULL REFERENCES people (id),
    shown_us  INTEGER
) STRICT;
CREATE INDEX lists_by_person ON lists (person_id, id);
CREATE TABLE list_items (
    list_id INTEGER NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    number  INTEGER NOT NULL,
    task_id INTEGER NOT NULL REFERENCES tasks (id),
    PRIMARY KEY (list_id, number)
) STRICT;
