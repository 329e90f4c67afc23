-- The people whom comments on a task mentioned. They may name it where people may name only their own tasks.
CREATE TABLE mentions (
    task_id   INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL REFERENCES people (id),
    PRIMARY KEY (task_id, person_id)
) STRICT, WITHOUT ROWID;
