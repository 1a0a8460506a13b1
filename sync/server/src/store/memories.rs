//! The memory of a stick: 256 sealed bytes, changed only by who knows what is there.

use gobag_protocol::error::Code;
use gobag_protocol::{ids::Digest, limits::MEMORY_BYTES};
use sqlx::Row;

use super::{
    StickKey,
    database::{Database, is_there_already},
};
use crate::refusal::{Answer, Refusal};

/// What must be there for a memory to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Nothing yet.
    Nothing,
    /// One with this tag.
    Tag(String),
}

/// The tag of a memory: its digest, so that any replica tells the same.
pub fn tag(sealed: &[u8]) -> String {
    format!("\"{}\"", Digest::of(sealed))
}

/// What is remembered.
pub async fn get(database: &Database, stick: &StickKey) -> Answer<Vec<u8>> {
    let row = sqlx::query("SELECT sealed FROM memories WHERE tenant = $1 AND bundle = $2")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .fetch_optional(database.read())
        .await?;
    match row {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(Refusal::new(
            Code::MemoryUnknown,
            "nothing is remembered of this stick",
        )),
    }
}

/// Remembers `sealed` if what is there is as expected, or is `sealed` already: an answer can get lost.
pub async fn put(
    database: &Database,
    stick: &StickKey,
    expected: &Expected,
    sealed: [u8; MEMORY_BYTES],
) -> Answer<()> {
    let mut write = database.write().await?;
    let there = sqlx::query("SELECT sealed FROM memories WHERE tenant = $1 AND bundle = $2")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .fetch_optional(write.connection())
        .await?;
    let there: Option<Vec<u8>> = there.map(|row| row.try_get(0)).transpose()?;
    let written = match (&there, expected) {
        (Some(there), _) if *there == sealed => return Ok(()),
        (None, Expected::Nothing) => {
            sqlx::query("INSERT INTO memories (tenant, bundle, sealed) VALUES ($1, $2, $3)")
                .bind(stick.tenant())
                .bind(stick.bundle())
                .bind(sealed.to_vec())
                .execute(write.connection())
                .await
        }
        (Some(there), Expected::Tag(expected)) if tag(there) == *expected => {
            // Compared once more by the database: another replica may have read the same.
            sqlx::query("UPDATE memories SET sealed = $3 WHERE tenant = $1 AND bundle = $2 AND sealed = $4")
                .bind(stick.tenant())
                .bind(stick.bundle())
                .bind(sealed.to_vec())
                .bind(there.clone())
                .execute(write.connection())
                .await
        }
        _ => return Err(changed()),
    };
    match written {
        Ok(rows) if rows.rows_affected() == 1 => write.commit().await,
        Ok(_) => Err(changed()),
        Err(error) if is_there_already(&error) => Err(changed()),
        Err(error) => Err(error.into()),
    }
}

fn changed() -> Refusal {
    Refusal::new(Code::MemoryChanged, "another memory of this stick is here")
        .hint("get it and judge by it first")
}
