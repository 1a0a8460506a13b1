-- What one can go back to, and what may go.

ALTER TABLE points ADD COLUMN complete BIGINT NOT NULL DEFAULT 1;   -- 0: progress of a first copy
ALTER TABLE points ADD COLUMN drilled_s BIGINT NOT NULL DEFAULT 0;  -- 0: no drill has proved it
CREATE INDEX points_by_time ON points (tenant, bundle, line, time_s);
CREATE INDEX parts_of_object ON parts (tenant, bundle, id);

-- The policy of a tenant, JSON.
CREATE TABLE policies (
    tenant TEXT PRIMARY KEY REFERENCES tenants (tenant),
    policy TEXT NOT NULL
);

-- Objects whose row is gone: while `gone_s` is 0 their bytes are being removed; after it they stay for an hour, for uploads that began before.
CREATE TABLE dying (
    tenant TEXT NOT NULL,
    bundle BLOB NOT NULL,
    id BLOB NOT NULL,
    gone_s BIGINT NOT NULL,
    PRIMARY KEY (tenant, bundle, id)
);

-- Work that one replica at a time does.
CREATE TABLE locks (
    name TEXT PRIMARY KEY,
    holder BLOB NOT NULL,
    until_s BIGINT NOT NULL
);
