//! Restic's published vectors (`tests/vectors/restic-retention.md`), and the cases R1 to R5 of the research.

use serde::Deserialize;
use time::{Date, Month, UtcDateTime, format_description::well_known::Rfc3339};

use super::*;

const DAY: u64 = 86_400;

#[derive(Deserialize)]
struct Vectors {
    snapshots: Vec<String>,
    policies: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    file: String,
    policy: Rules,
    keep: Vec<String>,
}

/// Counts, -1 for all; durations as years, months, days, hours.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Rules {
    last: Option<i64>,
    hourly: Option<i64>,
    daily: Option<i64>,
    weekly: Option<i64>,
    monthly: Option<i64>,
    yearly: Option<i64>,
    within: Option<[i32; 4]>,
    within_hourly: Option<[i32; 4]>,
    within_daily: Option<[i32; 4]>,
    within_weekly: Option<[i32; 4]>,
    within_monthly: Option<[i32; 4]>,
    within_yearly: Option<[i32; 4]>,
}

fn seconds(text: &str) -> u64 {
    let time = UtcDateTime::parse(text, &Rfc3339).unwrap();
    time.unix_timestamp().try_into().unwrap()
}

/// A duration of the calendar before `newest`, in hours.
fn hours([years, months, days, hours]: [i32; 4], newest: &str) -> u64 {
    let newest = UtcDateTime::parse(newest, &Rfc3339).unwrap();
    let month0 = newest.year() * 12 + i32::from(u8::from(newest.month())) - 1 - years * 12 - months;
    let month = Month::try_from(u8::try_from(month0.rem_euclid(12)).unwrap() + 1).unwrap();
    let first = Date::from_calendar_date(month0.div_euclid(12), month, 1).unwrap();
    let date = first + time::Duration::days(i64::from(newest.day()) - 1 - i64::from(days));
    let start = date.with_time(newest.time()).as_utc() - time::Duration::hours(i64::from(hours));
    (newest - start).whole_hours().try_into().unwrap()
}

fn retention(rules: &Rules, newest: &str) -> Vec<Retention> {
    let tier = |count: Option<i64>| {
        count.map(|count| match u32::try_from(count) {
            Ok(count) => Tier::Count(count),
            Err(_) => Tier::All,
        })
    };
    let within = |span: Option<[i32; 4]>| span.map(|span| Tier::Hours(hours(span, newest)));
    let counted = Retention {
        keep_within_hours: rules.within.map(|span| hours(span, newest)),
        last: tier(rules.last),
        hourly: tier(rules.hourly),
        daily: tier(rules.daily),
        weekly: tier(rules.weekly),
        monthly: tier(rules.monthly),
        yearly: tier(rules.yearly),
        ..Retention::default()
    };
    let spanned = Retention {
        hourly: within(rules.within_hourly),
        daily: within(rules.within_daily),
        weekly: within(rules.within_weekly),
        monthly: within(rules.within_monthly),
        yearly: within(rules.within_yearly),
        ..Retention::default()
    };
    vec![counted, spanned]
}

#[test]
fn what_restic_keeps_is_kept() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../tests/vectors/restic-retention.json")).unwrap();
    let mut snapshots = vectors.snapshots;
    snapshots.sort_by_key(|text| std::cmp::Reverse(UtcDateTime::parse(text, &Rfc3339).unwrap()));
    let points: Vec<Kept> = snapshots.iter().map(|text| point(0, seconds(text))).collect();
    assert_eq!(vectors.policies.len(), 36);
    for vector in &vectors.policies {
        let mut kept: Vec<usize> = retention(&vector.policy, &snapshots[0])
            .iter()
            .flat_map(|retention| indices(retention, &points).collect::<Vec<_>>())
            .collect();
        kept.sort_unstable();
        kept.dedup();
        let kept: Vec<&String> = kept.iter().map(|at| &snapshots[*at]).collect();
        assert_eq!(kept, vector.keep.iter().collect::<Vec<_>>(), "{}", vector.file);
    }
}

fn point(generation: u64, time_s: u64) -> Kept {
    Kept {
        generation,
        time_s,
        complete: true,
        bookmarked: false,
        drilled_s: 0,
    }
}

/// Points at these times, numbered from 1.
fn line(times: impl IntoIterator<Item = u64>) -> Line {
    Line {
        points: (1..)
            .zip(times)
            .map(|(generation, time_s)| point(generation, time_s))
            .collect(),
        needs: Vec::new(),
    }
}

/// What stays of one line.
fn stays(retention: &Retention, line: &Line, now_s: u64) -> Vec<u64> {
    let gone = prune(retention, std::slice::from_ref(line), now_s).remove(0);
    let generations = line.points.iter().map(|point| point.generation);
    generations
        .filter(|generation| !gone.contains(generation))
        .collect()
}

fn daily(count: u32) -> Retention {
    Retention {
        daily: Some(Tier::Count(count)),
        ..Retention::default()
    }
}

fn noon(text: &str) -> u64 {
    seconds(&format!("{text}T12:00:00Z"))
}

#[test]
fn r1_an_empty_policy_removes_nothing() {
    let line = line((0..50).map(|day| day * DAY));
    assert_eq!(stays(&Retention::default(), &line, 60 * DAY).len(), 50);
}

#[test]
fn r2_only_days_that_have_a_point_count() {
    let days = [1, 2, 5, 6, 7, 20, 21];
    let line = line(days.iter().flat_map(|day| [day * DAY, day * DAY + 3600]));
    // The last of each of the five last days that have one.
    assert_eq!(stays(&daily(5), &line, 22 * DAY), [6, 8, 10, 12, 14]);
}

