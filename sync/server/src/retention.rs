//! Which points go: a pure function of a policy, of the points that are there, and of the server's time.
//!
//! Whatever the policy says, a line keeps its newest point, its newest complete one, and the one of its last good drill. Only complete points are kept by
//! rule: one that is not is progress of a first copy, worth keeping while it is the newest. A point of the future (the server's clock was wrong) is
//! kept and counts for nothing. Sticks cannot choose a point's time, so none can push good points out of a tier with points of its own date.

use gobag_protocol::policy::{Retention, Tier};
use time::OffsetDateTime;

/// A point as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its generation.
    pub generation: u64,
    /// The server's time of it.
    pub time_s: u64,
    /// Whether one can go back to it.
    pub complete: bool,
    /// Whether it has a name.
    pub bookmarked: bool,
    /// When a drill last proved it, 0 for never.
    pub drilled_s: u64,
}

/// A line with its points, in any order, and what they need.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// The points that are there.
    pub points: Vec<Kept>,
    /// Which of them need how many bytes. Bytes that are added again after they were dropped, or that two lines need, count twice.
    pub needs: Vec<Need>,
}

/// Bytes that the points of generations from `born` to before `died` need; 0: all from `born` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The first generation.
    pub born: u64,
    /// The one that dropped them.
    pub died: u64,
    /// How many.
    pub bytes: u64,
}

/// Generations that go, of each line, ascending.
pub fn prune(retention: &Retention, lines: &[Line], now_s: u64) -> Vec<Vec<u64>> {
    let mut kept: Vec<Vec<Kept>> = Vec::new();
    for line in lines {
        let safe = always(&line.points);
        let mut points = line.points.clone();
        if !retention.is_empty() {
            let ruled = ruled(retention, &line.points, now_s);
            points.retain(|point| safe.contains(&point.generation) || ruled.contains(&point.generation));
        }
        kept.push(points);
    }
    if let Some(most) = retention.space_bytes {
        fit(most, retention, lines, &mut kept);
    }
    let gone = |(line, kept): (&Line, &Vec<Kept>)| {
        let mut gone: Vec<u64> = line.points.iter().map(|point| point.generation).collect();
        gone.retain(|generation| kept.iter().all(|point| point.generation != *generation));
        gone.sort_unstable();
        gone
    };
    lines.iter().zip(&kept).map(gone).collect()
}

/// Generations that stay whatever the policy says.
fn always(points: &[Kept]) -> Vec<u64> {
    let newest = points.iter().map(|point| point.generation).max();
    let complete = points.iter().filter(|point| point.complete);
    let drilled = points.iter().filter(|point| point.drilled_s > 0);
    let drilled = drilled.max_by_key(|point| (point.drilled_s, point.generation));
    newest
        .into_iter()
        .chain(complete.map(|point| point.generation).max())
        .chain(drilled.map(|point| point.generation))
        .collect()
}

/// Generations that a rule keeps.
fn ruled(retention: &Retention, points: &[Kept], now_s: u64) -> Vec<u64> {
    let mut complete: Vec<Kept> = points.iter().copied().filter(|point| point.complete).collect();
    complete.sort_by_key(|point| std::cmp::Reverse((point.time_s, point.generation)));
    let (future, past): (Vec<Kept>, Vec<Kept>) = complete.iter().partition(|point| point.time_s > now_s);
    let mut ruled: Vec<u64> = future.iter().map(|point| point.generation).collect();
    let named = complete
        .iter()
        .filter(|point| retention.bookmarked && point.bookmarked);
    ruled.extend(named.map(|point| point.generation));
    if !retention.has_rules() {
        // Only space is limited.
        ruled.extend(past.iter().map(|point| point.generation));
        return ruled;
    }
    ruled.extend(indices(retention, &past).map(|at| past[at].generation));
    ruled
}

