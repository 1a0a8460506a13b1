//! The rows of pruning. Everything that takes rows away holds the owner's row.

use std::collections::BTreeMap;

use gobag_protocol::{ids::ObjectId, limits::UNUSED_KEPT_S, people::Pruned, policy::Retention};
use sqlx::{AssertSqlSafe, Row, any::AnyArguments};

use crate::{
    refusal::{Answer, Refusal},
    retention::{self, Kept, Line, Need},
    store::{
        OwnerKey,
        database::{Database, Write, places},
        owners, signed,
        space::{self, Space},
        ticks, unsigned,
    },
};

/// Rows in one statement.
pub(super) const BATCH: usize = 500;

/// An object that nothing needs: no interval, no part of a point to come, and old enough.
const UNUSED: &str = "o.tenant = $1 AND o.bundle = $2 AND o.stored_s < $3 \
    AND NOT EXISTS (SELECT 1 FROM refs r WHERE r.tenant = o.tenant AND r.bundle = o.bundle AND r.id = o.id) \
    AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.tenant = o.tenant AND p.bundle = o.bundle AND p.id = o.id)";

type Query = sqlx::query::Query<'static, sqlx::Any, AnyArguments>;

fn of_owner(owner: &OwnerKey, sql: impl Into<String>) -> Query {
    sqlx::query(AssertSqlSafe(sql.into()))
        .bind(owner.tenant())
        .bind(owner.bundle())
}

/// Takes away the points that go, their bookmarks, intervals that no point needs, and parts that no point came for.
pub(super) async fn points(
    write: &mut Write,
    owner: &OwnerKey,
    retention: Option<&Retention>,
    now_s: u64,
) -> Answer<Pruned> {
    owners::hold(write, owner).await?;
    end_future(write, owner, now_s).await?;
    let mut pruned = Pruned::default();
    if let Some(retention) = retention {
        let (names, lines) = lines(write, owner, retention).await?;
        let gone = retention::prune(retention, &lines, now_s);
        for (name, gone) in names.iter().zip(gone) {
            pruned.points += gone.len() as u64;
            for batch in gone.chunks(BATCH) {
                take_points(write, owner, name, batch).await?;
            }
            if !gone.is_empty() {
                take_intervals(write, owner, name).await?;
            }
        }
    }
    let parts = "DELETE FROM parts WHERE tenant = $1 AND bundle = $2 AND stored_s < $3";
    let parts = of_owner(owner, parts).bind(signed(now_s.saturating_sub(UNUSED_KEPT_S)));
    pruned.parts = parts.execute(write.connection()).await?.rows_affected();
    space::refund(write, owner, Space::Rows, signed(pruned.parts) * space::ROW).await?;
    Ok(pruned)
}

/// What a clock noted that was wrong, and is not believed any more, counts as of now.
async fn end_future(write: &mut Write, owner: &OwnerKey, now_s: u64) -> Answer<()> {
    for (table, column) in [
        ("points", "time_s"),
        ("points", "drilled_s"),
        ("objects", "stored_s"),
        ("parts", "stored_s"),
        ("sticks", "last_contact_s"),
    ] {
        let sql =
            format!("UPDATE {table} SET {column} = $3 WHERE tenant = $1 AND bundle = $2 AND {column} > $4");
        let query = of_owner(owner, sql).bind(signed(now_s));
        let query = query.bind(signed(now_s + ticks::SKEW_S));
        query.execute(write.connection()).await?;
    }
    Ok(())
}

