-- Workspaces: histories that several sticks share. Objects, lines and points are of an owner: a stick, or a workspace, whose number is in the place
-- of the bundle's.

-- Whoever counts at this moment has to wait, or hears of it: what is read next is what there is.
ALTER TABLE sticks RENAME COLUMN bytes TO object_bytes;
CREATE TABLE owners (
    tenant TEXT NOT NULL REFERENCES tenants (tenant),
    bundle BLOB NOT NULL,
    kind TEXT NOT NULL,             -- `stick` or `workspace`: no number is both
    bytes BIGINT NOT NULL,          -- of its objects, against its quota
    row_bytes BIGINT NOT NULL,      -- of its rows, against the same quota: each row counts 128 bytes, and what it has of heads and labels
    PRIMARY KEY (tenant, bundle)
);
INSERT INTO owners (tenant, bundle, kind, bytes, row_bytes) SELECT tenant, bundle, 'stick', object_bytes, row_bytes FROM sticks;
ALTER TABLE sticks DROP COLUMN object_bytes;
ALTER TABLE sticks DROP COLUMN row_bytes;

CREATE TABLE workspaces (
    tenant TEXT NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    made_s BIGINT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, name),
    FOREIGN KEY (tenant, id) REFERENCES owners (tenant, bundle)
);

CREATE TABLE workspace_members (
    tenant TEXT NOT NULL,
    workspace BLOB NOT NULL,
    bundle BLOB NOT NULL,           -- the stick
    role TEXT NOT NULL,
    since_s BIGINT NOT NULL,
    PRIMARY KEY (tenant, workspace, bundle),
    FOREIGN KEY (tenant, workspace) REFERENCES workspaces (tenant, id)
);
CREATE INDEX workspaces_of_stick ON workspace_members (tenant, bundle);

-- The member that made it, 32 digits; no text: the stick whose line it is.
ALTER TABLE points ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
