-- A Slack id is the person, and a name is a label. A change of name used to make another row of the same id: the one that
-- is configured, or else the newest, keeps the id and gets what the other had chosen.
UPDATE OR IGNORE links SET person_id = (SELECT keeps.id FROM people had JOIN people keeps ON keeps.slack_id = had.slack_id
        WHERE had.id = links.person_id ORDER BY keeps.present DESC, keeps.id DESC LIMIT 1)
    WHERE person_id IN (SELECT id FROM people WHERE slack_id IS NOT NULL);
UPDATE OR IGNORE snoozes SET person_id = (SELECT keeps.id FROM people had JOIN people keeps ON keeps.slack_id = had.slack_id
        WHERE had.id = snoozes.person_id ORDER BY keeps.present DESC, keeps.id DESC LIMIT 1)
    WHERE person_id IN (SELECT id FROM people WHERE slack_id IS NOT NULL);
UPDATE OR IGNORE rhythms SET person_id = (SELECT keeps.id FROM people had JOIN people keeps ON keeps.slack_id = had.slack_id
        WHERE had.id = rhythms.person_id ORDER BY keeps.present DESC, keeps.id DESC LIMIT 1)
    WHERE person_id IN (SELECT id FROM people WHERE slack_id IS NOT NULL);
UPDATE people SET name = name || ' (' || slack_id || ' ' || id || ')', slack_id = NULL, dm = NULL, present = 0
    WHERE slack_id IS NOT NULL AND id <> (SELECT keeps.id FROM people keeps WHERE keeps.slack_id = people.slack_id
        ORDER BY keeps.present DESC, keeps.id DESC LIMIT 1);
CREATE UNIQUE INDEX people_by_slack ON people (slack_id) WHERE slack_id IS NOT NULL;
-- Another id used to keep the DM of the former account.
UPDATE people SET dm = NULL WHERE dm IS NOT NULL AND slack_id IS NOT NULL
    AND EXISTS (SELECT 1 FROM slack_events WHERE channel = people.dm AND user_id <> people.slack_id);
