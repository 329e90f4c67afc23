-- What bot.toml chooses for those who have not chosen for themselves, as it was when the daemon last started.
CREATE TABLE rhythm_defaults (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    briefing TEXT,                             -- 08:30; none: no briefing
    quiet    TEXT                              -- 20:00-08:00; none: no quiet hours
) STRICT;
INSERT INTO rhythm_defaults (one) VALUES (1);

-- Whoever wants none, whatever bot.toml says, is told apart from those who have said nothing.
ALTER TABLE rhythms ADD COLUMN no_briefing INTEGER NOT NULL DEFAULT 0 CHECK (no_briefing IN (0, 1));
ALTER TABLE rhythms ADD COLUMN no_quiet INTEGER NOT NULL DEFAULT 0 CHECK (no_quiet IN (0, 1));
