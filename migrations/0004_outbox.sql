-- What people asked for, and the writes that this takes: durable until each has an outcome.
CREATE TABLE commands (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id   INTEGER NOT NULL REFERENCES people (id),
    surface     TEXT    NOT NULL CHECK (surface IN ('slack', 'api')),
    verb        TEXT    NOT NULL,
    typed_us    INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL,
    once_key    TEXT,                           -- Idempotency-Key
    fingerprint TEXT,                           -- of the request that came with it
    queued_ms   INTEGER,                        -- when the person was first told that it waits
    settled_ms  INTEGER,                        -- when every operation had its outcome
    moved       INTEGER NOT NULL DEFAULT 0,     -- the pin has moved on for it
    next_pin    INTEGER REFERENCES pins (id),   -- to here
    report      TEXT,                           -- the newest thing to say about it
    UNIQUE (person_id, once_key)
) STRICT;
CREATE INDEX commands_unsettled ON commands (id) WHERE settled_ms IS NULL;

CREATE TABLE operations (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of typing
    id            TEXT    NOT NULL UNIQUE,            -- a ULID, also the marker in what is written
    command_id    INTEGER NOT NULL REFERENCES commands (id),
    lane          TEXT    NOT NULL,                   -- one person and one task: carried out one after the other (P3)
    source        TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    kind          TEXT    NOT NULL,
    task_key      TEXT,
    write         TEXT    NOT NULL,
    state         TEXT    NOT NULL DEFAULT 'pending'
                  CHECK (state IN ('pending', 'applied', 'already_so', 'overtaken', 'refused', 'given_up', 'cancelled')),
    attempts      INTEGER NOT NULL DEFAULT 0,
    begun_us      INTEGER,                            -- first about to be sent: where a search for its trace begins
    interrupted   INTEGER NOT NULL DEFAULT 0,         -- may have been sent without a recorded answer
    looks         INTEGER NOT NULL DEFAULT 0,
    not_before_ms INTEGER,
    why           TEXT,                               -- the last failure, in words
    refusal       TEXT,
    outcome       TEXT,
    trace         TEXT,                               -- id of the comment or task that it made
    created_ms    INTEGER NOT NULL,
    ended_ms      INTEGER
) STRICT;
CREATE INDEX operations_pending ON operations (lane, seq) WHERE state = 'pending';
CREATE INDEX operations_by_command ON operations (command_id);
CREATE INDEX operations_by_task ON operations (source, task_key);
-- What one operation made is no other's (design 10, traces).
CREATE UNIQUE INDEX operations_trace ON operations (source, kind, trace) WHERE trace IS NOT NULL;
