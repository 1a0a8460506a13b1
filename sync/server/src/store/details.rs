//! One stick as IT looks at it before a disaster: how old is what it could be brought back to?

use gobag_protocol::{
    error::Code,
    people::{Health, LineInfo, StickDetails},
};
use sqlx::Row;

use super::{OwnerKey, StickKey, database::Database, policies, sticks, ticks, unsigned};
use crate::refusal::{Answer, Refusal};

/// Seconds that the newest complete point may be old, where the policy does not say.
const TARGET_S: u64 = 24 * 3600;

/// All that is known of a stick, by the server's time.
pub async fn get(database: &Database, stick: &StickKey, now_s: u64) -> Answer<StickDetails> {
    let stick_info = sticks::get(database, stick)
        .await?
        .ok_or_else(|| Refusal::new(Code::RequestUnknown, "there is no such stick"))?;
    let mut connection = database.read().acquire().await?;
    let policy = policies::get(&mut connection, &stick.tenant).await?;
    drop(connection);
    let (lines, clock_doubtful) = lines(database, stick, now_s).await?;
    let rpo_s = worst(&lines);
    let rpo_target_s = policy.rpo_target_s.unwrap_or(TARGET_S);
    Ok(StickDetails {
        stick: stick_info,
        server_time_s: now_s,
        clock_doubtful,
        lines,
        rpo_s,
        rpo_target_s,
        health: health(rpo_s, rpo_target_s),
    })
}

/// The lines of a stick or a workspace, and whether the clock is in doubt, by which no age is known.
pub(super) async fn lines(
    database: &Database,
    owner: &OwnerKey,
    now_s: u64,
) -> Answer<(Vec<LineInfo>, bool)> {
    let mut connection = database.read().acquire().await?;
    let clock_doubtful = !ticks::look(&mut connection, now_s).await?.is_right();
    // An age by a clock that is not believed, or of a point that it says is still to come, is not known.
    let age = |made_s: u64| match clock_doubtful || made_s > now_s.saturating_add(ticks::SKEW_S) {
        true => None,
        false => Some(now_s.saturating_sub(made_s)),
    };
    let rows = sqlx::query(
        "SELECT line, MAX(generation), MAX(time_s), COUNT(*), MAX(CASE WHEN complete = 1 THEN time_s ELSE -1 END), MAX(drilled_s) \
         FROM points WHERE tenant = $1 AND bundle = $2 GROUP BY line ORDER BY line",
    )
    .bind(owner.tenant())
    .bind(owner.bundle())
    .fetch_all(&mut *connection)
    .await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let complete_s = u64::try_from(row.try_get::<i64, _>(4)?).ok();
        lines.push(LineInfo {
            line: row.try_get(0)?,
            newest_generation: unsigned(row.try_get(1)?),
            newest_point_s: unsigned(row.try_get(2)?),
            points: unsigned(row.try_get(3)?),
            newest_complete_s: complete_s,
            rpo_s: complete_s.and_then(age),
            last_good_drill_s: Some(unsigned(row.try_get(5)?)).filter(|seconds| *seconds != 0),
        });
    }
    Ok((lines, clock_doubtful))
}

/// The age of the oldest of the lines' newest complete points; none if a line has no such point, or there is no line.
fn worst(lines: &[LineInfo]) -> Option<u64> {
    let ages: Option<Vec<u64>> = lines.iter().map(|line| line.rpo_s).collect();
    ages?.into_iter().max()
}

/// What is not known is never green.
fn health(rpo_s: Option<u64>, target_s: u64) -> Health {
    match rpo_s {
        Some(rpo_s) if rpo_s <= target_s => Health::Green,
        Some(rpo_s) if rpo_s <= target_s.saturating_mul(2) => Health::Amber,
        _ => Health::Red,
    }
}
