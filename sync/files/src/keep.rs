//! Which earlier versions of a file stay: pure, from when each was replaced, and what time it is.
//!
//! Time is cut at its natural boundaries, and the last version of each stretch stays: of an hour that is the one which is the last of its minutes, too. So what
//! stays does not depend on how often it is asked. A version of the future (a clock was wrong) stays and counts for nothing.

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
    let mut stays = vec![true; replaced_s.len()];
    let mut newer: Option<i64> = None;
    let newest = replaced_s.len().checked_sub(1);
    for (at, time_s) in replaced_s.iter().copied().enumerate().rev() {
        let age_s = now_s.saturating_sub(time_s);
        if age_s < 0 {
            continue;
        }
        let step = rules.steps.iter().find(|step| age_s <= step.until_s);
        let is_last = |step: &Step| {
            let stretch = |time_s: i64| time_s.div_euclid(step.every_s.max(1));
            newer.is_none_or(|newer| stretch(newer) != stretch(time_s))
        };
        let is_deleted = !is_there && Some(at) == newest && age_s <= rules.deleted_s;
        stays[at] = is_deleted || step.is_some_and(is_last);
        if stays[at] {
            newer = Some(time_s);
        }
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
    fn the_last_of_each_stretch_stays() {
        for (ages, stay) in [
            (&[][..], &[][..]),
            // An hour: one of 30 seconds.
            (&[1, 10, 29, 31, 59, 61], &[1, 31, 61]),
            // A day: one an hour.
            (
                &[HOUR + 1, HOUR + 2, 2 * HOUR, 2 * HOUR + 1],
                &[HOUR + 1, 2 * HOUR + 1],
            ),
            // The next hour's last may be one of the first hour.
            (&[HOUR - 1, HOUR, HOUR + 1], &[HOUR - 1, HOUR + 1]),
            // A month: one a day.
            (
                &[DAY + 1, DAY + 5 * HOUR, 2 * DAY, 2 * DAY + 1],
                &[DAY + 1, 2 * DAY + 1],
            ),
            // A year: one a week.
            (
                &[35 * DAY + 1, 36 * DAY, 41 * DAY, 42 * DAY, 42 * DAY + 1],
                &[35 * DAY + 1, 42 * DAY + 1],
            ),
            // And no more.
            (&[365 * DAY, 365 * DAY + 1, 1000 * DAY], &[365 * DAY]),
            // What comes from the future stays, and nothing goes for it.
            (&[-100 * DAY, -5, 1, 2], &[-100 * DAY, -5, 1]),
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

    /// A change every seven minutes for two years, and a look each three hours: what stays is what a single look at the end would keep.
    #[test]
    fn how_often_it_is_asked_changes_nothing() {
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
        assert_eq!(at_end(&often), at_end(&all));
        // 52 weeks less 30 days, 30 days, 24 hours, and the last hour's.
        let left = at_end(&all).len();
        assert!((100..=120).contains(&left), "{left}");
    }
}
