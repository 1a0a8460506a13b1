-- Leases, and what became of revoked sticks.

-- The last lease of a stick and its renewals; tokens as digests.
CREATE TABLE leases (
    tenant TEXT NOT NULL,
    bundle BLOB NOT NULL,
    org BLOB NOT NULL,
    team TEXT NOT NULL,             -- the group that the lease names
    number BIGINT NOT NULL,         -- of the lease, and of the token that counts
    token BLOB NOT NULL,            -- the token that counts
    taken BLOB NOT NULL,            -- the one before it, and the request that took it; no bytes: none yet
    request BLOB NOT NULL,
    suspended BIGINT NOT NULL,      -- 1: two copies were seen
    lease TEXT NOT NULL,
    expires_s BIGINT NOT NULL,
    PRIMARY KEY (tenant, bundle)
);

ALTER TABLE enrolments ADD COLUMN team TEXT NOT NULL DEFAULT 'everyone';
ALTER TABLE sticks ADD COLUMN revoked_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE sticks ADD COLUMN revoked_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sticks ADD COLUMN erased_s BIGINT NOT NULL DEFAULT 0;   -- 0: the stick has not said that it erased its key slots

-- What has to be the same at every replica.
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);
