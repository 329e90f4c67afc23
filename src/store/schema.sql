-- The store as all migrations leave it: what a new one begins with. A test writes it
-- (IVAN_SCHEMA=write cargo test --lib migrate::); a change is a migration.

CREATE TABLE containers (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    source           TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    source_key       TEXT    NOT NULL,           -- ClickUp: list id; GitHub: repository id
    name             TEXT    NOT NULL,           -- current name: Inbox, acme/widgets
    configured       TEXT    NOT NULL,           -- the name in bot.toml, which survives a rename
    followed         INTEGER NOT NULL DEFAULT 1, -- 0: no longer in bot.toml
    cursor_ms        INTEGER,                    -- source's clock: newest change that a complete poll has read
    synced_at        INTEGER,                    -- our clock, ms: end of the last complete poll
    walked_full_ms   INTEGER,                    -- our clock: end of the last complete full read
    comments_ms      INTEGER,                    -- GitHub's clock: comments are read up to here
    comments_news_ms INTEGER,                    -- older comments cause no notice; ClickUp: of tasks that are new here
    archived         INTEGER NOT NULL DEFAULT 0, -- 1: archived at the source, its tasks are not offered
    UNIQUE (source, source_key)
) STRICT;

CREATE TABLE tasks (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    source        TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    source_key    TEXT    NOT NULL,              -- ClickUp: task id; GitHub: <repository id>:<number>
    task_id       TEXT    NOT NULL,              -- the id that people see and type
    container     TEXT    NOT NULL,              -- containers.source_key
    title         TEXT    NOT NULL,
    description   TEXT    NOT NULL DEFAULT '',
    url           TEXT    NOT NULL DEFAULT '',
    status        TEXT    NOT NULL DEFAULT 'todo' CHECK (status IN ('todo', 'in_progress', 'done')),
    source_status TEXT    NOT NULL DEFAULT '',   -- the source's name of the status
    assignees     TEXT    NOT NULL DEFAULT '[]',
    labels        TEXT    NOT NULL DEFAULT '[]',
    entity        TEXT,
    priority      TEXT    CHECK (priority IN ('urgent', 'high', 'normal', 'low')),
    due_ms        INTEGER,                       -- instant of the due date
    created_ms    INTEGER NOT NULL,              -- source's clock
    seen_ms       INTEGER NOT NULL,              -- source's clock: last change. An older report never replaces a newer one (P4)
    read_us       INTEGER NOT NULL,              -- our clock: the report was requested. Decides between reports with the same seen_ms
    closed        TEXT,                          -- JSON: closed by whom and when, if the source says so
    reopened      INTEGER NOT NULL DEFAULT 0,
    gone          INTEGER NOT NULL DEFAULT 0,    -- 1: deleted at the source
    walk_us       INTEGER NOT NULL DEFAULT 0,    -- the last full read that listed it
    missed        INTEGER NOT NULL DEFAULT 0,    -- full reads since then that did not list it
    away          INTEGER NOT NULL DEFAULT 0,    -- 1: moved to a place that is not followed, or hidden from the token
    commented_ms  INTEGER,                       -- source's clock: newest known comment
    talk_news_ms  INTEGER,                       -- ClickUp: older comments cause no notice
    talk_asked_ms INTEGER NOT NULL DEFAULT 0,    -- our clock: its comments were last requested
    talk_seen_ms  INTEGER NOT NULL DEFAULT 0,    -- seen_ms at that time; if seen_ms is later now, the task has changed since
    custom_id     TEXT,                          -- ClickUp's custom id, such as OPS-12
    creator       TEXT,                          -- JSON: account
    links         TEXT    NOT NULL DEFAULT '[]', -- JSON: blocks and blocked by
    successor     INTEGER REFERENCES tasks (id), -- transferred: references to this task mean that one
    due_day       TEXT,                          -- 2026-12-01: a due date without a time, the same day in every zone
    home          TEXT    NOT NULL DEFAULT '', milestone TEXT, parent TEXT, children TEXT, task_type TEXT,   -- ClickUp: home list of a task in several lists; '': its container
    UNIQUE (source, source_key)
) STRICT;

