//! Pruning: points that the policy lets go, then what no point needs any more.
//!
//! What a crash, a second replica, a clock that leaps or an upload at the same moment may not do is lose bytes that a row or a point counts on. So:
//!
//! 1. the row of an object goes before its bytes: bytes without a row are waste, a row without bytes would be a lie to the stick that asks what
//!    is missing. In the transaction that takes the row, a row of `dying` takes its place;
//! 2. whoever makes a point, names one or notes an object holds the owner's row, as pruning does: an object is either needed, and stays, or
//!    gone before the point looks for it, and then the stick is told to send it again;
//! 3. while bytes are being removed an upload of the same object is asked to come again. The row of `dying` stays after it for longer than any
//!    request, by any clock that is believed: an upload notes its object only if `dying` says the same as when it began, so bytes written before
//!    the removal never get a row;
//! 4. one replica prunes at a time: every transaction that takes rows holds a [`lease`] with a number, and every removal of bytes asks for it
//!    right before. One that is overtaken stops. What is left is a process that stands still for half an hour between that question and the
//!    removal that follows it, while another takes over, removes the same bytes, and the stick sends them again;
//! 5. nothing is removed by a clock that is in doubt ([`ticks`]): asked before the first owner, and in the first transaction of each;
//! 6. nothing is removed from a store that another database has adopted ([`marker`]): asked before the first owner, and before each.
//!
//! Whatever is left by a crash, the next run finds: rows of `dying`, and bytes without any row that are old enough. A stick or workspace that cannot be pruned
//! does not keep the others from it. The audit log has `prune.begun` in the transaction that takes the first thing of a tenant's
//! (files that uploads left half written are no rows: they are noted right after they went), and `prune.ended` when its last owner is done: one without the other is a run that was cut off.

mod lease;
mod rows;

use gobag_protocol::{
    ids::{ObjectId, TenantName},
    limits::UNUSED_KEPT_S,
    people::Pruned,
};
use sqlx::Row;

use super::{
    OwnerKey,
    audit::{self, Event},
    blobs::Blobs,
    database::{Database, Write},
    marker, owners, policies, ticks,
};
use crate::{
    clock::Clock,
    refusal::{Answer, Refusal},
};
pub(crate) use lease::Lease;

/// Seconds that a removed object is remembered: longer than any request takes, and than a clock may leap and be believed.
const REMEMBERED_S: u64 = 2 * ticks::LEAP_S;

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
        let mut connection = self.database.read().acquire().await?;
        ticks::check(&mut connection, self.clock.now_s()).await?;
        drop(connection);
        marker::check(self.database, self.blobs).await?;
        let owners = owners::all(self.database, tenant).await?;
        if dry_run {
            return self.look(&owners).await;
        }
        let lease = Lease::take(self.database, self.clock.now_s()).await?;
        let run = Run {
            pruner: self,
            lease: &lease,
        };
        let mut all = Pruned::default();
        let mut done = Ok(());
        for of_tenant in owners.chunk_by(|one, next| one.tenant == next.tenant) {
            done = run.tenant(of_tenant, &mut all).await;
            if done.is_err() {
                break;
            }
        }
        lease.release(self.database).await?;
        done.map(|()| all)
    }

    /// What would be removed.
    async fn look(&self, owners: &[OwnerKey]) -> Answer<Pruned> {
        let mut all = Pruned {
            dry_run: true,
            ..Pruned::default()
        };
        for owner in owners {
            let now_s = self.clock.now_s();
            let mut write = self.database.write().await?;
            let policy = policies::get(write.connection(), &owner.tenant).await?;
            let mut pruned = rows::points(&mut write, owner, policy.retention.as_ref(), now_s).await?;
            (pruned.objects, pruned.object_bytes) = rows::count_unused(&mut write, owner, now_s).await?;
            // The transaction is dropped, and with it all that it did.
            drop(write);
            all.add(&pruned);
        }
        Ok(all)
    }
}

/// One run that holds the lease.
struct Run<'a> {
    pruner: &'a Pruner<'a>,
    lease: &'a Lease,
}

/// What became of a tenant's sticks and workspaces.
#[derive(Default)]
struct Book {
    /// Whether the audit log says that it has begun.
    begun: bool,
    pruned: Pruned,
}

