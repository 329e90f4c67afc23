-- What was said to Ivan in Slack: kept before it is acknowledged, worked off in each person's order.
CREATE TABLE slack_events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    TEXT    NOT NULL,
    channel    TEXT    NOT NULL,
    said_us    INTEGER NOT NULL,               -- Slack's clock
    heard      TEXT    NOT NULL,               -- the message, parsed
    raw        TEXT    NOT NULL,               -- the envelope's payload, for audit; pruned after store.retention
    kept_ms    INTEGER NOT NULL,
    handled_ms INTEGER
) STRICT;
CREATE INDEX slack_events_waiting ON slack_events (user_id, said_us) WHERE handled_ms IS NULL;

-- One gesture arrives under several ids; it is known under all of them.
CREATE TABLE slack_event_keys (
    key      TEXT    PRIMARY KEY,
    event_id INTEGER NOT NULL REFERENCES slack_events (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX slack_event_keys_by_event ON slack_event_keys (event_id);
