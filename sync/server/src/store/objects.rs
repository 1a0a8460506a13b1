//! Which objects a stick or a workspace has here, and the quotas they count against.

use std::collections::HashSet;

use gobag_protocol::ids::ObjectId;
use sqlx::{AssertSqlSafe, Row};

use super::{
    OwnerKey,
    database::{Database, Write, places},
    prune::{self, Tombstone},
    signed,
    space::{Space, charge, refund},
    unsigned,
};
use crate::{config::Quotas, refusal::Answer};

/// Seconds after which an object that is put again is noted as new again.
const TOUCHED_S: u64 = 3600;
/// Ids in one query.
const BATCH: usize = 500;

/// Those of `ids` that the owner does not have here, each once, in their order.
pub async fn missing(database: &Database, owner: &OwnerKey, ids: &[ObjectId]) -> Answer<Vec<ObjectId>> {
    let mut seen = HashSet::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        let sql = format!(
            "SELECT id FROM objects WHERE tenant = $1 AND bundle = $2 AND id IN {}",
            places(2, 1, batch.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(owner.tenant())
            .bind(owner.bundle());
        for id in batch {
            query = query.bind(id.as_bytes().to_vec());
        }
        for row in query.fetch_all(database.read()).await? {
            seen.insert(row.try_get::<Vec<u8>, _>(0)?);
        }
    }
    let mut missing = Vec::new();
    for id in ids {
        if seen.insert(id.as_bytes().to_vec()) {
            missing.push(*id);
        }
    }
    Ok(missing)
}

/// Whether the object is here; then it counts as new again, so that pruning leaves it to the point that is to come.
pub async fn touch(database: &Database, owner: &OwnerKey, id: ObjectId, now_s: u64) -> Answer<bool> {
    let row = sqlx::query("SELECT stored_s FROM objects WHERE tenant = $1 AND bundle = $2 AND id = $3")
        .bind(owner.tenant())
        .bind(owner.bundle())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(database.read())
        .await?;
    let Some(row) = row else { return Ok(false) };
    if unsigned(row.try_get(0)?) + TOUCHED_S > now_s {
        return Ok(true);
    }
    let mut write = database.write().await?;
    let there = sqlx::query("UPDATE objects SET stored_s = $4 WHERE tenant = $1 AND bundle = $2 AND id = $3")
        .bind(owner.tenant())
        .bind(owner.bundle())
        .bind(id.as_bytes().to_vec())
        .bind(signed(now_s))
        .execute(write.connection())
        .await?;
    write.commit().await?;
    Ok(there.rows_affected() == 1)
}

/// How many bytes the object has; `None` if the owner has none of this id here.
pub async fn len(database: &Database, owner: &OwnerKey, id: ObjectId) -> Answer<Option<u64>> {
    let row = sqlx::query("SELECT bytes FROM objects WHERE tenant = $1 AND bundle = $2 AND id = $3")
        .bind(owner.tenant())
        .bind(owner.bundle())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(database.read())
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.map(unsigned))
}

/// Forgets objects whose bytes are gone, and gives their space back; the owner's row is held. How many there were.
pub async fn forget(write: &mut Write, owner: &OwnerKey, ids: &[ObjectId]) -> Answer<u64> {
    let (mut count, mut bytes) = (0, 0);
    for id in ids {
        let row =
            sqlx::query("DELETE FROM objects WHERE tenant = $1 AND bundle = $2 AND id = $3 RETURNING bytes")
                .bind(owner.tenant())
                .bind(owner.bundle())
                .bind(id.as_bytes().to_vec())
                .fetch_optional(write.connection())
                .await?;
        if let Some(row) = row {
            count += 1;
            bytes += row.try_get::<i64, _>(0)?;
        }
    }
    refund(write, owner, Space::Objects, bytes).await?;
    Ok(count)
}

/// Notes an object whose bytes are durable, and were written under this tombstone. Whether it was new.
pub async fn note(
    database: &Database,
    owner: &OwnerKey,
    id: ObjectId,
    bytes: usize,
    tombstone: Tombstone,
    now_s: u64,
    quotas: &Quotas,
) -> Answer<bool> {
    let bytes = signed(bytes as u64);
    let mut write = database.write().await?;
    let inserted = sqlx::query(
        "INSERT INTO objects (tenant, bundle, id, bytes, stored_s) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(owner.tenant())
    .bind(owner.bundle())
    .bind(id.as_bytes().to_vec())
    .bind(bytes)
    .bind(signed(now_s))
    .execute(write.connection())
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    // Holds the owner's row, which `revive` relies on: pruning takes strays under it.
    charge(&mut write, owner, Space::Objects, bytes, quotas).await?;
    prune::revive(&mut write, owner, id, tombstone).await?;
    write.commit().await?;
    Ok(true)
}
