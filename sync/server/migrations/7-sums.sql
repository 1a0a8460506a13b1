-- What a tenant takes is the sum of what its sticks take.
ALTER TABLE tenants DROP COLUMN bytes;
ALTER TABLE tenants DROP COLUMN row_bytes;
