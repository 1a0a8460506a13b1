-- What the server believes of its own clock, of who prunes, and how much the rows of a stick take.

-- The newest time that a believed clock told; one row.
CREATE TABLE clock (
    one BIGINT PRIMARY KEY,
    mark_s BIGINT NOT NULL
);

ALTER TABLE points ADD COLUMN doubted BIGINT NOT NULL DEFAULT 0;  -- 1: made while the clock was not believed
CREATE INDEX points_doubted ON points (doubted) WHERE doubted = 1;

-- Goes up each time somebody else takes the lock.
ALTER TABLE locks ADD COLUMN fence BIGINT NOT NULL DEFAULT 0;

-- Against the quotas, besides objects: each row counts 128 bytes, and what it has of heads and labels.
ALTER TABLE sticks ADD COLUMN row_bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN row_bytes BIGINT NOT NULL DEFAULT 0;
UPDATE sticks SET row_bytes =
    (SELECT 128 * COUNT(*) + COALESCE(SUM(LENGTH(head)), 0) FROM points p
        WHERE p.tenant = sticks.tenant AND p.bundle = sticks.bundle)
    + (SELECT 128 * COUNT(*) + COALESCE(SUM(LENGTH(label)), 0) FROM bookmarks b
        WHERE b.tenant = sticks.tenant AND b.bundle = sticks.bundle)
    + (SELECT 128 * COUNT(*) FROM refs r WHERE r.tenant = sticks.tenant AND r.bundle = sticks.bundle)
    + (SELECT 128 * COUNT(*) FROM parts p WHERE p.tenant = sticks.tenant AND p.bundle = sticks.bundle);
UPDATE tenants SET row_bytes = (SELECT COALESCE(SUM(s.row_bytes), 0) FROM sticks s WHERE s.tenant = tenants.tenant);
