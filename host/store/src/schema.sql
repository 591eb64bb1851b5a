-- Version 1. Released versions are never edited: a change is one more step.

CREATE TABLE kv (
    tenant  TEXT NOT NULL,
    plugin  TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   BLOB NOT NULL,
    expires INTEGER,                    -- milliseconds since 1970; NULL: never
    PRIMARY KEY (tenant, plugin, key)
) STRICT;
CREATE INDEX kv_expires ON kv (expires) WHERE expires IS NOT NULL;

-- Bytes in use by each space, kept by triggers so that no way of changing kv can forget it.
-- Each pair is charged 64 bytes for its row, so that empty pairs are not free.
CREATE TABLE usage (
    tenant TEXT NOT NULL,
    plugin TEXT NOT NULL,
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (tenant, plugin)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER kv_inserted AFTER INSERT ON kv BEGIN
    INSERT INTO usage VALUES (new.tenant, new.plugin, 64 + octet_length(new.key) + octet_length(new.value))
        ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER kv_updated AFTER UPDATE OF value ON kv BEGIN
    UPDATE usage SET bytes = bytes + octet_length(new.value) - octet_length(old.value)
        WHERE tenant = new.tenant AND plugin = new.plugin;
END;
CREATE TRIGGER kv_deleted AFTER DELETE ON kv BEGIN
    UPDATE usage SET bytes = bytes - 64 - octet_length(old.key) - octet_length(old.value)
        WHERE tenant = old.tenant AND plugin = old.plugin;
END;

CREATE TABLE api_keys (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    tenant  TEXT NOT NULL,
    sha256  BLOB NOT NULL UNIQUE,
    created INTEGER NOT NULL            -- seconds since 1970
) STRICT;

-- Counts the changes to the keys, so that every process notices those of the others.
CREATE TABLE api_key_changes (number INTEGER NOT NULL) STRICT;
INSERT INTO api_key_changes VALUES (0);
CREATE TRIGGER api_key_added AFTER INSERT ON api_keys BEGIN UPDATE api_key_changes SET number = number + 1; END;
CREATE TRIGGER api_key_changed AFTER UPDATE ON api_keys BEGIN UPDATE api_key_changes SET number = number + 1; END;
CREATE TRIGGER api_key_removed AFTER DELETE ON api_keys BEGIN UPDATE api_key_changes SET number = number + 1; END;
