-- A large payload is stored in parts, and its delivery's payload is empty: SQLite copies a value on its way into a row,
-- and the whole row when the delivery is marked as processed.
CREATE TABLE delivery_parts (
    delivery INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    part     INTEGER NOT NULL,
    bytes    BLOB    NOT NULL,
    PRIMARY KEY (delivery, part)
) STRICT;