#[test]
fn r3_a_point_of_the_future_is_kept_and_counts_for_nothing() {
    let line = line([DAY, 2 * DAY, 3 * DAY, 400 * DAY, 500 * DAY]);
    assert_eq!(stays(&daily(2), &line, 4 * DAY), [2, 3, 4, 5]);
}

#[test]
fn r4_a_stick_that_makes_many_points_pushes_no_good_day_out() {
    let good = (0..7).map(|day| day * DAY);
    let bad = (0..5000).map(|at| 7 * DAY + at);
    let line = line(good.chain(bad));
    assert_eq!(stays(&daily(8), &line, 8 * DAY), [1, 2, 3, 4, 5, 6, 7, 5007]);
    let within = Retention {
        keep_within_hours: Some(7 * 24),
        ..Retention::default()
    };
    assert_eq!(stays(&within, &line, 8 * DAY).len(), 5006);
}

#[test]
fn r5_one_point_of_each_bucket_of_the_calendar() {
    // 2020 has a week 53, whose days lie in two years; 29 February is a day.
    let days = [
        "2020-02-28",
        "2020-02-29",
        "2020-03-01",
        "2020-12-28",
        "2020-12-31",
        "2021-01-03",
        "2021-01-04",
    ];
    let line = line(days.map(noon));
    let all = |choose: fn(&mut Retention)| {
        let mut retention = Retention::default();
        choose(&mut retention);
        stays(&retention, &line, noon("2022-01-01"))
    };
    assert_eq!(all(|keep| keep.daily = Some(Tier::All)), [1, 2, 3, 4, 5, 6, 7]);
    // The oldest of all stays, too.
    assert_eq!(all(|keep| keep.weekly = Some(Tier::All)), [1, 3, 6, 7]);
    assert_eq!(all(|keep| keep.monthly = Some(Tier::All)), [1, 2, 3, 5, 7]);
    assert_eq!(all(|keep| keep.yearly = Some(Tier::All)), [1, 5, 7]);
}

#[test]
fn the_newest_the_newest_complete_one_and_the_last_good_drill_always_stay() {
    let mut line = line((1..=10).map(|day| day * DAY));
    line.points[1].drilled_s = 50 * DAY;
    line.points[3].drilled_s = 40 * DAY;
    for point in &mut line.points[6..] {
        point.complete = false;
    }
    line.points[2].bookmarked = true;
    // 6 is the newest complete point, 10 how far the copy has come.
    let mut last = Retention {
        last: Some(Tier::Count(1)),
        ..Retention::default()
    };
    // The oldest of all is no reason: one is as many as are asked for.
    assert_eq!(stays(&last, &line, 60 * DAY), [2, 6, 10]);
    last.bookmarked = true;
    assert_eq!(stays(&last, &line, 60 * DAY), [2, 3, 6, 10]);
    last.space_bytes = Some(0);
    assert_eq!(stays(&last, &line, 60 * DAY), [2, 3, 6, 10]);
}

#[test]
fn of_what_does_not_fit_the_oldest_goes_first_across_lines() {
    // Each point of each line adds 10 bytes that the next drops, and 5 that stay.
    let needs = |count: u64| {
        let once = (1..=count).map(|born| (born, if born == count { 0 } else { born + 1 }, 10));
        let stay = (1..=count).map(|born| (born, 0, 5));
        let of = |(born, died, bytes)| Need { born, died, bytes };
        once.chain(stay).map(of).collect()
    };
    let mut one = line((1..=4).map(|day| day * DAY));
    let mut other = line((1..=4).map(|day| day * DAY + 3600));
    (one.needs, other.needs) = (needs(4), needs(4));
    let lines = [one, other];
    let gone = |space_bytes| {
        let space = Retention {
            space_bytes: Some(space_bytes),
            ..Retention::default()
        };
        prune(&space, &lines, 5 * DAY)
    };
    assert_eq!(gone(120), [vec![], vec![]] as [Vec<u64>; 2]);
    assert_eq!(gone(119), [vec![1], vec![]]);
    assert_eq!(gone(100), [vec![1], vec![1]]);
    assert_eq!(gone(95), [vec![1, 2], vec![1]]);
    assert_eq!(gone(60), [vec![1, 2, 3], vec![1, 2, 3]]);
    // What always stays needs more than that: nothing is won by letting the rest go.
    assert_eq!(gone(59), [vec![], vec![]] as [Vec<u64>; 2]);
    assert_eq!(gone(0), [vec![], vec![]] as [Vec<u64>; 2]);
    let recent = |space_bytes| {
        let recent = Retention {
            space_bytes: Some(space_bytes),
            keep_within_hours: Some(30),
            last: Some(Tier::All),
            ..Retention::default()
        };
        prune(&recent, &lines, 5 * DAY)
    };
    // Of each line the points of the last two days stay, whatever they need.
    assert_eq!(recent(80), [vec![1, 2], vec![1, 2]]);
    assert_eq!(recent(79), [vec![], vec![]] as [Vec<u64>; 2]);
    let both = Retention {
        space_bytes: Some(95),
        daily: Some(Tier::Count(2)),
        ..Retention::default()
    };
    assert_eq!(prune(&both, &lines, 5 * DAY), [vec![1, 2], vec![1, 2]]);
}
