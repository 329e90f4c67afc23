-- What happens in the sources, and who is told of it.
CREATE TABLE hooks (
    source  TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    hook_id TEXT    NOT NULL,
    url     TEXT    NOT NULL,
    secret  TEXT    NOT NULL,                      -- what it signs with; ClickUp's belongs to one webhook
    made_ms INTEGER NOT NULL,
    PRIMARY KEY (source, hook_id)
) STRICT, WITHOUT ROWID;

-- Trouble that operators were told about, so that they hear of it once, and once when it is over.
CREATE TABLE alarms (
    about    TEXT    NOT NULL PRIMARY KEY,         -- what it is about: 'github failing', 'clickup webhook'
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE people ADD COLUMN dm TEXT;                                 -- their DM with us, once they have used it
ALTER TABLE people ADD COLUMN muted INTEGER NOT NULL DEFAULT 0;        -- wants no notices
ALTER TABLE messages ADD COLUMN notice INTEGER NOT NULL DEFAULT 0;     -- told unasked; about says of which task
CREATE INDEX messages_notices ON messages (person_id, about, id) WHERE notice = 1;
ALTER TABLE tasks ADD COLUMN walk_us INTEGER NOT NULL DEFAULT 0;       -- the last full walk that met it
ALTER TABLE tasks ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;        -- full walks since then that did not
ALTER TABLE tasks ADD COLUMN away INTEGER NOT NULL DEFAULT 0;          -- moved to a place that is not followed, or out of sight
ALTER TABLE containers ADD COLUMN walked_full_ms INTEGER;              -- our clock: end of the last complete full walk
ALTER TABLE deliveries ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN result TEXT;                         -- what became of it
