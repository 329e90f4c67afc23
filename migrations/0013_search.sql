-- The comments on a task that Ivan has seen, as text for `find`.
CREATE TABLE talk (
    task_id INTEGER PRIMARY KEY NOT NULL REFERENCES tasks (id),
    text    TEXT    NOT NULL -- newest first, at most 16,384 characters
) STRICT;

-- What `find` searches, by the rows of tasks. Of a long description only the beginning counts.
CREATE VIEW searched AS
    SELECT id, title, ifnull(entity, '') || ' ' || labels || ' ' || ifnull(custom_id, '') AS names,
        substr(description, 1, 16384) AS description, ifnull(text, '') AS talk
    FROM tasks LEFT JOIN talk ON talk.task_id = tasks.id;

-- The index has no text of its own.
CREATE VIRTUAL TABLE task_words USING fts5 (title, names, description, talk,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO task_words (rowid, title, names, description, talk) SELECT id, title, names, description, talk FROM searched;

CREATE TRIGGER task_words_new AFTER INSERT ON tasks BEGIN
    INSERT INTO task_words (rowid, title, names, description, talk)
    SELECT id, title, names, description, talk FROM searched WHERE id = new.id;
END;
CREATE TRIGGER task_words_changed AFTER UPDATE OF title, entity, labels, custom_id, description ON tasks
    WHEN new.title <> old.title OR new.entity IS NOT old.entity OR new.labels <> old.labels
        OR new.custom_id IS NOT old.custom_id OR new.description <> old.description
BEGIN
    UPDATE task_words SET (title, names, description, talk) =
        (SELECT title, names, description, talk FROM searched WHERE id = new.id) WHERE rowid = new.id;
END;
CREATE TRIGGER task_words_heard AFTER INSERT ON talk BEGIN
    UPDATE task_words SET (title, names, description, talk) =
        (SELECT title, names, description, talk FROM searched WHERE id = new.task_id) WHERE rowid = new.task_id;
END;
CREATE TRIGGER task_words_heard_again AFTER UPDATE OF text ON talk BEGIN
    UPDATE task_words SET (title, names, description, talk) =
        (SELECT title, names, description, talk FROM searched WHERE id = new.task_id) WHERE rowid = new.task_id;
END;
