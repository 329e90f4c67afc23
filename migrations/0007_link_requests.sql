-- Accounts that people want to link, until they have proved that these are theirs.
CREATE TABLE link_requests (
    person_id    INTEGER NOT NULL REFERENCES people (id),
    source       TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    account_id   TEXT    NOT NULL,
    account_name TEXT    NOT NULL,
    code         TEXT    NOT NULL,           -- written with the account, it proves who has it
    uid          TEXT    NOT NULL UNIQUE,    -- in the buttons of operators
    asked_ms     INTEGER NOT NULL,           -- the code is valid from then on
    since_ms     INTEGER NOT NULL,           -- tries are counted from then on
    tries        INTEGER NOT NULL,
    PRIMARY KEY (person_id, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_requests_of_account ON link_requests (source, account_id);

-- How the account was proved: NULL for links from earlier versions and from bot.toml.
ALTER TABLE links ADD COLUMN proof TEXT;