CREATE TABLE people (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    slack_id   TEXT,
    github     TEXT,
    clickup_id TEXT,
    zone       TEXT    NOT NULL DEFAULT 'UTC',
    alone      INTEGER NOT NULL DEFAULT 0, -- 1: the only person of a bot.toml without [[people]]
    present    INTEGER NOT NULL DEFAULT 1, -- 0: no longer in bot.toml
    dm         TEXT,                       -- channel of their DM, once they have used it
    muted      INTEGER NOT NULL DEFAULT 0, -- 1: no notices
    receipts   TEXT                        -- 'message', 'reactions'; NULL: as in bot.toml
, listed_by TEXT NOT NULL DEFAULT 'config' CHECK (listed_by IN ('config', 'operator', 'added'))) STRICT;

CREATE TABLE pins (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id INTEGER NOT NULL REFERENCES people (id),
    task_id   INTEGER REFERENCES tasks (id),
    pinned_us INTEGER NOT NULL,
    shown_us  INTEGER -- since when the person could see it; a command typed earlier means the pin before
) STRICT;

CREATE TABLE lists (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id INTEGER NOT NULL REFERENCES people (id),
    shown_us  INTEGER
) STRICT;

CREATE TABLE list_items (
    list_id INTEGER NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    number  INTEGER NOT NULL,
    task_id INTEGER NOT NULL REFERENCES tasks (id),
    PRIMARY KEY (list_id, number)
) STRICT;

CREATE TABLE slack_events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    TEXT    NOT NULL,
    channel    TEXT    NOT NULL,
    said_us    INTEGER NOT NULL, -- Slack's clock
    heard      TEXT    NOT NULL, -- JSON: the parsed event
    raw        TEXT    NOT NULL, -- the payload, for audit; deleted after store.retention
    kept_ms    INTEGER NOT NULL,
    handled_ms INTEGER
) STRICT;

