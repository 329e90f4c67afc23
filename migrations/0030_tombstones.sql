-- Tasks that their source says are deleted, or live elsewhere, and that were never mirrored. An older account of such a task
-- may still arrive, and must not open it here.
CREATE TABLE tombstones (
    source     TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    source_key TEXT    NOT NULL,
    known_us   INTEGER NOT NULL DEFAULT 0,     -- our clock: an account that was asked for earlier says nothing against it
    gone       INTEGER NOT NULL DEFAULT 1,     -- 1: deleted; 0: in a place that is not followed
    PRIMARY KEY (source, source_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_by_age ON tombstones (known_us);
