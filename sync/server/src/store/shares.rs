//! Shares of sticks: numbers, and wrong passphrases. What a share is and what its name says is `gobag_format::lease::share`'s.
//!
//! Everything about a stick's share is one transaction under its row, so that of many who guess at once each is counted. A wrong passphrase is durable
//! before its sender hears of it.
//!
//! A number that is higher than those that were made is one of a server that was put back to an earlier state: it made that share, and goes on from there.

use gobag_format::lease::share::{Made, ShareMint};
use gobag_protocol::{
    error::Code,
    ids::Digest,
    share::{NextRequest, NextShare, Share, ShareHeld, ShareName, ShareRequest},
};
use sqlx::Row;

use super::{
    StickKey,
    audit::{self, Event},
    database::{Database, Write},
    leases, revocation, signed, unsigned,
};
use crate::{
    refusal::{Answer, Refusal},
    secret,
};

/// Wrong passphrases that cost no waiting.
const FREE: u32 = 5;
/// How long the next costs, in seconds; each one after it twice as long, up to the longest.
const FIRST_WAIT_S: u64 = 60;
const LONGEST_WAIT_S: u64 = 3600;

/// The row of a stick.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    made: u64,
    held: u64,
    wrong: u64,
    locked_until_s: u64,
}

/// Gives a stick's share to somebody who proves to have typed its passphrase, to the company with this CA.
pub async fn give(
    database: &Database,
    mint: &ShareMint,
    stick: &StickKey,
    request: &ShareRequest,
    ca: &Digest,
    now_s: u64,
) -> Answer<Share> {
    if !mint.is_asked(&request.question.0, now_s) {
        let text = "the question that was answered is not one of ours, or was asked too long ago";
        return Err(Refusal::new(Code::ShareQuestion, text));
    }
    let made = mint.open(&request.name).ok_or_else(other_name)?;
    let mut write = database.write().await?;
    let mut row = held(&mut write, stick).await?;
    let_in(&mut write, stick).await?;
    if let Some(left_s) = left_s(row.locked_until_s, now_s) {
        return Err(locked(left_s));
    }
    let (what, answer) = if !request.is_proven(ca, &made.proof_key) {
        row.wrong += 1;
        let wait_s = wait_s(row.wrong);
        row.locked_until_s = if wait_s == 0 { 0 } else { now_s + wait_s };
        ("share.refused", Err(wrong(wait_s)))
    } else if made.number < row.held {
        ("share.old", Err(old()))
    } else {
        let what = match made.number > row.made {
            true => "share.given-ahead",
            false => "share.given",
        };
        (row.wrong, row.locked_until_s) = (0, 0);
        row.made = row.made.max(made.number);
        (what, Ok(made.share))
    };
    keep(&mut write, stick, &row).await?;
    note(&mut write, stick, what, made.number, now_s).await?;
    write.commit().await?;
    answer
}

/// A fresh share for an unlocked stick, whose header may be written with it. Those from before are given until it says that it was.
pub async fn next(
    database: &Database,
    mint: &ShareMint,
    stick: &StickKey,
    request: &NextRequest,
    now_s: u64,
) -> Answer<NextShare> {
    if !request.is_proven(stick.bundle) {
        return Err(Refusal::new(
            Code::RequestMalformed,
            "the proof is not by the key that is to count",
        ));
    }
    let before = request.held.as_ref().map(|name| opened(mint, name)).transpose()?;
    let salt = secret::random()?;
    let mut write = database.write().await?;
    // Neither of two copies may leave the other behind before IT has decided.
    leases::refuse_copies(&mut write, stick).await?;
    let mut row = held(&mut write, stick).await?;
    row.made = row.made.max(before.map_or(0, |before| before.number)) + 1;
    let (name, share) = mint.make(row.made, &request.proof_key, salt);
    keep(&mut write, stick, &row).await?;
    note(&mut write, stick, "share.made", row.made, now_s).await?;
    write.commit().await?;
    Ok(NextShare { name, share })
}

/// Notes that the whole header of a stick wants this share. Again changes nothing.
pub async fn confirm(
    database: &Database,
    mint: &ShareMint,
    stick: &StickKey,
    said: &ShareHeld,
    now_s: u64,
) -> Answer<()> {
    let made = opened(mint, &said.name)?;
    if made.proof_key != said.proof_key {
        let text = "the share is for another passphrase than the one that is in force";
        return Err(Refusal::new(Code::ShareOtherPassphrase, text).hint("ask for the next"));
    }
    let mut write = database.write().await?;
    leases::refuse_copies(&mut write, stick).await?;
    let mut row = held(&mut write, stick).await?;
    if made.number == row.held {
        return Ok(());
    }
    let (what, answer) = match made.number < row.held {
        true => ("share.old", Err(old())),
        false => ("share.held", Ok(())),
    };
    row.held = row.held.max(made.number);
    row.made = row.made.max(made.number);
    keep(&mut write, stick, &row).await?;
    note(&mut write, stick, what, made.number, now_s).await?;
    write.commit().await?;
    answer
}

