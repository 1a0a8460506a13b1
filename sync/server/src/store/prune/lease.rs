//! Who prunes: a lease in the database with a number that goes up whenever it changes hands.
//!
//! Each transaction that takes something away begins with [`Lease::hold`], which fails once somebody else has taken the lease, and until it ends
//! nobody can. Bytes are no part of a transaction: [`Lease::check`] comes right before each of them is removed.

use sqlx::Row;

use crate::{
    refusal::{Answer, Refusal},
    secret,
    store::{
        database::{Database, Write},
        signed,
    },
};

/// Seconds that the lease counts without being renewed.
const LEASE_S: u64 = 1800;

/// The right to prune.
pub(crate) struct Lease {
    fence: i64,
}

impl Lease {
    /// Takes it, if nobody has it.
    pub(crate) async fn take(database: &Database, now_s: u64) -> Answer<Self> {
        let holder: [u8; 16] = secret::random()?;
        let mut write = database.write().await?;
        // One until a time that nobody can have meant was taken by a clock that was wrong.
        let row = sqlx::query(
            "INSERT INTO locks (name, holder, until_s, fence) VALUES ('prune', $1, $2, 1) ON CONFLICT (name) DO UPDATE \
             SET holder = $1, until_s = $2, fence = locks.fence + 1 WHERE locks.until_s < $3 OR locks.until_s > $4 \
             RETURNING fence",
        )
        .bind(holder.to_vec())
        .bind(signed(now_s + LEASE_S))
        .bind(signed(now_s))
        .bind(signed(now_s + 2 * LEASE_S))
        .fetch_optional(write.connection())
        .await?
        .ok_or_else(other)?;
        write.commit().await?;
        Ok(Self {
            fence: row.try_get(0)?,
        })
    }

    /// Which run this is, for the audit log.
    pub(crate) fn number(&self) -> i64 {
        self.fence
    }

    /// Renews it, and keeps it until the transaction ends.
    pub(crate) async fn hold(&self, write: &mut Write, now_s: u64) -> Answer<()> {
        let held =
            sqlx::query("UPDATE locks SET until_s = $2 WHERE name = 'prune' AND fence = $1 AND until_s <> 0")
                .bind(self.fence)
                .bind(signed(now_s + LEASE_S))
                .execute(write.connection())
                .await?;
        match held.rows_affected() {
            1 => Ok(()),
            _ => Err(other()),
        }
    }

    /// Whether it is still ours.
    pub(crate) async fn check(&self, database: &Database) -> Answer<()> {
        let row = sqlx::query("SELECT 1 FROM locks WHERE name = 'prune' AND fence = $1 AND until_s <> 0")
            .bind(self.fence)
            .fetch_optional(database.read())
            .await?;
        row.map(drop).ok_or_else(other)
    }

    /// Gives it back.
    pub(crate) async fn release(self, database: &Database) -> Answer<()> {
        let mut write = database.write().await?;
        sqlx::query("UPDATE locks SET until_s = 0 WHERE name = 'prune' AND fence = $1")
            .bind(self.fence)
            .execute(write.connection())
            .await?;
        write.commit().await
    }
}

fn other() -> Refusal {
    Refusal::unavailable("another replica prunes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_was_overtaken_takes_nothing_more_away() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::sqlite(&folder.path().join("db")).await.unwrap();
        let first = Lease::take(&database, 10_000).await.unwrap();
        assert!(Lease::take(&database, 10_000 + LEASE_S).await.is_err());
        // Renewed, so it counts longer.
        let mut write = database.write().await.unwrap();
        first.hold(&mut write, 10_000 + LEASE_S).await.unwrap();
        write.commit().await.unwrap();
        assert!(Lease::take(&database, 10_001 + LEASE_S).await.is_err());
        // It stands still for too long.
        let second = Lease::take(&database, 10_001 + 2 * LEASE_S).await.unwrap();
        assert_eq!(second.number(), first.number() + 1);
        let mut write = database.write().await.unwrap();
        assert!(first.hold(&mut write, 10_001 + 2 * LEASE_S).await.is_err());
        drop(write);
        assert!(first.check(&database).await.is_err());
        // Nor may it end the other's.
        first.release(&database).await.unwrap();
        second.check(&database).await.unwrap();
        second.release(&database).await.unwrap();
        Lease::take(&database, 1).await.unwrap();
        // Until a time that no clock can have meant.
        assert!(Lease::take(&database, 2).await.is_err());
        sqlx::query("UPDATE locks SET until_s = 1000000000")
            .execute(database.read())
            .await
            .unwrap();
        Lease::take(&database, 2).await.unwrap();
    }
}