/// Which of these points, newest first, the rules of time keep.
fn indices(retention: &Retention, newest_first: &[Kept]) -> impl Iterator<Item = usize> {
    let newest_s = newest_first.first().map_or(0, |point| point.time_s);
    let within =
        |point: &Kept, hours: u64| point.time_s.saturating_add(hours.saturating_mul(3600)) > newest_s;
    let mut keep = vec![false; newest_first.len()];
    for (keep, point) in keep.iter_mut().zip(newest_first) {
        *keep = retention
            .keep_within_hours
            .is_some_and(|hours| hours > 0 && within(point, hours));
    }
    for (tier, span) in retention.tiers().into_iter().zip(SPANS) {
        let Some(tier) = tier else { continue };
        let mut left = match tier {
            Tier::Count(count) => count,
            Tier::Hours(_) | Tier::All => u32::MAX,
        };
        let mut before = None;
        for (at, point) in newest_first.iter().enumerate() {
            let reaches = match tier {
                Tier::Hours(hours) => hours > 0 && within(point, hours),
                Tier::Count(_) | Tier::All => left > 0,
            };
            if !reaches {
                break;
            }
            let bucket = span(point.time_s, at);
            // The oldest of all stays while there is room: the history reaches as far back as it can.
            if before != Some(bucket) || at + 1 == newest_first.len() {
                keep[at] = true;
                left = left.saturating_sub(1);
                before = Some(bucket);
            }
        }
    }
    (0..newest_first.len()).filter(move |at| keep[*at])
}

/// What tells one bucket of a tier from the next, in the order of [`Retention::tiers`].
const SPANS: [fn(u64, usize) -> i64; 6] = [
    |_, at| i64::try_from(at).unwrap_or(i64::MAX),
    |time_s, _| (time_s / 3600) as i64,
    |time_s, _| (time_s / 86_400) as i64,
    |time_s, _| {
        let (year, week, _) = date(time_s).to_iso_week_date();
        i64::from(year) * 100 + i64::from(week)
    },
    |time_s, _| {
        let date = date(time_s);
        i64::from(date.year()) * 100 + i64::from(u8::from(date.month()))
    },
    |time_s, _| i64::from(date(time_s).year()),
];

fn date(time_s: u64) -> time::Date {
    let seconds = i64::try_from(time_s).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).map_or(time::Date::MAX, OffsetDateTime::date)
}

/// Takes the oldest points that may go until what the others need fits. None that `keep_within_hours` keeps: a guest that writes everything anew, as
/// ransomware does, must not push out what it was yesterday. If that is too much even without all that may go, none goes.
fn fit(most: u64, retention: &Retention, lines: &[Line], kept: &mut [Vec<Kept>]) {
    let mut removable: Vec<(u64, usize, u64)> = Vec::new();
    for (at, points) in kept.iter().enumerate() {
        let safe = always(&lines[at].points);
        let newest_s = points.iter().map(|point| point.time_s).max().unwrap_or(0);
        let hours = retention.keep_within_hours.unwrap_or(0);
        let is_recent =
            |point: &Kept| hours > 0 && point.time_s.saturating_add(hours.saturating_mul(3600)) > newest_s;
        let may_go = |point: &&Kept| {
            let is_named = retention.bookmarked && point.bookmarked;
            !(safe.contains(&point.generation) || is_named || is_recent(point))
        };
        removable.extend(
            points
                .iter()
                .filter(may_go)
                .map(|point| (point.time_s, at, point.generation)),
        );
    }
    removable.sort_unstable();
    // What is needed only falls as more points go: the fewest that do are found by halving.
    let needed_without = |gone: usize, kept: &[Vec<Kept>]| -> u64 {
        let gone = &removable[..gone];
        let needed = |at: usize, need: &Need| {
            kept[at].iter().any(|point| {
                let covers =
                    need.born <= point.generation && (need.died == 0 || point.generation < need.died);
                covers && gone.binary_search(&(point.time_s, at, point.generation)).is_err()
            })
        };
        let lines = lines.iter().enumerate();
        lines
            .flat_map(|(at, line)| line.needs.iter().filter(move |need| needed(at, need)))
            .map(|need| need.bytes)
            .sum()
    };
    if needed_without(removable.len(), kept) > most {
        return;
    }
    let (mut fewest, mut enough) = (0, removable.len());
    while fewest < enough {
        let half = fewest.midpoint(enough);
        match needed_without(half, kept) <= most {
            true => enough = half,
            false => fewest = half + 1,
        }
    }
    for &(_, at, generation) in &removable[..enough] {
        kept[at].retain(|point| point.generation != generation);
    }
}

#[cfg(test)]
mod tests;
