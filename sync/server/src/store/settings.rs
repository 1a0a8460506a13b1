//! What has to be the same at every replica, noted by the first.

use sqlx::Row;

use super::database::{Database, Write};
use crate::refusal::Answer;

/// What was noted under `name`.
pub async fn get(database: &Database, name: &'static str) -> Answer<Option<Vec<u8>>> {
    let row = sqlx::query("SELECT value FROM settings WHERE name = $1")
        .bind(name)
        .fetch_optional(database.read())
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Notes `value` under `name`, whatever was there.
pub async fn set(write: &mut Write, name: &'static str, value: &[u8]) -> Answer<()> {
    sqlx::query(
        "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value.to_vec())
    .execute(write.connection())
    .await?;
    Ok(())
}

/// Whether `value` is what was noted under `name`; noted now if nothing was.
pub async fn is_same(database: &Database, name: &'static str, value: &[u8]) -> Answer<bool> {
    let mut write = database.write().await?;
    sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(name)
        .bind(value.to_vec())
        .execute(write.connection())
        .await?;
    let there: Vec<u8> = sqlx::query("SELECT value FROM settings WHERE name = $1")
        .bind(name)
        .fetch_one(write.connection())
        .await?
        .try_get(0)?;
    write.commit().await?;
    Ok(there == value)
}
