-- Indexes for look-ups that read whole tables before.

-- The person with an account, and the only person of a bot.toml without [[people]].
CREATE INDEX people_alone ON people (id) WHERE alone = 1;
CREATE INDEX people_by_github ON people (github COLLATE NOCASE) WHERE github IS NOT NULL;
CREATE INDEX people_by_clickup ON people (clickup_id) WHERE clickup_id IS NOT NULL;
CREATE INDEX links_by_login ON links (source, name COLLATE NOCASE) WHERE account_id IS NULL;

-- The people whose current task this is; pins and lists that are still referenced.
CREATE INDEX pins_by_task ON pins (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX commands_by_next_pin ON commands (next_pin) WHERE next_pin IS NOT NULL;
CREATE INDEX messages_by_pin ON messages (pin_id) WHERE pin_id IS NOT NULL;
CREATE INDEX messages_by_list ON messages (list_id) WHERE list_id IS NOT NULL;
