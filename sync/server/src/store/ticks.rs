//! Whether the server's own clock can be right: what it said before is noted in the database, by all replicas, once a minute.
//!
//! A clock that says less than was noted has gone back, and one that says a day more has leapt: or the server was off for so long, which it
//! cannot tell from the inside. Until the clock is put right, or IT says that it is ([`confirm`]), it is *in doubt*: nothing is pruned, nobody
//! is said to be well, and points are still made, but marked. Marked points get a time when the doubt ends:
//!
//! * the clock was put right: the time of that moment, for they are not younger. Asked for an earlier time, nobody gets them;
//! * IT said that it was right all along: the time they have.
//!
//! So one false future freezes no line: a believed clock leaves no point of a line after itself.

use gobag_protocol::error::Code;
use sqlx::{AnyConnection, Row};

use super::{
    audit::{self, Event},
    database::Database,
    signed, unsigned,
};
use crate::refusal::{Answer, Refusal};

/// Seconds from one note to the next.
pub const TICK_S: u64 = 60;
/// Seconds that clocks of replicas may differ.
pub const SKEW_S: u64 = 300;
/// Seconds without a note after which a clock is not believed. Less than the 72 hours that unused objects and parts are kept.
pub const LEAP_S: u64 = 24 * 3600;

/// What is thought of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// It can be right.
    Right,
    /// It is so many seconds past what was noted last.
    Ahead(u64),
    /// It is so many seconds before what was noted last.
    Behind(u64),
}

impl Belief {
    fn of(mark_s: u64, now_s: u64) -> Self {
        if now_s.saturating_add(SKEW_S) < mark_s {
            Self::Behind(mark_s - now_s)
        } else if now_s > mark_s.saturating_add(LEAP_S) {
            Self::Ahead(now_s - mark_s)
        } else {
            Self::Right
        }
    }

    /// Whether it is believed.
    pub fn is_right(self) -> bool {
        self == Self::Right
    }
}

/// What is thought of a clock that says `now_s`; nothing is noted.
pub async fn look(connection: &mut AnyConnection, now_s: u64) -> Answer<Belief> {
    if let Some(mark_s) = mark(connection).await? {
        return Ok(Belief::of(mark_s, now_s));
    }
    // Nothing was noted, before the first start or in a database put back: of a leap nothing is known, but nothing may be younger than now.
    let newest_s = newest(connection).await?;
    Ok(match newest_s > now_s.saturating_add(SKEW_S) {
        true => Belief::Behind(newest_s - now_s),
        false => Belief::Right,
    })
}

/// Fails while the clock is in doubt.
pub async fn check(connection: &mut AnyConnection, now_s: u64) -> Answer<()> {
    let text = match look(connection, now_s).await? {
        Belief::Right => return Ok(()),
        Belief::Ahead(by_s) => format!("the server's clock is {by_s} s past the last time it was seen right"),
        Belief::Behind(by_s) => format!("the server's clock is {by_s} s before a time it has told already"),
    };
    Err(Refusal::new(Code::ServerClock, text)
        .hint("put the clock right; if it is right, say so: `gobag-server clock --is-right`"))
}

/// Notes the time if it can be right; then points that were made in doubt have a time again.
pub async fn tick(database: &Database, now_s: u64) -> Answer<Belief> {
    let mut write = database.write().await?;
    let belief = look(write.connection(), now_s).await?;
    if let (None, Belief::Behind(by_s)) = (mark(write.connection()).await?, belief) {
        set(write.connection(), now_s + by_s).await?;
    }
    if belief.is_right() {
        sqlx::query(
            "INSERT INTO clock (one, mark_s) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET mark_s = excluded.mark_s \
             WHERE clock.mark_s < excluded.mark_s",
        )
        .bind(signed(now_s))
        .execute(write.connection())
        .await?;
        sqlx::query("UPDATE points SET time_s = $1, doubted = 0 WHERE doubted = 1")
            .bind(signed(now_s))
            .execute(write.connection())
            .await?;
    }
    write.commit().await?;
    Ok(belief)
}

/// IT says that the clock is right: it is believed from here on, and was while it was in doubt.
pub async fn confirm(database: &Database, now_s: u64, by: &str) -> Answer<()> {
    let mut write = database.write().await?;
    set(write.connection(), now_s).await?;
    // None of them is younger than now, whatever they were told.
    sqlx::query(
        "UPDATE points SET time_s = CASE WHEN time_s > $1 THEN $1 ELSE time_s END, doubted = 0 WHERE doubted = 1",
    )
    .bind(signed(now_s))
    .execute(write.connection())
    .await?;
    let event = Event {
        who: by,
        what: "clock.confirmed",
        about: "the server's clock is right",
    };
    audit::append_to_all(&mut write, now_s, &event).await?;
    write.commit().await
}

/// What was noted last.
pub async fn mark(connection: &mut AnyConnection) -> Answer<Option<u64>> {
    let row = sqlx::query("SELECT mark_s FROM clock WHERE one = 1")
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.map(unsigned))
}

async fn set(connection: &mut AnyConnection, mark_s: u64) -> Answer<()> {
    sqlx::query("INSERT INTO clock (one, mark_s) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET mark_s = excluded.mark_s")
        .bind(signed(mark_s))
        .execute(connection)
        .await?;
    Ok(())
}

/// The newest time that the database tells of anything.
async fn newest(connection: &mut AnyConnection) -> Answer<u64> {
    let sql = "SELECT COALESCE(MAX(at_s), 0) FROM (SELECT MAX(time_s) AS at_s FROM points \
         UNION ALL SELECT MAX(last_contact_s) FROM sticks UNION ALL SELECT MAX(time_s) FROM audit) AS times";
    let newest_s: i64 = sqlx::query(sql).fetch_one(connection).await?.try_get(0)?;
    Ok(unsigned(newest_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_a_little_behind_and_a_day_ahead() {
        let mark_s = 1_000_000;
        for (now_s, expected) in [
            (mark_s - SKEW_S - 1, Belief::Behind(SKEW_S + 1)),
            (mark_s - SKEW_S, Belief::Right),
            (mark_s, Belief::Right),
            (mark_s + LEAP_S, Belief::Right),
            (mark_s + LEAP_S + 1, Belief::Ahead(LEAP_S + 1)),
            (0, Belief::Behind(mark_s)),
        ] {
            assert_eq!(Belief::of(mark_s, now_s), expected);
        }
    }
}
