//! Times as people write them: `30s`, `5min`, `1d`, `18:00-07:00`.

use std::time::Duration;

use gobag_files::{KeepRules, Step};
use gobag_pair::PairError;
use gobag_term::human;
use jiff::{Zoned, civil::Time};

/// How long earlier versions are kept
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct KeepArgs {
    /// How many earlier versions of a file are kept: up to this age one for so much time each; `all`: every one. `sync` remembers it; at first it is `1h:30s,1d:1h,30d:1d,1y:1w`
    #[arg(long, value_name = "RULES", value_parser = checked(steps))]
    keep_versions: Option<String>,
    /// How long the newest version of a deleted file is kept at least. `sync` remembers it; at first it is `90d`
    #[arg(long, value_name = "TIME", value_parser = checked(span))]
    keep_deleted: Option<String>,
}

/// What was said before, by its name.
pub(crate) type Remembered<'a> = dyn Fn(&str) -> Result<Option<String>, PairError> + 'a;

/// By what names the two are remembered, and what counts where nobody said anything.
const VERSIONS: (&str, &str) = ("keep-versions", "1h:30s,1d:1h,30d:1d,1y:1w");
const DELETED: (&str, &str) = ("keep-deleted", "90d");

impl KeepArgs {
    /// What is to be remembered.
    pub(crate) fn said(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let both = [(VERSIONS.0, &self.keep_versions), (DELETED.0, &self.keep_deleted)];
        both.into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?)))
    }

    /// What counts, with what is remembered. None: everything is kept, which is also so where nobody can read that any more.
    pub(crate) fn rules(&self, remembered: &Remembered<'_>) -> Result<Option<KeepRules>, PairError> {
        let [versions, deleted] = self.texts(remembered)?;
        let (Ok(Some(steps)), Ok(deleted)) = (steps(&versions), span(&deleted)) else {
            return Ok(None);
        };
        let deleted_s = i64::try_from(deleted.as_secs()).unwrap_or(i64::MAX);
        Ok(Some(KeepRules { steps, deleted_s }))
    }

    /// Both, as they are typed.
    pub(crate) fn texts(&self, remembered: &Remembered<'_>) -> Result<[String; 2], PairError> {
        let text = |said: &Option<String>, (name, usual): (&str, &str)| -> Result<String, PairError> {
            match said {
                Some(said) => Ok(said.clone()),
                None => Ok(remembered(name)?.unwrap_or_else(|| usual.to_owned())),
            }
        };
        Ok([
            text(&self.keep_versions, VERSIONS)?,
            text(&self.keep_deleted, DELETED)?,
        ])
    }
}

/// The text, if it can be read.
fn checked<T>(
    read: impl Fn(&str) -> Result<T, String> + Clone + Send + Sync,
) -> impl Fn(&str) -> Result<String, String> + Clone + Send + Sync {
    move |text| read(text).map(|_| text.to_owned())
}

/// Reads `1h:30s,1d:1h`: ages that grow, and what each is cut into; none: `all`.
fn steps(text: &str) -> Result<Option<Vec<Step>>, String> {
    if text == "all" {
        return Ok(None);
    }
    let wrong = || format!("`{text}` are no rules; say for instance 1h:30s,1d:1h,30d:1d,1y:1w, or all");
    let seconds = |text: &str| i64::try_from(span(text).ok()?.as_secs()).ok();
    let step = |text: &str| {
        let (until, every) = text.split_once(':')?;
        Some(Step {
            until_s: seconds(until)?,
            every_s: seconds(every)?,
        })
    };
    let steps: Option<Vec<Step>> = text.split(',').map(step).collect();
    let grow = |steps: &Vec<Step>| steps.is_sorted_by(|one, next| one.until_s < next.until_s);
    steps.filter(grow).map(Some).ok_or_else(wrong)
}

