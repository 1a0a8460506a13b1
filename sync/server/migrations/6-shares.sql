-- Shares of sticks that open only together with one. The shares themselves are nowhere: they follow from the server's key and their names, which sticks keep.
CREATE TABLE shares (
    tenant TEXT NOT NULL,
    bundle BLOB NOT NULL,
    made BIGINT NOT NULL,            -- number of the last share made
    held BIGINT NOT NULL,            -- number of the share that the whole header of the stick wants: none from before is given
    wrong BIGINT NOT NULL,           -- wrong passphrases since the last right one
    locked_until_s BIGINT NOT NULL,  -- nothing is looked at before; 0: no such time
    PRIMARY KEY (tenant, bundle)
);
