-- The mirror. One row a list or repository, one row a task, each as its source last said it was.
CREATE TABLE containers (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    source     TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    source_key TEXT    NOT NULL,               -- ClickUp's list id; GitHub's repository id
    name       TEXT    NOT NULL,               -- Inbox; acme/widgets as it is called now
    configured TEXT    NOT NULL,               -- what bot.toml calls it; keeps reaching it after a rename
    followed   INTEGER NOT NULL DEFAULT 1,     -- 0 once bot.toml no longer names it
    cursor_ms  INTEGER,                        -- the source's clock: newest change of the last complete walk
    synced_at  INTEGER,                        -- our clock, ms: end of the last complete walk
    UNIQUE (source, source_key)
) STRICT;

CREATE TABLE tasks (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    source        TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    source_key    TEXT    NOT NULL,            -- ClickUp's task id; GitHub's <repository id>:<number>
    task_id       TEXT    NOT NULL,            -- what people see and type
    container     TEXT    NOT NULL,            -- source_key of its container
    title         TEXT    NOT NULL,
    description   TEXT    NOT NULL DEFAULT '',
    url           TEXT    NOT NULL DEFAULT '',
    status        TEXT    NOT NULL DEFAULT 'todo' CHECK (status IN ('todo', 'in_progress', 'done')),
    source_status TEXT    NOT NULL DEFAULT '', -- the source's own word
    assignees     TEXT    NOT NULL DEFAULT '[]',
    labels        TEXT    NOT NULL DEFAULT '[]',
    entity        TEXT,
    priority      TEXT    CHECK (priority IN ('urgent', 'high', 'normal', 'low')),
    due_ms        INTEGER,
    created_ms    INTEGER NOT NULL,            -- the source's clock
    seen_ms       INTEGER NOT NULL,            -- the source's clock for its last change: an older account never wins (P4)
    read_us       INTEGER NOT NULL,            -- our clock when that account was asked for: decides between equal seen_ms
    closed        TEXT,                        -- who finished it and when, where the source says so
    reopened      INTEGER NOT NULL DEFAULT 0,
    gone          INTEGER NOT NULL DEFAULT 0,  -- deleted at its source
    UNIQUE (source, source_key)
) STRICT;
CREATE INDEX tasks_open ON tasks (status) WHERE gone = 0;
CREATE INDEX tasks_by_id ON tasks (task_id);