/// Wrong passphrases of before do not count any more: IT has looked at the stick.
pub(super) async fn forgive(write: &mut Write, stick: &StickKey) -> Answer<()> {
    sqlx::query("UPDATE shares SET wrong = 0, locked_until_s = 0 WHERE tenant = $1 AND bundle = $2")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .execute(write.connection())
        .await?;
    Ok(())
}

fn opened(mint: &ShareMint, name: &ShareName) -> Answer<Made> {
    mint.open(name).ok_or_else(other_name)
}

/// Refuses a stick that is not here, or was cut off.
async fn let_in(write: &mut Write, stick: &StickKey) -> Answer<()> {
    let row = sqlx::query("SELECT revoked, revoked_reason FROM sticks WHERE tenant = $1 AND bundle = $2")
        .bind(stick.tenant())
        .bind(stick.bundle())
        .fetch_optional(write.connection())
        .await?;
    let Some(row) = row else {
        let text =
            "the server does not know this stick: it was put back to a time before the stick was enrolled";
        return Err(Refusal::new(Code::StickProof, text)
            .hint("IT opens the stick with the escrow key, and enrols it again"));
    };
    match row.try_get::<i64, _>(0)? {
        0 => Ok(()),
        _ => Err(revocation::refusal(&row.try_get::<String, _>(1)?)),
    }
}

/// The row of a stick, held until the transaction ends; empty if it has none yet.
async fn held(write: &mut Write, stick: &StickKey) -> Answer<Held> {
    // Of two who begin at once one waits here.
    super::owners::hold(write, stick).await?;
    let row =
        sqlx::query("SELECT made, held, wrong, locked_until_s FROM shares WHERE tenant = $1 AND bundle = $2")
            .bind(stick.tenant())
            .bind(stick.bundle())
            .fetch_optional(write.connection())
            .await?;
    let Some(row) = row else {
        return Ok(Held::default());
    };
    Ok(Held {
        made: unsigned(row.try_get(0)?),
        held: unsigned(row.try_get(1)?),
        wrong: unsigned(row.try_get(2)?),
        locked_until_s: unsigned(row.try_get(3)?),
    })
}

async fn keep(write: &mut Write, stick: &StickKey, row: &Held) -> Answer<()> {
    sqlx::query(
        "INSERT INTO shares (tenant, bundle, made, held, wrong, locked_until_s) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (tenant, bundle) DO UPDATE SET made = $3, held = $4, wrong = $5, locked_until_s = $6",
    )
    .bind(stick.tenant())
    .bind(stick.bundle())
    .bind(signed(row.made))
    .bind(signed(row.held))
    .bind(signed(row.wrong))
    .bind(signed(row.locked_until_s))
    .execute(write.connection())
    .await?;
    Ok(())
}

async fn note(write: &mut Write, stick: &StickKey, what: &str, number: u64, now_s: u64) -> Answer<()> {
    let (who, about) = (
        format!("stick {}", stick.bundle),
        format!("{} number {number}", stick.bundle),
    );
    let event = Event {
        who: &who,
        what,
        about: &about,
    };
    audit::append(write, &stick.tenant, now_s, &event).await
}

/// How long nothing is looked at after so many wrong passphrases in a row.
fn wait_s(wrong: u64) -> u64 {
    match wrong.checked_sub(u64::from(FREE)) {
        None => 0,
        Some(more) => (FIRST_WAIT_S << more.min(16)).min(LONGEST_WAIT_S),
    }
}

/// How long nothing is looked at from now on. A moment that is further away than any waiting takes was noted by a clock that was ahead, and counts no more.
fn left_s(locked_until_s: u64, now_s: u64) -> Option<u64> {
    let left_s = locked_until_s.saturating_sub(now_s);
    (1..=LONGEST_WAIT_S).contains(&left_s).then_some(left_s)
}

fn wrong(wait_s: u64) -> Refusal {
    let refusal = Refusal::new(Code::ShareProof, "that is not the passphrase of this stick");
    match wait_s {
        0 => refusal,
        _ => refusal.hint(format!("the next one is looked at in {wait_s} seconds")),
    }
}

fn locked(left_s: u64) -> Refusal {
    let text = format!("too many wrong passphrases: the next one is looked at in {left_s} seconds");
    Refusal::new(Code::ShareLocked, text)
        .hint("wait, or phone IT, who can end the waiting")
        .retry_after(left_s)
}

fn old() -> Refusal {
    Refusal::new(
        Code::ShareOld,
        "the stick is an older copy, or was put back: a later share is in force",
    )
    .hint("use the newest copy; IT can open this one with the escrow key")
}

fn other_name() -> Refusal {
    Refusal::new(
        Code::ShareName,
        "this server never made such a share for this stick",
    )
    .hint("IT can open the stick with the escrow key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_are_free_then_it_takes_longer_up_to_an_hour() {
        let waits: Vec<u64> = (1..=13).map(wait_s).collect();
        assert_eq!(
            waits,
            [0, 0, 0, 0, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
        );
        assert_eq!(wait_s(u64::MAX), 3600);
    }
}
