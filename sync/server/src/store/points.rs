//! Points: a line goes from one generation to the next, for one writer at a time.
//!
//! A point is one transaction: 1. the same request again gets its first answer; 2. the generation is the next, and its row goes
//! in, where the primary key lets one of two writers through; 3. its ids, from the request and from parts sent before, are
//! compared with what is here; 4. they become intervals in `refs`. Anything refused leaves nothing.

mod told;

use std::collections::BTreeSet;

use gobag_protocol::{
    error::Code,
    ids::{BundleId, LineName, ObjectId, RequestId},
    limits::{MAX_BOOKMARKS, MAX_LINES, MAX_NAMED_IDS, MAX_POINT_IDS_WITH_PARTS},
    points::{Bookmark, MadePoint, NewPoint, Part},
};
use sqlx::{AnyConnection, AssertSqlSafe, Row, any::AnyRow};

use super::{
    OwnerKey,
    audit::{self, Event},
    database::{Database, Write, is_there_already},
    owners, signed,
    space::{self, Space},
    ticks::{self, Belief, SKEW_S},
    unsigned,
};
use crate::{
    config::Quotas,
    refusal::{Answer, Refusal},
};

pub use told::{get, list};

/// Rows in one statement.
const BATCH: usize = 500;

/// Where the line of an owner is named in every query: `$1`, `$2`, `$3`.
const LINE: &str = "tenant = $1 AND bundle = $2 AND line = $3";

type Query = sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments>;

/// A line of a stick or a workspace.
pub struct LineKey<'a> {
    /// Whose.
    pub owner: &'a OwnerKey,
    /// Which.
    pub line: &'a LineName,
}

impl LineKey<'_> {
    fn query(&self, sql: impl sqlx::SqlSafeStr) -> Query {
        sqlx::query(sql)
            .bind(self.owner.tenant())
            .bind(self.owner.bundle())
            .bind(self.line.as_str().to_owned())
    }

    fn of(&self, before: &str, after: &str) -> Query {
        self.query(AssertSqlSafe(format!("{before} WHERE {LINE}{after}")))
    }
}

