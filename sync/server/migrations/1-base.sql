-- What the server knows. Written once for both databases: for PostgreSQL the word BLOB is read as BYTEA.
-- Every table begins with the tenant, and every query names it.

CREATE TABLE tenants (
    tenant TEXT PRIMARY KEY,
    bytes BIGINT NOT NULL,          -- of all objects, against the tenant's quota
    audit_number BIGINT NOT NULL,   -- the end of the audit log's chain
    audit_hash BLOB NOT NULL
);

CREATE TABLE sticks (
    tenant TEXT NOT NULL REFERENCES tenants (tenant),
    bundle BLOB NOT NULL,
    person TEXT NOT NULL,
    public_key BLOB NOT NULL,
    revoked BIGINT NOT NULL,        -- 0 or 1
    enrolled_s BIGINT NOT NULL,
    last_contact_s BIGINT NOT NULL,
    bytes BIGINT NOT NULL,          -- of its objects, against its quota
    PRIMARY KEY (tenant, bundle)
);

CREATE TABLE enrolments (
    token_hash BLOB PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (tenant),
    bundle BLOB NOT NULL,
    person TEXT NOT NULL,
    ends_s BIGINT NOT NULL,
    used_by BLOB NOT NULL           -- the public key that used it; no bytes: nobody yet
);

CREATE TABLE people (
    token_hash BLOB PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (tenant),
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    made_s BIGINT NOT NULL
);

CREATE TABLE objects (
    tenant TEXT NOT NULL,
    bundle BLOB NOT NULL,
    id BLOB NOT NULL,
    bytes BIGINT NOT NULL,
    stored_s BIGINT NOT NULL,
    PRIMARY KEY (tenant, bundle, id)
);

-- Of two writers of one generation, on one replica or on two, the primary key lets one through.
CREATE TABLE points (
    tenant TEXT NOT NULL,
    bundle BLOB NOT NULL,
    line TEXT NOT NULL,
    generation BIGINT NOT NULL,
    time_s BIGINT NOT NULL,
    head BLOB NOT NULL,
    request BLOB NOT NULL,
    added BIGINT NOT NULL,
    dropped BIGINT NOT NULL,
    PRIMARY KEY (tenant, bundle, line, generation),
    UNIQUE (tenant, bundle, line, request)
);

CREATE TABLE bookmarks (
    tenant TEXT NOT NULL,
    bundle BLOB NOT NULL,
    line TEXT NOT NULL,
    generation BIGINT NOT NULL,
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    label BLOB NOT NULL,
    PRIMARY KEY (tenant, bundle, line, generation, number)
);

-- An object is needed by the points from `born` to before `died`; 0: not dropped yet.
CREATE TABLE refs (
    tenant TEXT NOT NULL,
    bundle BLOB NOT NULL,
    line TEXT NOT NULL,
    id BLOB NOT NULL,
    born BIGINT NOT NULL,
    died BIGINT NOT NULL,
    PRIMARY KEY (tenant, bundle, line, id, born)
);
CREATE INDEX refs_of_object ON refs (tenant, bundle, id);

-- Ids of points to come; those of a point being made go through here, too.
CREATE TABLE parts (
    tenant TEXT NOT NULL,
    bundle BLOB NOT NULL,
    line TEXT NOT NULL,
    request BLOB NOT NULL,
    adds BIGINT NOT NULL,           -- 1: added, 0: dropped
    id BLOB NOT NULL,
    stored_s BIGINT NOT NULL,
    PRIMARY KEY (tenant, bundle, line, request, adds, id)
);

CREATE TABLE memories (
    tenant TEXT NOT NULL,
    bundle BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (tenant, bundle)
);

CREATE TABLE results (
    tenant TEXT NOT NULL,
    bundle BLOB NOT NULL,
    number BIGINT NOT NULL,
    digest BLOB NOT NULL,
    time_s BIGINT NOT NULL,
    envelope BLOB NOT NULL,
    PRIMARY KEY (tenant, bundle, number),
    UNIQUE (tenant, bundle, digest)
);

CREATE TABLE audit (
    tenant TEXT NOT NULL REFERENCES tenants (tenant),
    number BIGINT NOT NULL,
    time_s BIGINT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    about TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (tenant, number)
);
