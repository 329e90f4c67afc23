-- Comments: which were heard of, by webhook or by poll, and how far polls of them have come.
CREATE TABLE comments (
    source     TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    comment_id TEXT    NOT NULL,
    heard_ms   INTEGER NOT NULL,               -- our clock: told from then on to nobody
    PRIMARY KEY (source, comment_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX comments_by_age ON comments (heard_ms);

ALTER TABLE containers ADD COLUMN comments_ms INTEGER;                      -- GitHub's clock: every comment's change up to then was read
ALTER TABLE containers ADD COLUMN comments_news_ms INTEGER;                 -- what was written before is no news; ClickUp: of tasks that are new here
ALTER TABLE tasks ADD COLUMN commented_ms INTEGER;                          -- the source's clock: the newest comment that was heard of
ALTER TABLE tasks ADD COLUMN talk_news_ms INTEGER;                          -- what was written before is no news (ClickUp)
ALTER TABLE tasks ADD COLUMN talk_asked_ms INTEGER NOT NULL DEFAULT 0;      -- our clock: its comments were last asked for
ALTER TABLE tasks ADD COLUMN talk_seen_ms INTEGER NOT NULL DEFAULT 0;       -- seen_ms at that time: it has changed since if it is later