/// Makes a point; of a workspace, `made_by` is the member.
pub async fn make(
    database: &Database,
    key: &LineKey<'_>,
    new: NewPoint,
    made_by: Option<BundleId>,
    now_s: u64,
    quotas: &Quotas,
) -> Answer<MadePoint> {
    let mut write = database.write().await?;
    if let Some(made) = made_before(&mut write, key, new.request).await? {
        return Ok(made);
    }
    // Pruning must not take an object between the look for it and the row that needs it.
    owners::hold(&mut write, key.owner).await?;
    let newest = newest(write.connection(), key).await?;
    check_next(newest.generation, new.generation)?;
    if new.after.is_some() && new.after != newest.request {
        return Err(other_generation(newest.generation));
    }
    if new.generation == 1 {
        check_lines(&mut write, key.owner).await?;
    }
    let in_parts = count_parts(&mut write, key, new.request).await?;
    add_part(&mut write, key, new.request, &new.adds, &new.drops, now_s).await?;
    let (added, dropped) = count_parts(&mut write, key, new.request).await?;
    check_counts(&new, unsigned(added), unsigned(dropped))?;
    let (time_s, is_doubted) = time(&mut write, key, newest.time_s, now_s).await?;
    let made = MadePoint {
        generation: new.generation,
        time_s,
    };
    let mut space = space::ROW * (1 + added) + new.head.as_slice().len() as i64;
    let inserted = key
        .query(
            "INSERT INTO points (tenant, bundle, line, generation, time_s, head, request, added, dropped, complete, doubted, made_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(signed(made.generation))
        .bind(signed(made.time_s))
        .bind(new.head.into_inner())
        .bind(new.request.0.to_vec())
        .bind(added)
        .bind(dropped)
        .bind(i64::from(new.complete))
        .bind(i64::from(is_doubted))
        .bind(made_by.map(|member| member.to_string()).unwrap_or_default())
        .execute(write.connection())
        .await;
    match inserted {
        Ok(_) => {}
        // Another replica was faster; what it made can be seen from here on.
        Err(error) if is_there_already(&error) => return overtaken(write, database, key, &new.request).await,
        Err(error) => return Err(error.into()),
    }
    check_ids(&mut write, key, new.request).await?;
    let gone = keep_ids(&mut write, key, new.request, made.generation).await?;
    // Of the parts that are gone, those that came with this request were never counted.
    let just_now = (added + dropped) - (in_parts.0 + in_parts.1);
    space -= space::ROW * (gone - just_now);
    for (number, bookmark) in (0..).zip(new.bookmarks.into_inner()) {
        space += space_of(&bookmark);
        insert_bookmark(&mut write, key, made.generation, number, bookmark).await?;
    }
    space::charge(&mut write, key.owner, Space::Rows, space, quotas).await?;
    write.commit().await?;
    Ok(made)
}

/// Keeps ids for a point to come.
pub async fn keep_part(
    database: &Database,
    key: &LineKey<'_>,
    part: Part,
    now_s: u64,
    quotas: &Quotas,
) -> Answer<()> {
    let mut write = database.write().await?;
    // Of two parts at once each is counted.
    owners::hold(&mut write, key.owner).await?;
    if made_before(&mut write, key, part.request).await?.is_some() {
        return Ok(());
    }
    check_next(newest(write.connection(), key).await?.generation, part.generation)?;
    let (adds, drops) = count_parts(&mut write, key, part.request).await?;
    add_part(&mut write, key, part.request, &part.adds, &part.drops, now_s).await?;
    let (all_adds, all_drops) = count_parts(&mut write, key, part.request).await?;
    let space = space::ROW * (all_adds + all_drops - adds - drops);
    space::charge(&mut write, key.owner, Space::Rows, space, quotas).await?;
    write.commit().await
}

/// Names a point. The same name again changes nothing.
pub async fn add_bookmark(
    database: &Database,
    key: &LineKey<'_>,
    generation: u64,
    new: Bookmark,
    quotas: &Quotas,
) -> Answer<()> {
    let mut write = database.write().await?;
    owners::hold(&mut write, key.owner).await?;
    let there = key
        .of("SELECT generation FROM points", " AND generation = $4")
        .bind(signed(generation))
        .fetch_optional(write.connection())
        .await?;
    if there.is_none() {
        return Err(unknown());
    }
    let rows = key
        .of(
            "SELECT generation, kind, label FROM bookmarks",
            " AND generation = $4 ORDER BY number",
        )
        .bind(signed(generation))
        .fetch_all(write.connection())
        .await?;
    for row in &rows {
        if told::bookmark(row)? == new {
            return Ok(());
        }
    }
    if rows.len() >= MAX_BOOKMARKS {
        let text = format!("a point has at most {MAX_BOOKMARKS} bookmarks");
        return Err(Refusal::new(Code::PointBookmarks, text));
    }
    space::charge(&mut write, key.owner, Space::Rows, space_of(&new), quotas).await?;
    insert_bookmark(&mut write, key, generation, rows.len() as i64, new).await?;
    write.commit().await
}

/// Notes that a drill brought this point back, so that pruning keeps it until a later one is proved.
pub async fn note_drill(
    database: &Database,
    key: &LineKey<'_>,
    generation: u64,
    by: &str,
    now_s: u64,
) -> Answer<()> {
    let mut write = database.write().await?;
    owners::hold(&mut write, key.owner).await?;
    let row = key
        .of(
            "UPDATE points SET drilled_s = $5",
            " AND generation = $4 RETURNING complete",
        )
        .bind(signed(generation))
        .bind(signed(now_s))
        .fetch_optional(write.connection())
        .await?
        .ok_or_else(unknown)?;
    if row.try_get::<i64, _>(0)? == 0 {
        let text = "this point is progress of a first copy: nobody can go back to it";
        return Err(Refusal::new(Code::PointPartial, text));
    }
    let about = format!("{} {} {generation}", key.owner.bundle, key.line);
    let event = Event {
        who: by,
        what: "point.drilled",
        about: &about,
    };
    audit::append(&mut write, &key.owner.tenant, now_s, &event).await?;
    write.commit().await
}

/// The newest generation of a line, 0 for none.
pub async fn newest_generation(database: &Database, key: &LineKey<'_>) -> Answer<u64> {
    let mut connection = database.read().acquire().await?;
    Ok(newest(&mut connection, key).await?.generation)
}

/// The newest point of a line, or the state before the first.
#[derive(Default)]
struct Newest {
    generation: u64,
    time_s: u64,
    request: Option<RequestId>,
}

async fn newest(connection: &mut AnyConnection, key: &LineKey<'_>) -> Answer<Newest> {
    let row = key
        .of(
            "SELECT generation, time_s, request FROM points",
            " ORDER BY generation DESC LIMIT 1",
        )
        .fetch_optional(connection)
        .await?;
    match row {
        None => Ok(Newest::default()),
        Some(row) => Ok(Newest {
            generation: unsigned(row.try_get(0)?),
            time_s: unsigned(row.try_get(1)?),
            request: row.try_get::<Vec<u8>, _>(2)?.try_into().ok().map(RequestId),
        }),
    }
}

async fn made_before(write: &mut Write, key: &LineKey<'_>, request: RequestId) -> Answer<Option<MadePoint>> {
    let row = key
        .of("SELECT generation, time_s FROM points", " AND request = $4")
        .bind(request.0.to_vec())
        .fetch_optional(write.connection())
        .await?;
    row.map(|row| {
        Ok(MadePoint {
            generation: unsigned(row.try_get(0)?),
            time_s: unsigned(row.try_get(1)?),
        })
    })
    .transpose()
}

/// After another transaction took the generation or the request.
async fn overtaken(
    write: Write,
    database: &Database,
    key: &LineKey<'_>,
    request: &RequestId,
) -> Answer<MadePoint> {
    // PostgreSQL says nothing more in a transaction that failed.
    drop(write);
    let mut again = database.write().await?;
    match made_before(&mut again, key, *request).await? {
        Some(made) => Ok(made),
        None => Err(other_generation(
            newest(again.connection(), key).await?.generation,
        )),
    }
}

/// The time of a point to be made, never before the newest of its line, and whether it is in doubt. A clock that is believed leaves no point
/// of the line after it: what one that was wrong said is not so.
async fn time(write: &mut Write, key: &LineKey<'_>, newest_s: u64, now_s: u64) -> Answer<(u64, bool)> {
    match ticks::look(write.connection(), now_s).await? {
        Belief::Right => {}
        Belief::Ahead(_) => return Ok((now_s.max(newest_s), true)),
        // What was noted last is nearer to the truth.
        Belief::Behind(by_s) => return Ok((newest_s.max(now_s + by_s), true)),
    }
    key.of(
        "UPDATE points SET time_s = $4, doubted = 0",
        " AND (doubted = 1 OR time_s > $5)",
    )
    .bind(signed(now_s))
    .bind(signed(now_s + SKEW_S))
    .execute(write.connection())
    .await?;
    let is_near = newest_s <= now_s + SKEW_S;
    Ok((if is_near { now_s.max(newest_s) } else { now_s }, false))
}

fn check_next(newest: u64, wanted: u64) -> Answer<()> {
    match newest.checked_add(1) == Some(wanted) {
        true => Ok(()),
        false => Err(other_generation(newest)),
    }
}

fn other_generation(newest: u64) -> Refusal {
    let text = format!("the newest point of this line is {newest}");
    Refusal::new(Code::PointOtherGeneration, text).generation(newest)
}

async fn check_lines(write: &mut Write, owner: &OwnerKey) -> Answer<()> {
    let lines: i64 = sqlx::query("SELECT COUNT(DISTINCT line) FROM points WHERE tenant = $1 AND bundle = $2")
        .bind(owner.tenant())
        .bind(owner.bundle())
        .fetch_one(write.connection())
        .await?
        .try_get(0)?;
    match unsigned(lines) < MAX_LINES as u64 {
        true => Ok(()),
        false => Err(Refusal::new(
            Code::LineTooMany,
            format!("there are at most {MAX_LINES} lines of a stick or a workspace"),
        )),
    }
}

/// A stick that says how many ids its point has meant these and no others.
fn check_counts(new: &NewPoint, added: u64, dropped: u64) -> Answer<()> {
    let is_so = |said: Option<u64>, found| said.is_none_or(|said| said == found);
    if is_so(new.all_adds, added) && is_so(new.all_drops, dropped) {
        return Ok(());
    }
    let text = format!("{added} added and {dropped} dropped ids of this point are here; nothing was changed");
    Err(Refusal::new(Code::PointPartsMissing, text).hint("send the parts, then the same request again"))
}

/// Keeps ids, each once. One that is sent again is as new as the others.
async fn add_part(
    write: &mut Write,
    key: &LineKey<'_>,
    request: RequestId,
    adds: &[ObjectId],
    drops: &[ObjectId],
    now_s: u64,
) -> Answer<()> {
    for (is_added, ids) in [(1, adds), (0, drops)] {
        let ids: Vec<ObjectId> = BTreeSet::from_iter(ids.iter().copied()).into_iter().collect();
        for batch in ids.chunks(BATCH) {
            let rows: Vec<String> = (0..batch.len())
                .map(|row| format!("($1,$2,$3,$4,$5,$6,${})", row + 7))
                .collect();
            let sql = format!(
                "INSERT INTO parts (tenant, bundle, line, request, adds, stored_s, id) VALUES {} \
                 ON CONFLICT (tenant, bundle, line, request, adds, id) DO UPDATE SET stored_s = excluded.stored_s",
                rows.join(",")
            );
            let mut query = key
                .query(AssertSqlSafe(sql))
                .bind(request.0.to_vec())
                .bind(is_added)
                .bind(signed(now_s));
            for id in batch {
                query = query.bind(id.as_bytes().to_vec());
            }
            query.execute(write.connection()).await?;
        }
    }
    Ok(())
}

/// How many ids the point adds and drops, if they are not too many.
async fn count_parts(write: &mut Write, key: &LineKey<'_>, request: RequestId) -> Answer<(i64, i64)> {
    let row = key
        .of(
            "SELECT COUNT(*), CAST(COALESCE(SUM(adds), 0) AS BIGINT) FROM parts",
            " AND request = $4",
        )
        .bind(request.0.to_vec())
        .fetch_one(write.connection())
        .await?;
    let (all, added): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    match unsigned(all) <= MAX_POINT_IDS_WITH_PARTS as u64 {
        true => Ok((added, all - added)),
        false => Err(Refusal::new(
            Code::RequestTooLarge,
            format!("a point adds and drops at most {MAX_POINT_IDS_WITH_PARTS} ids"),
        )),
    }
}

/// What is added must be here and not needed by the line already; what is dropped must be needed by it.
async fn check_ids(write: &mut Write, key: &LineKey<'_>, request: RequestId) -> Answer<()> {
    let named = |sql: String| {
        key.query(AssertSqlSafe(format!("{sql} LIMIT {MAX_NAMED_IDS}")))
            .bind(request.0.to_vec())
    };
    let parts = |adds: u8| {
        format!("p.tenant = $1 AND p.bundle = $2 AND p.line = $3 AND p.request = $4 AND p.adds = {adds}")
    };
    let same = "r.tenant = $1 AND r.bundle = $2 AND r.line = $3 AND r.id = p.id AND r.died = 0";
    let missing = named(format!(
        "SELECT p.id FROM parts p LEFT JOIN objects o ON o.tenant = p.tenant AND o.bundle = p.bundle AND o.id = p.id \
         WHERE {} AND o.id IS NULL",
        parts(1)
    ));
    let missing = ids(missing.fetch_all(write.connection()).await?)?;
    if !missing.is_empty() {
        let text = "objects of this point are not here; nothing was changed";
        return Err(Refusal::new(Code::PointMissingObjects, text)
            .hint("put them, then send the same request again")
            .ids(missing));
    }
    let there = named(format!(
        "SELECT p.id FROM parts p JOIN refs r ON {same} WHERE {}",
        parts(1)
    ));
    let not_there = named(format!(
        "SELECT p.id FROM parts p LEFT JOIN refs r ON {same} WHERE {} AND r.id IS NULL",
        parts(0)
    ));
    let mut wrong = ids(there.fetch_all(write.connection()).await?)?;
    wrong.extend(ids(not_there.fetch_all(write.connection()).await?)?);
    wrong.truncate(MAX_NAMED_IDS);
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Refusal::new(
            Code::PointOtherContent,
            "this point adds what the line has, or drops what it has not; nothing was changed",
        )
        .ids(wrong)),
    }
}

