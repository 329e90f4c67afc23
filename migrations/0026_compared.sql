-- Up to where what was heard in a DM was compared with its history. Younger messages may have been lost on their way.
CREATE TABLE compared (
    channel  TEXT    PRIMARY KEY,
    up_to_us INTEGER NOT NULL              -- Slack's clock
) STRICT, WITHOUT ROWID;
