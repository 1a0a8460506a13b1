//! Pruning: points that the policy lets go, then what no point needs any more.
//!
//! What a crash, a second replica or an upload at the same moment may not do is lose bytes that a row or a point counts on. So:
//!
//! 1. the row of an object goes before its bytes: bytes without a row are waste, a row without bytes would be a lie to the stick that asks what
//!    is missing. In the transaction that takes the row, a row of `dying` takes its place;
//! 2. whoever makes a point, names one or notes an object holds the stick's row, as pruning does: an object is either needed, and stays, or
//!    gone before the point looks for it, and then the stick is told to send it again;
//! 3. while bytes are being removed an upload of the same object is asked to come again. The row of `dying` stays for an hour after, longer than any
//!    request: an upload notes its object only if `dying` says the same as when it began, so bytes written before the removal never get a row;
//! 4. one replica prunes at a time, by a lock that it renews as it goes. One that stood still for half an hour between looking at the lock and
//!    removing one object's bytes could remove bytes that came back; nothing that runs does that.
//!
//! Whatever is left by a crash, the next run finds: rows of `dying`, and bytes without any row that are old enough.

mod rows;

use gobag_protocol::{
    ids::{BundleId, ObjectId, TenantName},
    limits::UNUSED_KEPT_S,
    people::Pruned,
};
use sqlx::Row;

use super::{
    StickKey,
    audit::{self, Event},
    blobs::Blobs,
    database::Database,
    policies, signed,
};
use crate::{
    clock::Clock,
    refusal::{Answer, Refusal},
    secret,
};

/// Seconds that the lock counts without being renewed.
const LOCK_S: u64 = 1800;
/// Seconds that a removed object is remembered: longer than any request takes.
const REMEMBERED_S: u64 = 3600;

/// Where it prunes, and as whom.
pub struct Pruner<'a> {
    /// Rows.
    pub database: &'a Database,
    /// Bytes.
    pub blobs: &'a Blobs,
    /// What time it is.
    pub clock: &'a Clock,
    /// Who asked, for the audit log.
    pub by: &'a str,
}