/// Parts become intervals; what other attempts at this line sent is gone with them. How many parts are gone.
async fn keep_ids(write: &mut Write, key: &LineKey<'_>, request: RequestId, generation: u64) -> Answer<i64> {
    let bind = |query: Query| query.bind(request.0.to_vec()).bind(signed(generation));
    bind(key.query(
        "INSERT INTO refs (tenant, bundle, line, id, born, died) SELECT tenant, bundle, line, id, $5, 0 FROM parts \
         WHERE tenant = $1 AND bundle = $2 AND line = $3 AND request = $4 AND adds = 1",
    ))
    .execute(write.connection())
    .await?;
    bind(key.query(
        "UPDATE refs SET died = $5 WHERE tenant = $1 AND bundle = $2 AND line = $3 AND died = 0 AND id IN \
         (SELECT id FROM parts WHERE tenant = $1 AND bundle = $2 AND line = $3 AND request = $4 AND adds = 0)",
    ))
    .execute(write.connection())
    .await?;
    let gone = key
        .of("DELETE FROM parts", "")
        .execute(write.connection())
        .await?;
    Ok(signed(gone.rows_affected()))
}

/// What a bookmark takes.
fn space_of(bookmark: &Bookmark) -> i64 {
    space::ROW + bookmark.label.as_slice().len() as i64
}

async fn insert_bookmark(
    write: &mut Write,
    key: &LineKey<'_>,
    generation: u64,
    number: i64,
    new: Bookmark,
) -> Answer<()> {
    key.query(
        "INSERT INTO bookmarks (tenant, bundle, line, generation, number, kind, label) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(signed(generation))
    .bind(number)
    .bind(new.kind.as_str().to_owned())
    .bind(new.label.into_inner())
    .execute(write.connection())
    .await?;
    Ok(())
}

fn ids(rows: Vec<AnyRow>) -> Answer<Vec<ObjectId>> {
    rows.iter().map(id).collect()
}

fn id(row: &AnyRow) -> Answer<ObjectId> {
    let bytes: Vec<u8> = row.try_get(0)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| Refusal::unavailable("an id in the database has another length"))?;
    Ok(ObjectId(gobag_protocol::ids::Digest(bytes)))
}

fn unknown() -> Refusal {
    Refusal::new(Code::PointUnknown, "this line has no such point")
}
