//! Signed check results of sticks: the newest are kept as they came. Who reads one checks the signature.

use gobag_protocol::{ids::Digest, limits::MAX_RESULTS};
use sqlx::Row;

use super::{StickKey, database::Database, owners, signed};
use crate::refusal::Answer;

/// Keeps a result; the same again changes nothing.
pub async fn keep(database: &Database, stick: &StickKey, envelope: Vec<u8>, now_s: u64) -> Answer<()> {
    let mut write = database.write().await?;
    // Numbers are given under the stick's row, so that two results at once get two.
    owners::hold(&mut write, stick).await?;
    let newest: i64 =
        sqlx::query("SELECT COALESCE(MAX(number), 0) FROM results WHERE tenant = $1 AND bundle = $2")
            .bind(stick.tenant())
            .bind(stick.bundle())
            .fetch_one(write.connection())
            .await?
            .try_get(0)?;
    sqlx::query(
        "INSERT INTO results (tenant, bundle, number, digest, time_s, envelope) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT DO NOTHING",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .bind(newest + 1)
    .bind(Digest::of(&envelope).0.to_vec())
    .bind(signed(now_s))
    .bind(envelope)
    .execute(write.connection())
    .await?;
    sqlx::query("DELETE FROM results WHERE tenant = $1 AND bundle = $2 AND number <= $3")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .bind(newest + 1 - signed(MAX_RESULTS as u64))
        .execute(write.connection())
        .await?;
    write.commit().await
}