/// Reads `30s`, `5min`, `2h`, `1d`, `4w`, `1y`; at least a second.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; say for instance 30s, 5min, 2h, 1d, 4w or 1y");
    let digits = text.find(|character: char| !character.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit: u64 = match unit.trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        "y" => 365 * 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    // A century is more than anybody means.
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(unit) {
        Some(seconds) if (1..=100 * 365 * 24 * 60 * 60).contains(&seconds) => {
            Ok(Duration::from_secs(seconds))
        }
        _ => Err(wrong()),
    }
}

/// Reads a speed.
pub(crate) fn speed(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no speed; say for instance 500kB or 2MB");
    human::parse_speed(text)
        .filter(|speed| *speed > 0)
        .ok_or_else(wrong)
}

/// A part of each day by the clock of this computer; one that ends earlier than it begins goes over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    from: Time,
    to: Time,
}

/// Reads `18:00-07:00`.
pub(crate) fn window(text: &str) -> Result<Window, String> {
    let wrong = || format!("`{text}` is no part of a day; say for instance 18:00-07:00");
    let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
    let parts = text.split_once('-');
    let parts = parts.and_then(|(from, to)| Some((time(from)?, time(to)?)));
    match parts {
        Some((from, to)) if from != to => Ok(Window { from, to }),
        _ => Err(wrong()),
    }
}

impl Window {
    fn has(&self, time: Time) -> bool {
        match self.from < self.to {
            true => self.from <= time && time < self.to,
            false => self.from <= time || time < self.to,
        }
    }
}

/// When something may be done, and for how long that stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) is_open: bool,
    /// Until a window begins or ends; none: it stays so.
    pub(crate) lasts: Option<Duration>,
}

/// How it stands now; without windows it is always open.
pub(crate) fn standing(windows: &[Window], now: &Zoned) -> Standing {
    let time = now.time();
    let edges = windows.iter().flat_map(|window| [window.from, window.to]);
    let until = |edge: Time| {
        let today = now.with().time(edge).build().ok()?;
        let next = match today > *now {
            true => today,
            false => today.tomorrow().ok()?,
        };
        Duration::try_from(now.duration_until(&next)).ok()
    };
    Standing {
        is_open: windows.is_empty() || windows.iter().any(|window| window.has(time)),
        lasts: edges.filter_map(until).min(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("30s", 30),
            ("5min", 300),
            ("2h", 7200),
            ("1d", 86_400),
            ("1y", 31_536_000),
        ] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in [
            "",
            "5",
            "min",
            "-5s",
            "0s",
            "1.5h",
            "101y",
            "99999999999999999999s",
        ] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rules_that_are_the_default_are_so() {
        let read = steps("1h:30s,1d:1h,30d:1d,1y:1w").unwrap();
        assert_eq!(read, Some(KeepRules::default().steps));
        assert_eq!(steps("all"), Ok(None));
        for bad in ["", "1h", "1h:", "1h:30s,", "1d:1h,1h:30s", "1h:30s,1h:1s"] {
            assert!(steps(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn windows_go_over_midnight() {
        let night = window("18:00-07:00").unwrap();
        let noon = window("12:00-13:30").unwrap();
        for (time, is_open, minutes) in [
            ("06:59", true, 1),
            ("07:00", false, 300),
            ("12:00", true, 90),
            ("13:30", false, 270),
            ("18:00", true, 780),
        ] {
            let now: Zoned = format!("2026-11-22T{time}[Europe/Berlin]").parse().unwrap();
            let lasts = Some(Duration::from_secs(minutes * 60));
            assert_eq!(
                standing(&[night, noon], &now),
                Standing { is_open, lasts },
                "{time}"
            );
        }
        let now: Zoned = "2026-11-22T12:00[UTC]".parse().unwrap();
        assert_eq!(
            standing(&[], &now),
            Standing {
                is_open: true,
                lasts: None
            }
        );
        for bad in ["", "18:00", "18-07", "25:00-07:00", "07:00-07:00"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
