-- Whose account at a source is whose: those that bot.toml gives, those found by e-mail, those that people typed. Ids decide;
-- names are what the source showed last.
CREATE TABLE links (
    person_id  INTEGER NOT NULL REFERENCES people (id),
    source     TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    origin     TEXT    NOT NULL CHECK (origin IN ('bot.toml', 'email', 'typed', 'unlinked')),
    configured TEXT,                           -- what bot.toml says: a login, a member id
    account_id TEXT,                           -- the source's own; none while only the login of bot.toml is known
    name       TEXT,                           -- GitHub's login, ClickUp's name
    linked_by  INTEGER REFERENCES people (id), -- who typed it
    linked_ms  INTEGER,                        -- none for bot.toml's
    seen_ms    INTEGER,                        -- when the source was last asked, and answered
    gone       INTEGER NOT NULL DEFAULT 0,     -- and had no such account any more
    PRIMARY KEY (person_id, source)
) STRICT;
CREATE UNIQUE INDEX links_by_account ON links (source, account_id) WHERE account_id IS NOT NULL;

-- People with their accounts, however those came about. bot.toml wins.
CREATE VIEW linked_people AS
SELECT people.id, people.name, people.slack_id, people.zone, people.alone, people.present,
       ifnull(github.name, people.github) AS github, github.account_id AS github_id,
       ifnull(people.clickup_id, clickup.account_id) AS clickup_id, clickup.name AS clickup_name
FROM people
LEFT JOIN links github ON github.person_id = people.id AND github.source = 'github' AND github.origin <> 'unlinked'
LEFT JOIN links clickup ON clickup.person_id = people.id AND clickup.source = 'clickup' AND clickup.origin <> 'unlinked';
