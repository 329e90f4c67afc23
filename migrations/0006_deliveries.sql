-- The inbox: one row a webhook request, committed before its 2xx.
CREATE TABLE deliveries (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    source     TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    dedupe_key TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    payload    BLOB    NOT NULL,
    kept_ms    INTEGER NOT NULL,
    handled_ms INTEGER,
    UNIQUE (source, dedupe_key)
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (id) WHERE handled_ms IS NULL;