async fn lines(
    write: &mut Write,
    owner: &OwnerKey,
    retention: &Retention,
) -> Answer<(Vec<String>, Vec<Line>)> {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    let sql = "SELECT p.line, p.generation, p.time_s, p.complete, p.drilled_s, \
         (SELECT COUNT(*) FROM bookmarks b WHERE b.tenant = p.tenant AND b.bundle = p.bundle AND b.line = p.line \
         AND b.generation = p.generation AND b.kind <> 'automatic') FROM points p WHERE p.tenant = $1 AND p.bundle = $2";
    for row in of_owner(owner, sql).fetch_all(write.connection()).await? {
        let point = Kept {
            generation: unsigned(row.try_get(1)?),
            time_s: unsigned(row.try_get(2)?),
            complete: row.try_get::<i64, _>(3)? != 0,
            drilled_s: unsigned(row.try_get(4)?),
            bookmarked: row.try_get::<i64, _>(5)? != 0,
        };
        lines.entry(row.try_get(0)?).or_default().points.push(point);
    }
    if retention.space_bytes.is_some() {
        let sql = "SELECT r.line, r.born, r.died, CAST(SUM(o.bytes) AS BIGINT) FROM refs r \
             JOIN objects o ON o.tenant = r.tenant AND o.bundle = r.bundle AND o.id = r.id \
             WHERE r.tenant = $1 AND r.bundle = $2 GROUP BY r.line, r.born, r.died";
        for row in of_owner(owner, sql).fetch_all(write.connection()).await? {
            let need = Need {
                born: unsigned(row.try_get(1)?),
                died: unsigned(row.try_get(2)?),
                bytes: unsigned(row.try_get(3)?),
            };
            lines.entry(row.try_get(0)?).or_default().needs.push(need);
        }
    }
    Ok(lines.into_iter().unzip())
}

async fn take_points(write: &mut Write, owner: &OwnerKey, line: &str, generations: &[u64]) -> Answer<()> {
    for (table, counted) in [("bookmarks", "label"), ("points", "head")] {
        let rows = format!(
            "FROM {table} WHERE tenant = $1 AND bundle = $2 AND line = $3 AND generation IN {}",
            places(3, 1, generations.len())
        );
        let of_rows = |sql: String| {
            let query = of_owner(owner, sql).bind(line.to_owned());
            generations
                .iter()
                .fold(query, |query, generation| query.bind(signed(*generation)))
        };
        let row = space::ROW;
        let counted = of_rows(format!(
            "SELECT CAST({row} * COUNT(*) + COALESCE(SUM(LENGTH({counted})), 0) AS BIGINT) {rows}"
        ));
        let bytes: i64 = counted.fetch_one(write.connection()).await?.try_get(0)?;
        of_rows(format!("DELETE {rows}"))
            .execute(write.connection())
            .await?;
        space::refund(write, owner, Space::Rows, bytes).await?;
    }
    Ok(())
}

/// Intervals in which no point is left. Those that the newest point needs have no end, or one after it.
async fn take_intervals(write: &mut Write, owner: &OwnerKey, line: &str) -> Answer<()> {
    let sql = "DELETE FROM refs WHERE tenant = $1 AND bundle = $2 AND line = $3 AND died <> 0 AND NOT EXISTS \
         (SELECT 1 FROM points p WHERE p.tenant = $1 AND p.bundle = $2 AND p.line = $3 \
         AND p.generation >= refs.born AND p.generation < refs.died)";
    let query = of_owner(owner, sql).bind(line.to_owned());
    let gone = query.execute(write.connection()).await?.rows_affected();
    space::refund(write, owner, Space::Rows, signed(gone) * space::ROW).await
}

/// How many objects nothing needs, and their bytes.
pub(super) async fn count_unused(write: &mut Write, owner: &OwnerKey, now_s: u64) -> Answer<(u64, u64)> {
    let sql =
        format!("SELECT COUNT(*), CAST(COALESCE(SUM(o.bytes), 0) AS BIGINT) FROM objects o WHERE {UNUSED}");
    let row = of_owner(owner, sql)
        .bind(signed(now_s.saturating_sub(UNUSED_KEPT_S)))
        .fetch_one(write.connection())
        .await?;
    Ok((unsigned(row.try_get(0)?), unsigned(row.try_get(1)?)))
}