impl Pruner<'_> {
    /// Prunes one tenant or all; with `dry_run` nothing is changed, and the same is counted but for bytes without a row.
    pub async fn prune(&self, tenant: Option<&TenantName>, dry_run: bool) -> Answer<Pruned> {
        let mut all = Pruned {
            dry_run,
            ..Pruned::default()
        };
        let holder: [u8; 16] = secret::random()?;
        if !dry_run {
            self.lock(&holder).await?;
        }
        let done = self.tenants(tenant, &holder, &mut all).await;
        if !dry_run {
            self.unlock(&holder).await?;
        }
        done.map(|()| all)
    }

    async fn tenants(&self, tenant: Option<&TenantName>, holder: &[u8], all: &mut Pruned) -> Answer<()> {
        let rows = sqlx::query("SELECT tenant, bundle FROM sticks ORDER BY tenant, bundle")
            .fetch_all(self.database.read())
            .await?;
        let mut of_tenant = Pruned::default();
        for (at, row) in rows.iter().enumerate() {
            let stick = stick(row)?;
            if tenant.is_some_and(|tenant| *tenant != stick.tenant) {
                continue;
            }
            let of_stick = self.stick(&stick, holder, all.dry_run).await?;
            of_tenant.add(&of_stick);
            let next = rows.get(at + 1).map(self::stick).transpose()?;
            if next.is_none_or(|next| next.tenant != stick.tenant) {
                self.note(&stick.tenant, &of_tenant, all.dry_run).await?;
                all.add(&of_tenant);
                of_tenant = Pruned::default();
            }
        }
        Ok(())
    }

    async fn stick(&self, stick: &StickKey, holder: &[u8], dry_run: bool) -> Answer<Pruned> {
        let now_s = self.clock.now_s();
        let mut write = self.database.write().await?;
        let policy = policies::get(write.connection(), &stick.tenant).await?;
        let mut pruned = rows::points(&mut write, stick, policy.retention.as_ref(), now_s).await?;
        if dry_run {
            (pruned.objects, pruned.object_bytes) = rows::count_unused(&mut write, stick, now_s).await?;
            // The transaction is dropped, and with it all that it did.
            return Ok(pruned);
        }
        write.commit().await?;
        loop {
            self.lock(holder).await?;
            let mut write = self.database.write().await?;
            let (objects, bytes) = rows::take_unused(&mut write, stick, now_s).await?;
            write.commit().await?;
            pruned.objects += objects;
            pruned.object_bytes += bytes;
            if objects == 0 {
                break;
            }
        }
        pruned.strays = self.strays(stick, now_s).await?;
        self.bytes(stick, holder, now_s).await?;
        Ok(pruned)
    }

    /// Bytes that have been without a row for as long as an upload without a point is kept.
    async fn strays(&self, stick: &StickKey, now_s: u64) -> Answer<u64> {
        let before_s = now_s.saturating_sub(UNUSED_KEPT_S);
        let mut strays = self.blobs.remove_partial(stick, before_s).await?;
        for ids in self.blobs.older_than(stick, before_s).await?.chunks(rows::BATCH) {
            let mut write = self.database.write().await?;
            strays += rows::take_strays(&mut write, stick, ids).await?;
            write.commit().await?;
        }
        Ok(strays)
    }

    /// Removes the bytes of all that is dying.
    async fn bytes(&self, stick: &StickKey, holder: &[u8], now_s: u64) -> Answer<()> {
        loop {
            let ids = rows::dying(self.database, stick).await?;
            if ids.is_empty() {
                break;
            }
            self.lock(holder).await?;
            for id in &ids {
                self.blobs.delete(stick, *id).await?;
            }
            rows::set_gone(self.database, stick, &ids, now_s).await?;
        }
        rows::forget(self.database, stick, now_s.saturating_sub(REMEMBERED_S)).await
    }

    async fn note(&self, tenant: &TenantName, pruned: &Pruned, dry_run: bool) -> Answer<()> {
        if dry_run || pruned.is_nothing() {
            return Ok(());
        }
        let about = format!(
            "{} points, {} objects of {} bytes, {} strays",
            pruned.points, pruned.objects, pruned.object_bytes, pruned.strays
        );
        let event = Event {
            who: self.by,
            what: "pruned",
            about: &about,
        };
        let mut write = self.database.write().await?;
        audit::append(&mut write, tenant, self.clock.now_s(), &event).await?;
        write.commit().await
    }

    /// Takes the lock, or renews it.
    async fn lock(&self, holder: &[u8]) -> Answer<()> {
        let now_s = self.clock.now_s();
        let mut write = self.database.write().await?;
        let taken = sqlx::query(
            "INSERT INTO locks (name, holder, until_s) VALUES ('prune', $1, $2) ON CONFLICT (name) DO UPDATE \
             SET holder = $1, until_s = $2 WHERE locks.holder = $1 OR locks.until_s < $3",
        )
        .bind(holder.to_vec())
        .bind(signed(now_s + LOCK_S))
        .bind(signed(now_s))
        .execute(write.connection())
        .await?;
        write.commit().await?;
        match taken.rows_affected() {
            0 => Err(Refusal::unavailable("another replica prunes")),
            _ => Ok(()),
        }
    }

    async fn unlock(&self, holder: &[u8]) -> Answer<()> {
        let mut write = self.database.write().await?;
        sqlx::query("UPDATE locks SET until_s = 0 WHERE name = 'prune' AND holder = $1")
            .bind(holder.to_vec())
            .execute(write.connection())
            .await?;
        write.commit().await
    }
}

fn stick(row: &sqlx::any::AnyRow) -> Answer<StickKey> {
    let odd = || Refusal::unavailable("cannot read the row of a stick");
    let (tenant, bundle): (String, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(StickKey {
        tenant: TenantName::parse(&tenant).ok_or_else(odd)?,
        bundle: BundleId(bundle.try_into().map_err(|_| odd())?),
    })
}

/// What an upload finds of an object that was pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone(Option<i64>);

/// Whether bytes of this object may be written now.
pub async fn tombstone(database: &Database, stick: &StickKey, id: ObjectId) -> Answer<Tombstone> {
    let row = sqlx::query("SELECT gone_s FROM dying WHERE tenant = $1 AND bundle = $2 AND id = $3")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(database.read())
        .await?;
    match row.map(|row| row.try_get(0)).transpose()? {
        Some(0) => Err(being_removed()),
        found => Ok(Tombstone(found)),
    }
}

/// Ends the tombstone under which bytes were written, in the transaction that gives them a row; the stick's row is held.
pub(super) async fn revive(
    write: &mut super::database::Write,
    stick: &StickKey,
    id: ObjectId,
    before: Tombstone,
) -> Answer<()> {
    let row = sqlx::query("DELETE FROM dying WHERE tenant = $1 AND bundle = $2 AND id = $3 RETURNING gone_s")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(write.connection())
        .await?;
    let found: Option<i64> = row.map(|row| row.try_get(0)).transpose()?;
    match found {
        // Remembered no longer: nothing was removed since.
        None => Ok(()),
        found if Tombstone(found) == before => Ok(()),
        Some(_) => Err(being_removed()),
    }
}

fn being_removed() -> Refusal {
    Refusal::unavailable("an earlier copy of this object is being removed")
}