CREATE TABLE slack_event_keys (
    key      TEXT    PRIMARY KEY,
    event_id INTEGER NOT NULL REFERENCES slack_events (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE commands (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id   INTEGER NOT NULL REFERENCES people (id),
    surface     TEXT    NOT NULL CHECK (surface IN ('slack', 'api')),
    verb        TEXT    NOT NULL,
    typed_us    INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL,
    once_key    TEXT,                         -- Idempotency-Key
    fingerprint TEXT,                         -- of the request with that key
    queued_ms   INTEGER,                      -- the person was first informed that it waits
    settled_ms  INTEGER,                      -- each operation has its outcome
    moved       INTEGER NOT NULL DEFAULT 0,   -- 1: it has moved the pin
    next_pin    INTEGER REFERENCES pins (id), -- the pin after it
    report      TEXT,                         -- JSON: the newest reply
    snoozed     TEXT,                         -- JSON: the snoozed task, until when, and its snooze before
    undone_by   INTEGER,                      -- the command that undoes this one
    via         TEXT,                         -- how the surface was used: dm, button, cli, …
    uid         TEXT    NOT NULL DEFAULT '', token TEXT, part_of INTEGER, asks TEXT,  -- the id in buttons and forms: row ids differ between stores and copies
    UNIQUE (person_id, once_key)
) STRICT;

CREATE TABLE operations (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of typing
    id            TEXT    NOT NULL UNIQUE,           -- ULID, also the marker in written text
    command_id    INTEGER NOT NULL REFERENCES commands (id),
    lane          TEXT    NOT NULL,                  -- one person and one task: operations run one after the other (P3)
    source        TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    kind          TEXT    NOT NULL,
    task_key      TEXT,
    write         TEXT    NOT NULL,                  -- JSON
    state         TEXT    NOT NULL DEFAULT 'pending'
                          CHECK (state IN ('pending', 'applied', 'already_so', 'overtaken', 'refused', 'given_up', 'cancelled')),
    attempts      INTEGER NOT NULL DEFAULT 0,
    begun_us      INTEGER,                           -- first attempt: a search for its trace starts here
    interrupted   INTEGER NOT NULL DEFAULT 0,        -- 1: may have been sent, without a recorded answer
    looks         INTEGER NOT NULL DEFAULT 0,        -- searches for its trace
    not_before_ms INTEGER,
    why           TEXT,                              -- the last failure, in words
    refusal       TEXT,
    outcome       TEXT,
    trace         TEXT,                              -- id of the comment or task that it made
    created_ms    INTEGER NOT NULL,
    ended_ms      INTEGER,
    turn_ms       INTEGER,                           -- the next attempt, if its time is known
    sent_ms       INTEGER,                           -- the last attempt
    before        TEXT,                              -- the task's state before the last attempt, in the source's words
    withdrawn     INTEGER NOT NULL DEFAULT 0,        -- 1: not sent any more, only searched for
    set_aside     INTEGER NOT NULL DEFAULT 0         -- 1: it waits for `ivan retry`, and so does everything that depends on it
) STRICT;

CREATE TABLE messages (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uid             TEXT    NOT NULL UNIQUE,                   -- in the metadata of the post: a lost post is found by it
    channel         TEXT    NOT NULL,
    thread          TEXT,
    person_id       INTEGER REFERENCES people (id),
    command_id      INTEGER REFERENCES commands (id),
    pin_id          INTEGER REFERENCES pins (id),              -- the pin that it shows
    list_id         INTEGER REFERENCES lists (id) ON DELETE SET NULL, -- the list that it shows
    about           INTEGER REFERENCES tasks (id),             -- commands in its thread mean this task
    words           TEXT,                                      -- JSON: the text
    version         INTEGER NOT NULL DEFAULT 0,                -- of the text
    posted_version  INTEGER NOT NULL DEFAULT 0,                -- the version in Slack
    begun_us        INTEGER,                                   -- the first post was sent, without a recorded answer
    ts              TEXT,                                      -- Slack's id
    dropped         TEXT,                                      -- why it could not be posted
    created_ms      INTEGER NOT NULL,
    notice          INTEGER NOT NULL DEFAULT 0,                -- 1: sent without a command; `about` is its task
    parts           TEXT,                                      -- JSON: cards and buttons
    shows_version   INTEGER NOT NULL DEFAULT 0,                -- first version that shows the pin or list
    redraw          INTEGER NOT NULL DEFAULT 0,                -- 1: only its cards change
    reply_url       TEXT,                                      -- `response_url` of an ephemeral message; secret
    whisper_to      TEXT,                                      -- ephemeral: the Slack id of its reader
    whispers        INTEGER NOT NULL DEFAULT 0,                -- uses of reply_url so far
    in_channel      INTEGER NOT NULL DEFAULT 0,                -- 1: the channel sees a good outcome
    replaces        INTEGER NOT NULL DEFAULT 0,                -- 1: a good outcome replaces the pressed message
    asked_by        TEXT,                                      -- the Slack id of the person that it answers
    addressed_ms    INTEGER,                                   -- a press brought reply_url; NULL: the command did
    instead_of      TEXT,                                      -- uid of the message that a good outcome replaces
    tells_set_aside INTEGER NOT NULL DEFAULT 0,                -- 1: it reports work that was set aside; if it is set aside itself, no message follows
    begun_version   INTEGER NOT NULL DEFAULT 0                 -- version in the first post; 0: unknown
) STRICT;

CREATE TABLE deliveries (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    source     TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    dedupe_key TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    payload    BLOB    NOT NULL,
    kept_ms    INTEGER NOT NULL,
    handled_ms INTEGER,
    attempts   INTEGER NOT NULL DEFAULT 0,
    result     TEXT, -- its outcome
    UNIQUE (source, dedupe_key)
) STRICT;

CREATE TABLE hooks (
    source  TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    hook_id TEXT    NOT NULL,
    url     TEXT    NOT NULL,
    secret  TEXT    NOT NULL, -- for its signatures; ClickUp has one per webhook
    made_ms INTEGER NOT NULL, sealed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, hook_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE alarms (
    about    TEXT    NOT NULL PRIMARY KEY, -- 'github failing', 'clickup webhook'
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE comments (
    source     TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    comment_id TEXT    NOT NULL,
    heard_ms   INTEGER NOT NULL, -- our clock
    PRIMARY KEY (source, comment_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE pauses (
    source   TEXT    NOT NULL PRIMARY KEY CHECK (source IN ('clickup', 'github')),
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE snoozes (
    person_id INTEGER NOT NULL REFERENCES people (id),
    task_id   INTEGER NOT NULL REFERENCES tasks (id),
    until_ms  INTEGER NOT NULL, -- our clock: not in the person's queue before
    PRIMARY KEY (person_id, task_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE message_cards (
    task_id    INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    PRIMARY KEY (task_id, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE reply_urls (
    id      TEXT    PRIMARY KEY,
    user_id TEXT    NOT NULL,
    url     TEXT    NOT NULL,
    kept_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE made_from (
    channel    TEXT    NOT NULL,
    ts         TEXT    NOT NULL,
    command_id INTEGER REFERENCES commands (id) ON DELETE SET NULL,
    task_id    INTEGER REFERENCES tasks (id) ON DELETE CASCADE, -- once it exists
    PRIMARY KEY (channel, ts)
) STRICT, WITHOUT ROWID;

CREATE TABLE reactions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    channel    TEXT    NOT NULL,
    ts         TEXT    NOT NULL,                               -- of the person's message
    thread     TEXT,                                           -- for a text, if one is needed
    person_id  INTEGER REFERENCES people (id),
    command_id INTEGER REFERENCES commands (id) ON DELETE SET NULL, -- the command with this outcome
    alone      INTEGER NOT NULL DEFAULT 0,                     -- 1: no message shows the outcome
    refusals   INTEGER NOT NULL DEFAULT 0,                     -- 1: a refusal is shown too
    wanted     TEXT,                                           -- the reaction to place; NULL: none
    version    INTEGER NOT NULL DEFAULT 0,                     -- of `wanted`
    placed     INTEGER NOT NULL DEFAULT 0,                     -- the version in Slack
    may_stand  TEXT    NOT NULL DEFAULT '[]',                  -- JSON: reactions of ours that may be there
    dropped    TEXT,                                           -- why it could not be placed
    created_ms INTEGER NOT NULL,
    UNIQUE (channel, ts)
) STRICT;

CREATE TABLE homes (
    user_id   TEXT    PRIMARY KEY,
    dm        TEXT,                       -- presses are answered in this DM
    refusal   TEXT,                       -- why the person may not command
    opened_ms INTEGER NOT NULL,
    wanted    INTEGER NOT NULL DEFAULT 1, -- counts requests to publish
    published INTEGER NOT NULL DEFAULT 0, -- the request that was last fulfilled
    digest    TEXT,                       -- of the published content
    hash      TEXT                        -- Slack's hash of it
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    kept_ms   INTEGER NOT NULL,               -- our clock: written
    at_ms     INTEGER NOT NULL,               -- requested; for changes by others, the source's clock
    person_id INTEGER REFERENCES people (id), -- if it was one of our people
    account   TEXT,                           -- the account in the source, for changes made there
    surface   TEXT    NOT NULL
                      CHECK (surface IN ('dm', 'channel', 'button', 'reaction', 'slash', 'form', 'http', 'cli', 'slack', 'clickup', 'github')),
    verb      TEXT    NOT NULL,
    outcome   TEXT    NOT NULL CHECK (outcome IN ('done', 'already_so', 'refused', 'given_up', 'taken_back')),
    source    TEXT    CHECK (source IN ('clickup', 'github')),
    task_id   INTEGER REFERENCES tasks (id),
    task      TEXT,                           -- id, title and url as they were then
    title     TEXT    NOT NULL,
    url       TEXT    NOT NULL DEFAULT '',
    before    TEXT,                           -- in the source's words
    after     TEXT,
    text      TEXT,                           -- shortened
    detail    TEXT                            -- why it failed
, token TEXT) STRICT;

CREATE TABLE log_horizon (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    before_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE rhythms (
    person_id   INTEGER PRIMARY KEY REFERENCES people (id),
    briefing    TEXT,                                          -- 08:30 on working days, in the person's zone
    briefed_on  TEXT,                                          -- last day that is done: 2026-11-23
    quiet       TEXT,                                          -- 20:00-08:00
    no_briefing INTEGER NOT NULL DEFAULT 0 CHECK (no_briefing IN (0, 1)), -- 1: none, even if bot.toml has one
    no_quiet    INTEGER NOT NULL DEFAULT 0 CHECK (no_quiet IN (0, 1)) -- 1: none, even if bot.toml has them
) STRICT;

CREATE TABLE held (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id INTEGER NOT NULL REFERENCES people (id),
    task_id   INTEGER REFERENCES tasks (id),
    words     TEXT    NOT NULL,
    held_ms   INTEGER NOT NULL
, until_ms INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE links (
    person_id  INTEGER NOT NULL REFERENCES people (id),
    source     TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    origin     TEXT    NOT NULL CHECK (origin IN ('bot.toml', 'email', 'typed', 'unlinked')),
    configured TEXT,                           -- in bot.toml: a login, a member id
    account_id TEXT,                           -- the source's id; NULL: only the login in bot.toml is known
    name       TEXT,                           -- GitHub login, ClickUp name
    linked_by  INTEGER REFERENCES people (id), -- who typed it
    linked_ms  INTEGER,                        -- NULL: from bot.toml
    seen_ms    INTEGER,                        -- the source last confirmed it
    gone       INTEGER NOT NULL DEFAULT 0, proof TEXT,     -- 1: the source had no such account then
    PRIMARY KEY (person_id, source)
) STRICT;

CREATE TABLE dms (
    user_id TEXT NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL -- D…
) STRICT;

CREATE TABLE rhythm_defaults (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    briefing TEXT, -- 08:30; NULL: none
    quiet    TEXT  -- 20:00-08:00; NULL: none
) STRICT;

CREATE TABLE left_posts (
    uid     TEXT    PRIMARY KEY,
    left_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE shown_elsewhere (
    person_id INTEGER PRIMARY KEY REFERENCES people (id),
    until_us  INTEGER NOT NULL -- Slack's clock: the newest post that this store does not know
) STRICT;

CREATE TABLE compared (
    channel  TEXT    PRIMARY KEY,
    up_to_us INTEGER NOT NULL -- Slack's clock
) STRICT, WITHOUT ROWID;

CREATE TABLE running (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    since_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE begun_work (
    kind         TEXT    NOT NULL,
    item         TEXT    NOT NULL,
    ends         INTEGER NOT NULL DEFAULT 1,  -- crashes at which it was, or may have been, under way
    under_way    INTEGER NOT NULL DEFAULT 0,  -- committed before the work begins
    ended_ms     INTEGER NOT NULL DEFAULT 0,  -- the last of those crashes was noticed
    set_aside_ms INTEGER,
    until_ms     INTEGER,                     -- periodic work pauses until then
    about        TEXT    NOT NULL DEFAULT '', -- for `status`: without any person's text
    PRIMARY KEY (kind, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstones (
    source     TEXT    NOT NULL CHECK (source IN ('clickup', 'github')),
    source_key TEXT    NOT NULL,
    known_us   INTEGER NOT NULL DEFAULT 0, -- our clock: a report that was requested earlier is ignored
    gone       INTEGER NOT NULL DEFAULT 1, -- 1: deleted; 0: in a place that is not followed
    PRIMARY KEY (source, source_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE slack_since (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    since_us INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE mentions (
    task_id   INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL REFERENCES people (id),
    PRIMARY KEY (task_id, person_id)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE delivery_parts (
    delivery INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    part     INTEGER NOT NULL,
    bytes    BLOB    NOT NULL,
    PRIMARY KEY (delivery, part)
) STRICT;

CREATE TABLE arrivals (
    slack_id    TEXT    PRIMARY KEY NOT NULL,
    name        TEXT    NOT NULL,
    came_ms     INTEGER NOT NULL,           -- our clock
    welcomed_ms INTEGER,                    -- our clock; NULL: they were not welcomed yet
    asked_ms    INTEGER,                    -- our clock: operators were asked to add them; NULL: never
    answer      TEXT CHECK (answer IN ('added', 'refused')),
    answered_by TEXT                        -- name of the operator
) STRICT, WITHOUT ROWID;

CREATE TABLE personal_tokens (
    id         INTEGER PRIMARY KEY,
    person_id  INTEGER NOT NULL REFERENCES people (id),
    slack_id   TEXT    NOT NULL,                    -- the member who made it
    name       TEXT    NOT NULL COLLATE NOCASE,
    digest     BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    read_only  INTEGER NOT NULL,
    made_ms    INTEGER NOT NULL,                    -- our clock
    used_ms    INTEGER,                             -- our clock, to a few minutes; NULL: never
    message_id INTEGER,                             -- the message that shows it once; NULL if its user had it before
    shown_ms   INTEGER,                             -- our clock; NULL: that message is not posted yet
    UNIQUE (slack_id, name)
) STRICT;

CREATE TABLE generation (
    one           INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
    mark          TEXT    NOT NULL,
    lost_until_us INTEGER                   -- our clock; NULL: it was never put back
) STRICT;

CREATE TABLE talk (
    task_id INTEGER PRIMARY KEY NOT NULL REFERENCES tasks (id),
    text    TEXT    NOT NULL -- newest first, at most 16,384 characters
) STRICT;

CREATE VIRTUAL TABLE task_words USING fts5 (title, names, description, talk,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2');

CREATE VIEW linked_people AS
SELECT people.id, people.name, people.slack_id, people.zone, people.alone, people.present,
       ifnull(github.name, people.github) AS github, github.account_id AS github_id,
       ifnull(people.clickup_id, clickup.account_id) AS clickup_id, clickup.name AS clickup_name
FROM people
LEFT JOIN links github ON github.person_id = people.id AND github.source = 'github' AND github.origin <> 'unlinked'
LEFT JOIN links clickup ON clickup.person_id = people.id AND clickup.source = 'clickup' AND clickup.origin <> 'unlinked';

CREATE VIEW searched AS
    SELECT id, title, ifnull(entity, '') || ' ' || labels || ' ' || ifnull(custom_id, '') AS names,
        substr(description, 1, 16384) AS description, ifnull(text, '') AS talk
    FROM tasks LEFT JOIN talk ON talk.task_id = tasks.id;

CREATE INDEX tasks_open ON tasks (status) WHERE gone = 0;

CREATE INDEX tasks_by_id ON tasks (task_id);

CREATE INDEX tasks_custom_id ON tasks (source, custom_id COLLATE NOCASE) WHERE custom_id IS NOT NULL;

CREATE INDEX tasks_linked ON tasks (id) WHERE links <> '[]' AND status <> 'done' AND gone = 0 AND away = 0;

CREATE INDEX tasks_to_do ON tasks (id) WHERE status <> 'done' AND gone = 0 AND away = 0;

CREATE INDEX tasks_succeeded ON tasks (successor) WHERE successor IS NOT NULL;

CREATE UNIQUE INDEX people_by_slack ON people (slack_id) WHERE slack_id IS NOT NULL;

CREATE INDEX pins_by_person ON pins (person_id, id);

CREATE INDEX lists_by_person ON lists (person_id, id);

CREATE INDEX slack_events_waiting ON slack_events (user_id, said_us) WHERE handled_ms IS NULL;

CREATE INDEX slack_events_unhandled ON slack_events (id) WHERE handled_ms IS NULL;

CREATE INDEX slack_events_by_user ON slack_events (user_id, id);

CREATE INDEX slack_events_by_channel ON slack_events (channel, said_us);

CREATE INDEX slack_event_keys_by_event ON slack_event_keys (event_id);

CREATE INDEX commands_unsettled ON commands (id) WHERE settled_ms IS NULL;

CREATE INDEX commands_undone_by ON commands (undone_by) WHERE undone_by IS NOT NULL;

CREATE INDEX commands_by_person ON commands (person_id, id);

CREATE UNIQUE INDEX commands_by_uid ON commands (uid) WHERE uid <> '';

CREATE INDEX operations_pending ON operations (lane, seq) WHERE state = 'pending';

CREATE INDEX operations_by_command ON operations (command_id);

CREATE INDEX operations_by_task ON operations (source, task_key);

CREATE UNIQUE INDEX operations_trace ON operations (source, kind, trace) WHERE trace IS NOT NULL;

CREATE INDEX messages_by_command ON messages (command_id);

CREATE INDEX messages_by_ts ON messages (channel, ts);

CREATE INDEX messages_notices ON messages (person_id, about, id) WHERE notice = 1;

CREATE INDEX messages_by_thread ON messages (channel, thread) WHERE thread IS NOT NULL;

CREATE INDEX messages_by_about ON messages (about, id) WHERE about IS NOT NULL;

CREATE INDEX messages_instead_of ON messages (instead_of) WHERE instead_of IS NOT NULL;

CREATE INDEX messages_ready ON messages (CASE WHEN ts IS NULL THEN 1 WHEN redraw THEN 2 ELSE 0 END, id)
    WHERE dropped IS NULL AND words IS NOT NULL AND (ts IS NULL OR version > posted_version);

CREATE INDEX deliveries_waiting ON deliveries (id) WHERE handled_ms IS NULL;

CREATE INDEX comments_by_age ON comments (heard_ms);

CREATE INDEX message_cards_by_message ON message_cards (message_id);

CREATE INDEX made_from_by_command ON made_from (command_id);

CREATE INDEX made_from_by_task ON made_from (task_id);

CREATE INDEX reactions_due ON reactions (id) WHERE dropped IS NULL AND version > placed;

CREATE INDEX reactions_by_command ON reactions (command_id);

CREATE INDEX homes_by_opened ON homes (opened_ms);

CREATE INDEX log_by_person ON log (person_id, id);

CREATE INDEX log_by_task ON log (task_id, id);

CREATE INDEX log_by_age ON log (kept_ms);

CREATE TRIGGER log_is_not_changed
    BEFORE UPDATE OF id, kept_ms, at_ms, person_id, account, surface, verb, outcome, source, task, title, url, before, after, text,
        detail ON log
BEGIN
    SELECT raise(ABORT, 'the log is only added to');
END;

CREATE TRIGGER log_is_forgotten_by_age_alone
    BEFORE DELETE ON log WHEN old.kept_ms >= (SELECT before_ms FROM log_horizon)
BEGIN
    SELECT raise(ABORT, 'the log forgets by age alone');
END;

CREATE TRIGGER log_horizon_goes_forward
    BEFORE UPDATE ON log_horizon WHEN new.before_ms < old.before_ms
BEGIN
    SELECT raise(ABORT, 'what the log has forgotten does not come back');
END;

CREATE TRIGGER log_horizon_stays
    BEFORE DELETE ON log_horizon
BEGIN
    SELECT raise(ABORT, 'the log has a horizon');
END;

CREATE INDEX held_by_person ON held (person_id, id);

CREATE INDEX held_by_age ON held (held_ms);

CREATE UNIQUE INDEX links_by_account ON links (source, account_id) WHERE account_id IS NOT NULL;

CREATE INDEX dms_by_channel ON dms (channel);

CREATE INDEX left_posts_by_age ON left_posts (left_ms);

CREATE INDEX tombstones_by_age ON tombstones (known_us);

CREATE INDEX people_alone ON people (id) WHERE alone = 1;

CREATE INDEX people_by_github ON people (github COLLATE NOCASE) WHERE github IS NOT NULL;

CREATE INDEX people_by_clickup ON people (clickup_id) WHERE clickup_id IS NOT NULL;

CREATE INDEX links_by_login ON links (source, name COLLATE NOCASE) WHERE account_id IS NULL;

CREATE INDEX pins_by_task ON pins (task_id) WHERE task_id IS NOT NULL;

CREATE INDEX commands_by_next_pin ON commands (next_pin) WHERE next_pin IS NOT NULL;

CREATE INDEX messages_by_pin ON messages (pin_id) WHERE pin_id IS NOT NULL;

CREATE INDEX messages_by_list ON messages (list_id) WHERE list_id IS NOT NULL;

CREATE INDEX messages_with_url ON messages (id) WHERE reply_url IS NOT NULL;

CREATE INDEX held_by_task ON held (task_id) WHERE task_id IS NOT NULL;

CREATE INDEX snoozes_by_task ON snoozes (task_id);

CREATE INDEX list_items_by_task ON list_items (task_id);

CREATE INDEX snoozes_by_age ON snoozes (until_ms);

CREATE INDEX link_requests_of_account ON link_requests (source, account_id);

CREATE INDEX people_added ON people (id) WHERE listed_by <> 'config';

CREATE INDEX arrivals_open ON arrivals (asked_ms) WHERE asked_ms IS NOT NULL AND answer IS NULL;

CREATE INDEX personal_tokens_unshown ON personal_tokens (id) WHERE shown_ms IS NULL;

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

CREATE INDEX commands_part_of ON commands (part_of, id) WHERE part_of IS NOT NULL;

CREATE INDEX tasks_children ON tasks (source, parent) WHERE parent IS NOT NULL;

INSERT INTO log_horizon VALUES (1, 0);
INSERT INTO rhythm_defaults VALUES (1, NULL, NULL);
INSERT INTO sqlite_sequence VALUES ('people', 100);
