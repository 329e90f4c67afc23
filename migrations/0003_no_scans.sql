-- Indexes for clean-up, and for the tasks of other rows, that read whole tables before.

CREATE INDEX messages_with_url ON messages (id) WHERE reply_url IS NOT NULL;
CREATE INDEX held_by_task ON held (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX snoozes_by_task ON snoozes (task_id);
CREATE INDEX list_items_by_task ON list_items (task_id);
CREATE INDEX snoozes_by_age ON snoozes (until_ms);