impl Run<'_> {
    async fn tenant(&self, owners: &[OwnerKey], all: &mut Pruned) -> Answer<()> {
        let Some(first) = owners.first() else {
            return Ok(());
        };
        let mut book = Book::default();
        let mut done = Ok(());
        for owner in owners {
            let Err(error) = self.owner(owner, &mut book).await else {
                continue;
            };
            tracing::error!(%error, cause = ?std::error::Error::source(&error), ?owner, "a stick or workspace was not pruned");
            book.pruned.failed += 1;
            // Overtaken, or a clock that leapt meanwhile: nothing more is done by this run.
            done = self.may_go_on().await;
            if done.is_err() {
                break;
            }
        }
        all.add(&book.pruned);
        if book.begun {
            self.ended(&first.tenant, &book.pruned).await?;
        }
        done
    }

    async fn may_go_on(&self) -> Answer<()> {
        self.lease.check(self.pruner.database).await?;
        marker::check(self.pruner.database, self.pruner.blobs).await?;
        let mut connection = self.pruner.database.read().acquire().await?;
        ticks::check(&mut connection, self.pruner.clock.now_s()).await
    }

    async fn owner(&self, owner: &OwnerKey, book: &mut Book) -> Answer<()> {
        marker::check(self.pruner.database, self.pruner.blobs).await?;
        let now_s = self.pruner.clock.now_s();
        let mut write = self.write().await?;
        ticks::check(write.connection(), now_s).await?;
        let policy = policies::get(write.connection(), &owner.tenant).await?;
        let pruned = rows::points(&mut write, owner, policy.retention.as_ref(), now_s).await?;
        self.commit(write, owner, &pruned, book).await?;
        loop {
            let mut write = self.write().await?;
            let (objects, object_bytes) = rows::take_unused(&mut write, owner, now_s).await?;
            let pruned = Pruned {
                objects,
                object_bytes,
                ..Pruned::default()
            };
            self.commit(write, owner, &pruned, book).await?;
            if objects == 0 {
                break;
            }
        }
        self.strays(owner, now_s, book).await?;
        self.bytes(owner, now_s).await
    }

    /// Begins to write as who holds the lease, which counts anew from this moment.
    async fn write(&self) -> Answer<Write> {
        let mut write = self.pruner.database.write().await?;
        self.lease.hold(&mut write, self.pruner.clock.now_s()).await?;
        Ok(write)
    }

    /// Makes durable what was removed, and that removing has begun.
    async fn commit(
        &self,
        mut write: Write,
        owner: &OwnerKey,
        pruned: &Pruned,
        book: &mut Book,
    ) -> Answer<()> {
        let begins = !book.begun && !pruned.is_nothing();
        if begins {
            let about = format!("run {}", self.lease.number());
            self.note(&mut write, &owner.tenant, "prune.begun", &about)
                .await?;
        }
        write.commit().await?;
        book.begun |= begins;
        book.pruned.add(pruned);
        Ok(())
    }

    /// Bytes that have been without a row for as long as an upload without a point is kept.
    async fn strays(&self, owner: &OwnerKey, now_s: u64, book: &mut Book) -> Answer<()> {
        let before_s = now_s.saturating_sub(UNUSED_KEPT_S);
        let taken = |strays| Pruned {
            strays,
            ..Pruned::default()
        };
        let blobs = self.pruner.blobs;
        self.lease.check(self.pruner.database).await?;
        let partial = taken(blobs.remove_partial(owner, before_s).await?);
        if !partial.is_nothing() {
            self.commit(self.write().await?, owner, &partial, book).await?;
        }
        for ids in blobs.older_than(owner, before_s).await?.chunks(rows::BATCH) {
            let mut write = self.write().await?;
            let strays = taken(rows::take_strays(&mut write, owner, ids).await?);
            self.commit(write, owner, &strays, book).await?;
        }
        Ok(())
    }

    /// Removes the bytes of all that is dying. What is remembered of others ends by the time that was believed.
    async fn bytes(&self, owner: &OwnerKey, now_s: u64) -> Answer<()> {
        loop {
            let ids = rows::dying(self.pruner.database, owner).await?;
            if ids.is_empty() {
                break;
            }
            let write = self.write().await?;
            write.commit().await?;
            for id in &ids {
                self.lease.check(self.pruner.database).await?;
                self.pruner.blobs.delete(owner, *id).await?;
            }
            let mut write = self.write().await?;
            rows::set_gone(&mut write, owner, &ids, self.pruner.clock.now_s()).await?;
            write.commit().await?;
        }
        let mut write = self.write().await?;
        rows::forget(&mut write, owner, now_s.saturating_sub(REMEMBERED_S)).await?;
        write.commit().await
    }

    async fn ended(&self, tenant: &TenantName, pruned: &Pruned) -> Answer<()> {
        let about = format!(
            "run {}: {} points, {} objects of {} bytes, {} strays; {} sticks or workspaces failed",
            self.lease.number(),
            pruned.points,
            pruned.objects,
            pruned.object_bytes,
            pruned.strays,
            pruned.failed
        );
        let mut write = self.pruner.database.write().await?;
        self.note(&mut write, tenant, "prune.ended", &about).await?;
        write.commit().await
    }

    async fn note(&self, write: &mut Write, tenant: &TenantName, what: &str, about: &str) -> Answer<()> {
        let event = Event {
            who: self.pruner.by,
            what,
            about,
        };
        audit::append(write, tenant, self.pruner.clock.now_s(), &event).await
    }
}

/// What an upload finds of an object that was pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone(Option<i64>);

/// Whether bytes of this object may be written now.
pub async fn tombstone(database: &Database, owner: &OwnerKey, id: ObjectId) -> Answer<Tombstone> {
    let row = sqlx::query("SELECT gone_s FROM dying WHERE tenant = $1 AND bundle = $2 AND id = $3")
        .bind(owner.tenant())
        .bind(owner.bundle())
        .bind(id.as_bytes().to_vec())
        .fetch_optional(database.read())
        .await?;
    match row.map(|row| row.try_get(0)).transpose()? {
        Some(0) => Err(being_removed()),
        found => Ok(Tombstone(found)),
    }
}

/// Ends the tombstone under which bytes were written, in the transaction that gives them a row; the owner's row is held.
pub(super) async fn revive(
    write: &mut super::database::Write,
    owner: &OwnerKey,
    id: ObjectId,
    before: Tombstone,
) -> Answer<()> {
    let row = sqlx::query("DELETE FROM dying WHERE tenant = $1 AND bundle = $2 AND id = $3 RETURNING gone_s")
        .bind(owner.tenant())
        .bind(owner.bundle())
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
