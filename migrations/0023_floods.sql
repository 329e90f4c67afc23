-- Who is acted for next, and what is posted next, is found without a look at all that waits behind it.
CREATE INDEX slack_events_unhandled ON slack_events (id) WHERE handled_ms IS NULL;
CREATE INDEX slack_events_by_user ON slack_events (user_id, id);
CREATE INDEX slack_events_by_channel ON slack_events (channel, said_us);
DROP INDEX messages_due;
CREATE INDEX messages_ready ON messages (CASE WHEN ts IS NULL THEN 1 WHEN redraw THEN 2 ELSE 0 END, id)
    WHERE dropped IS NULL AND words IS NOT NULL AND (ts IS NULL OR version > posted_version);
