//! Points as they are told.

use gobag_protocol::{
    bytes::Sealed,
    ids::BundleId,
    points::{Bookmark, BookmarkKind, Point, Wanted},
};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{LINE, LineKey, unknown};
use crate::{
    refusal::{Answer, Refusal},
    store::{database::Database, signed, unsigned},
};

/// What every telling reads.
const COLUMNS: &str = "generation, time_s, added, dropped, complete, drilled_s, doubted, made_by";

/// Points as wanted, newest first, at most `limit`; without their heads.
pub async fn list(database: &Database, key: &LineKey<'_>, wanted: &Wanted, limit: u32) -> Answer<Vec<Point>> {
    // Our own words and numbers alone.
    let mut also = String::new();
    if let Some(after) = wanted.after {
        also.push_str(&format!(" AND generation > {}", signed(after)));
    }
    if let Some(before_s) = wanted.before_s {
        also.push_str(&format!(" AND time_s <= {}", signed(before_s)));
    }
    if wanted.complete == Some(true) {
        also.push_str(" AND complete = 1");
    }
    if let Some(kind) = wanted.bookmark {
        also.push_str(&format!(
            " AND generation IN (SELECT generation FROM bookmarks WHERE {LINE} AND kind = '{}')",
            kind.as_str()
        ));
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM points WHERE {LINE} AND generation < $4{also} ORDER BY generation DESC LIMIT $5"
    );
    let rows = key
        .query(AssertSqlSafe(sql))
        .bind(signed(wanted.before.unwrap_or(u64::MAX)))
        .bind(i64::from(limit))
        .fetch_all(database.read())
        .await?;
    let mut points = Vec::with_capacity(rows.len());
    for row in rows {
        points.push(point(&row)?);
    }
    let (Some(newest), Some(oldest)) = (points.first(), points.last()) else {
        return Ok(points);
    };
    let (newest, oldest) = (newest.generation, oldest.generation);
    let rows = key
        .of(
            "SELECT generation, kind, label FROM bookmarks",
            " AND generation BETWEEN $4 AND $5 ORDER BY generation, number",
        )
        .bind(signed(oldest))
        .bind(signed(newest))
        .fetch_all(database.read())
        .await?;
    for row in rows {
        let generation = unsigned(row.try_get(0)?);
        if let Some(point) = points.iter_mut().find(|point| point.generation == generation) {
            point.bookmarks.push(bookmark(&row)?);
        }
    }
    Ok(points)
}

/// One point with its head.
pub async fn get(database: &Database, key: &LineKey<'_>, generation: u64) -> Answer<Point> {
    let sql = format!("SELECT {COLUMNS}, head FROM points WHERE {LINE} AND generation = $4");
    let row = key
        .query(AssertSqlSafe(sql))
        .bind(signed(generation))
        .fetch_optional(database.read())
        .await?
        .ok_or_else(unknown)?;
    let mut found = point(&row)?;
    found.head = Some(Sealed::new(row.try_get(8)?).map_err(Refusal::unavailable)?);
    let rows = key
        .of(
            "SELECT generation, kind, label FROM bookmarks",
            " AND generation = $4 ORDER BY number",
        )
        .bind(signed(generation))
        .fetch_all(database.read())
        .await?;
    for row in rows {
        found.bookmarks.push(bookmark(&row)?);
    }
    Ok(found)
}

fn point(row: &AnyRow) -> Answer<Point> {
    Ok(Point {
        generation: unsigned(row.try_get(0)?),
        time_s: unsigned(row.try_get(1)?),
        added: unsigned(row.try_get(2)?),
        dropped: unsigned(row.try_get(3)?),
        complete: row.try_get::<i64, _>(4)? != 0,
        drilled_s: Some(unsigned(row.try_get(5)?)).filter(|seconds| *seconds != 0),
        time_doubtful: row.try_get::<i64, _>(6)? != 0,
        made_by: BundleId::parse(&row.try_get::<String, _>(7)?),
        bookmarks: Vec::new(),
        head: None,
    })
}

/// A row of generation, kind and label.
pub(super) fn bookmark(row: &AnyRow) -> Answer<Bookmark> {
    let kind: String = row.try_get(1)?;
    Ok(Bookmark {
        kind: BookmarkKind::parse(&kind)
            .ok_or_else(|| Refusal::unavailable(format!("unknown kind {kind}")))?,
        label: Sealed::new(row.try_get(2)?).map_err(Refusal::unavailable)?,
    })
}
