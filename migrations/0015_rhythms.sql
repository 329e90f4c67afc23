-- When people are told what they have not asked for.
CREATE TABLE rhythms (
    person_id  INTEGER PRIMARY KEY REFERENCES people (id),
    briefing   TEXT,                           -- on working days at this time of theirs: 08:30; none: never
    briefed_on TEXT,                           -- the last day of theirs that is over with: 2026-11-23
    quiet      TEXT                            -- 20:00-08:00: notices are held meanwhile; none: never
) STRICT;

-- Notices that wait until the quiet hours of their person are over.
CREATE TABLE held (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id INTEGER NOT NULL REFERENCES people (id),
    task_id   INTEGER REFERENCES tasks (id),
    words     TEXT    NOT NULL,
    held_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX held_by_person ON held (person_id, id);
CREATE INDEX held_by_age ON held (held_ms);
