-- How somebody wants to learn of outcomes, whom an answer is for, and answers that take the place of what was pressed.
ALTER TABLE people ADD COLUMN receipts TEXT;                         -- 'message', 'reactions'; none: as bot.toml says
ALTER TABLE messages ADD COLUMN replaces INTEGER NOT NULL DEFAULT 0; -- a good outcome is said in place of what was pressed
ALTER TABLE messages ADD COLUMN asked_by TEXT;                       -- the Slack id of the one whom it answers
