//! Which earlier versions of a file stay: pure, from when each was replaced, and what time it is.
//!
//! Time is cut at its natural boundaries, and of each stretch the version stays that was replaced first: it is what stood there before all that was done in that
//! stretch, such as last week's text before an hour of saving, or a file before it was encrypted twice. The first of a week is the first of its day and of its hour,
//! too, and one goes only where an older one of its stretch stays. The newest version stays, too, until it is too old. One of the future (a clock was wrong) stays
//! and counts for nothing.

/// How long what was is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepRules {
    /// From the youngest versions on; what is older than all of them goes.
    pub steps: Vec<Step>,
    /// The newest version of a file that is no longer there stays for so many seconds at least.
    pub deleted_s: i64,
}

/// Versions up to some age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Seconds since they were replaced, at most.
    pub until_s: i64,
    /// One of so many seconds stays.
    pub every_s: i64,
}

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

impl Default for KeepRules {
    /// Of the last hour one of 30 seconds, of the last day one an hour, of 30 days one a day, of a year one a week; what was deleted, 90 days.
    fn default() -> Self {
        let step = |until_s, every_s| Step { until_s, every_s };
        Self {
            steps: vec![
                step(60 * 60, 30),
                step(DAY, 60 * 60),
                step(30 * DAY, DAY),
                step(365 * DAY, 7 * DAY),
            ],
            deleted_s: 90 * DAY,
        }
    }
}

/// Of a file's versions, each given as the second in which it was replaced, the oldest first: which stay. `is_there`: the file has not been deleted.
pub fn keep(replaced_s: &[i64], is_there: bool, now_s: i64, rules: &KeepRules) -> Vec<bool> {
    let mut older: Option<i64> = None;
    let newest = replaced_s.iter().rposition(|time_s| *time_s <= now_s);
    let mut stays = Vec::with_capacity(replaced_s.len());
    for (at, time_s) in replaced_s.iter().copied().enumerate() {
        let age_s = now_s.saturating_sub(time_s);
        if age_s < 0 {
            stays.push(true);
            continue;
        }
        let step = rules.steps.iter().find(|step| age_s <= step.until_s);
        let is_newest = Some(at) == newest;
        let is_first = |step: &Step| {
            let stretch = |time_s: i64| time_s.div_euclid(step.every_s.max(1));
            older.is_none_or(|older| stretch(older) != stretch(time_s))
        };
        let is_deleted = !is_there && is_newest && age_s <= rules.deleted_s;
        let it_stays = is_deleted || step.is_some_and(|step| is_newest || is_first(step));
        older = if it_stays { Some(time_s) } else { older };
        stays.push(it_stays);
    }
    stays
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * 60;
    /// The begin of a week of 7 days since 1970.
    const NOW: i64 = 2952 * 7 * DAY;

    /// Ages of those that stay, of those of these ages.
    fn kept(ages: &[i64], is_there: bool) -> Vec<i64> {
        let replaced: Vec<i64> = ages.iter().rev().map(|age| NOW - age).collect();
        let stays = keep(&replaced, is_there, NOW, &KeepRules::default());
        let stay = ages.iter().zip(stays.iter().rev()).filter(|(_, stays)| **stays);
        stay.map(|(age, _)| *age).collect()
    }

    #[test]
    fn the_first_of_each_stretch_stays_and_the_newest() {
        for (ages, stay) in [
            (&[][..], &[][..]),
            // An hour: one of 30 seconds.
            (&[1, 10, 29, 31, 59, 61], &[1, 29, 59, 61]),
            // A day: one an hour.
            (
                &[1, HOUR + 1, HOUR + 2, 2 * HOUR, 2 * HOUR + 1],
                &[1, 2 * HOUR, 2 * HOUR + 1],
            ),
            // What stood for a week before somebody saved it every few minutes, and what was encrypted twice.
            (
                &[2 * HOUR + 60, 2 * HOUR + 300, 3 * HOUR],
                &[2 * HOUR + 60, 3 * HOUR],
            ),
            (
                &[2 * HOUR + 1, 2 * HOUR + 2, 2 * HOUR + 3],
                &[2 * HOUR + 1, 2 * HOUR + 3],
            ),
            // A month: one a day.
            (
                &[1, DAY + 1, DAY + 5 * HOUR, 2 * DAY, 2 * DAY + 1],
                &[1, 2 * DAY, 2 * DAY + 1],
            ),
            // A year: one a week.
            (
                &[1, 35 * DAY + 1, 36 * DAY, 41 * DAY, 42 * DAY, 42 * DAY + 1],
                &[1, 42 * DAY, 42 * DAY + 1],
            ),
            // And no more.
            (&[365 * DAY, 365 * DAY + 1, 1000 * DAY], &[365 * DAY]),
            // What comes from the future stays, and nothing goes for it.
            (&[-100 * DAY, -5, 1, 2, 3], &[-100 * DAY, -5, 1, 3]),
        ] {
            assert_eq!(kept(ages, true), stay, "{ages:?}");
        }
    }

    #[test]
    fn the_newest_of_a_deleted_file_stays_for_long() {
        let short = KeepRules {
            steps: vec![Step {
                until_s: HOUR,
                every_s: 1,
            }],
            ..KeepRules::default()
        };
        for (age, is_there, stays) in [
            (2 * HOUR, true, false),
            (2 * HOUR, false, true),
            (90 * DAY, false, true),
            (90 * DAY + 1, false, false),
        ] {
            let two = keep(&[NOW - age - 1, NOW - age], is_there, NOW, &short);
            assert_eq!(two, [false, stays], "{age} {is_there}");
        }
    }

    /// A change every seven minutes for two years, and a look each three hours: what stays is what a single look at the end would keep, but for the
    /// first of what has just come to another step: for that nothing older stands yet.
    #[test]
    fn how_often_it_is_asked_changes_next_to_nothing() {
        let rules = KeepRules::default();
        let (mut often, mut all) = (Vec::new(), Vec::new());
        let begin = NOW - 730 * DAY;
        for time_s in (begin..NOW).step_by(7 * 60) {
            often.push(time_s);
            all.push(time_s);
            if (time_s - begin) % (3 * HOUR) < 7 * 60 {
                let mut stays = keep(&often, true, time_s, &rules).into_iter();
                often.retain(|_| stays.next() == Some(true));
            }
        }
        let at_end = |times: &[i64]| -> Vec<i64> {
            let stays = keep(times, true, NOW, &rules);
            times
                .iter()
                .zip(stays)
                .filter(|(_, stays)| *stays)
                .map(|(time, _)| *time)
                .collect()
        };
        let (few, many) = (at_end(&often), at_end(&all));
        assert!(few.iter().all(|time_s| many.contains(time_s)), "{few:?} {many:?}");
        assert!(many.len() - few.len() < rules.steps.len(), "{few:?} {many:?}");
        // 52 weeks less 30 days, 30 days, 24 hours, and the last hour's.
        let left = at_end(&all).len();
        assert!((100..=120).contains(&left), "{left}");
    }
}