/// Takes the rows of some objects that nothing needs; how many, and their bytes.
pub(super) async fn take_unused(write: &mut Write, owner: &OwnerKey, now_s: u64) -> Answer<(u64, u64)> {
    owners::hold(write, owner).await?;
    let sql = format!("SELECT o.id, o.bytes FROM objects o WHERE {UNUSED} LIMIT {BATCH}");
    let rows = of_owner(owner, sql)
        .bind(signed(now_s.saturating_sub(UNUSED_KEPT_S)))
        .fetch_all(write.connection())
        .await?;
    let (mut ids, mut bytes) = (Vec::new(), 0);
    for row in &rows {
        ids.push(row.try_get::<Vec<u8>, _>(0)?);
        bytes += unsigned(row.try_get(1)?);
    }
    if ids.is_empty() {
        return Ok((0, 0));
    }
    let sql = format!(
        "DELETE FROM objects WHERE tenant = $1 AND bundle = $2 AND id IN {}",
        places(2, 1, ids.len())
    );
    let query = ids
        .iter()
        .fold(of_owner(owner, sql), |query, id| query.bind(id.clone()));
    query.execute(write.connection()).await?;
    let count = ids.len() as u64;
    take(write, owner, ids).await?;
    space::refund(write, owner, Space::Objects, signed(bytes)).await?;
    Ok((count, bytes))
}

/// Of these ids of bytes in the store, takes those that have no row.
pub(super) async fn take_strays(write: &mut Write, owner: &OwnerKey, ids: &[ObjectId]) -> Answer<u64> {
    owners::hold(write, owner).await?;
    let mut strays: Vec<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
    for table in ["objects", "dying"] {
        if strays.is_empty() {
            return Ok(0);
        }
        let sql = format!(
            "SELECT id FROM {table} WHERE tenant = $1 AND bundle = $2 AND id IN {}",
            places(2, 1, strays.len())
        );
        let query = strays
            .iter()
            .fold(of_owner(owner, sql), |query, id| query.bind(id.clone()));
        for row in query.fetch_all(write.connection()).await? {
            let known: Vec<u8> = row.try_get(0)?;
            strays.retain(|id| *id != known);
        }
    }
    let count = strays.len() as u64;
    if count > 0 {
        take(write, owner, strays).await?;
    }
    Ok(count)
}

/// From now on these are being removed.
async fn take(write: &mut Write, owner: &OwnerKey, ids: Vec<Vec<u8>>) -> Answer<()> {
    let rows: Vec<String> = (0..ids.len())
        .map(|row| format!("($1,$2,${},0)", row + 3))
        .collect();
    let sql = format!(
        "INSERT INTO dying (tenant, bundle, id, gone_s) VALUES {} \
         ON CONFLICT (tenant, bundle, id) DO UPDATE SET gone_s = 0",
        rows.join(",")
    );
    let query = ids
        .into_iter()
        .fold(of_owner(owner, sql), |query, id| query.bind(id));
    query.execute(write.connection()).await?;
    Ok(())
}

/// Some objects whose bytes have to be removed.
pub(super) async fn dying(database: &Database, owner: &OwnerKey) -> Answer<Vec<ObjectId>> {
    let sql = format!("SELECT id FROM dying WHERE tenant = $1 AND bundle = $2 AND gone_s = 0 LIMIT {BATCH}");
    let mut ids = Vec::new();
    for row in of_owner(owner, sql).fetch_all(database.read()).await? {
        let id: Vec<u8> = row.try_get(0)?;
        let id = id
            .try_into()
            .map_err(|_| Refusal::unavailable("an id in the database has another length"))?;
        ids.push(ObjectId(gobag_protocol::ids::Digest(id)));
    }
    Ok(ids)
}

/// The bytes are gone.
pub(super) async fn set_gone(
    write: &mut Write,
    owner: &OwnerKey,
    ids: &[ObjectId],
    now_s: u64,
) -> Answer<()> {
    let sql = format!(
        "UPDATE dying SET gone_s = $3 WHERE tenant = $1 AND bundle = $2 AND id IN {}",
        places(3, 1, ids.len())
    );
    let query = of_owner(owner, sql).bind(signed(now_s));
    let query = ids
        .iter()
        .fold(query, |query, id| query.bind(id.as_bytes().to_vec()));
    query.execute(write.connection()).await?;
    Ok(())
}

/// No request that began before the bytes went can still be under way.
pub(super) async fn forget(write: &mut Write, owner: &OwnerKey, before_s: u64) -> Answer<()> {
    let sql = "DELETE FROM dying WHERE tenant = $1 AND bundle = $2 AND gone_s <> 0 AND gone_s < $3";
    let query = of_owner(owner, sql).bind(signed(before_s));
    query.execute(write.connection()).await?;
    Ok(())
}
