-- Whether the secret is encrypted with the store's key. The first start after this migration encrypts all others.
ALTER TABLE hooks ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
