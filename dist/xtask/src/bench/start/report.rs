//! The tables: what was wanted, and each medium with its systems.

use std::time::Duration;

use super::process::Memory;
use super::raw::Format;
use super::{Cost, SESSIONS, Seen, System, USUAL};
use crate::bench::medium::Medium;

/// Everything measured.
#[derive(Default)]
pub(super) struct Results {
    seen: Vec<(Medium, System, Seen)>,
    /// Passphrases refused.
    pub(super) unlocking: Vec<Duration>,
}

/// A part of a session.
type Part = fn(&Seen) -> Cost;
const LOGIN: Part = |seen| seen.login;
const INSTALL: Part = |seen| seen.install;

/// Our time is at most `factor` times that of raw files.
const GOALS: &[(&str, Medium, Part, f64)] = &[
    ("login prompt, this machine's disk", Medium::Native, LOGIN, 1.05),
    ("login prompt, usual USB 3 stick (model)", USUAL, LOGIN, 0.7),
];

impl Results {
    pub(super) fn add(&mut self, medium: Medium, system: System, seen: Seen) {
        self.seen.push((medium, system, seen));
    }

    /// The text of the document.
    pub(super) fn render(&self) -> String {
        let mut text =
            "| goal, the stick ÷ its disks as raw files | wanted | measured | |\n|---|---|---|---|\n"
                .to_owned();
        for (what, medium, part, factor) in GOALS {
            let time = |system| Some(self.median(*medium, system, *part)?.time.as_secs_f64());
            let Some((ours, theirs)) = time(System::Gobag).zip(time(System::Files(Format::Raw))) else {
                continue;
            };
            let ratio = ours / theirs;
            let verdict = if ratio <= *factor { "met" } else { "**not met**" };
            text.push_str(&format!("| {what} | ≤ {factor} | {ratio:.2} | {verdict} |\n"));
        }
        for medium in [Medium::Native, USUAL] {
            for (what, part) in [
                ("login prompt", LOGIN),
                ("installing an editor, then sync", INSTALL),
            ] {
                text.push_str(&self.table(medium, what, part));
            }
        }
        text.push_str(&self.launcher());
        text
    }

    fn table(&self, medium: Medium, what: &str, part: Part) -> String {
        let mut text = format!(
            "\n| {what}, {} | time | stick ÷ it | processor time | stick ÷ it | medium at work | MiB written |\n|---|---|---|---|---|---|---|\n",
            medium.title()
        );
        let Some(ours) = self.median(medium, System::Gobag, part) else {
            return String::new();
        };
        for (_, system) in SESSIONS.iter().filter(|(of, _)| *of == medium) {
            let Some(own) = self.median(medium, *system, part) else {
                continue;
            };
            let ratio = |ours: Duration, own: Duration| match system {
                System::Gobag => String::new(),
                System::Files(_) => format!("{:.2}", ours.as_secs_f64() / own.as_secs_f64().max(0.01)),
            };
            text.push_str(&format!(
                "| {} | {} | {} | {} | {} | {} | {:.1} |\n",
                system.name(),
                seconds(own.time),
                ratio(ours.time, own.time),
                seconds(own.cpu),
                ratio(ours.cpu, own.cpu),
                own.medium.map_or_else(|| "–".to_owned(), seconds),
                own.written as f64 / f64::from(1 << 20)
            ));
        }
        text.replace("|  |", "| |")
    }

    /// What only the launcher has.
    fn launcher(&self) -> String {
        let of = |medium| {
            let ours = self.seen.iter().filter(move |(of, ..)| *of == medium);
            ours.filter_map(|(.., seen)| seen.launcher)
        };
        let whole = |medium| seconds(middle(of(medium).map(|(whole, _)| whole).collect()));
        let all = || of(Medium::Native).chain(of(USUAL)).map(|(_, memory)| memory);
        let most = |what: fn(&Memory) -> u64| {
            let most = all().map(|memory| what(&memory)).max();
            format!("{} MiB", most.unwrap_or_default() >> 20)
        };
        let rows = [
            (
                "from `gobag start` to the prompt, this machine's disk",
                whole(Medium::Native),
            ),
            ("the same, usual USB 3 stick (model)", whole(USUAL)),
            (
                "a passphrase refused: unlocking and no more",
                seconds(middle(self.unlocking.clone())),
            ),
            (
                "memory of `gobag` after the installation",
                most(|one| one.now_bytes),
            ),
            (
                "most memory of `gobag`, unlocking included",
                most(|one| one.peak_bytes),
            ),
        ];
        let rows = rows.map(|(what, value)| format!("| {what} | {value} |\n"));
        format!("\n| `gobag` | |\n|---|---|\n{}", rows.concat())
    }

    /// The middle of each figure by itself.
    fn median(&self, medium: Medium, system: System, part: Part) -> Option<Cost> {
        let all: Vec<Cost> = self
            .seen
            .iter()
            .filter(|(of, by, _)| (*of, *by) == (medium, system))
            .map(|(.., seen)| part(seen))
            .collect();
        let mut written: Vec<u64> = all.iter().map(|cost| cost.written).collect();
        written.sort_unstable();
        Some(Cost {
            time: middle(all.iter().map(|cost| cost.time).collect()),
            cpu: middle(all.iter().map(|cost| cost.cpu).collect()),
            written: *written.get(written.len() / 2)?,
            medium: all
                .iter()
                .map(|cost| cost.medium)
                .collect::<Option<Vec<_>>>()
                .map(middle),
        })
    }
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(time: u64, memory: Option<u64>) -> Seen {
        let cost = |time| Cost {
            time: Duration::from_secs(time),
            cpu: Duration::from_secs(2 * time),
            written: time << 20,
            medium: memory.map(Duration::from_secs),
        };
        Seen {
            login: cost(time),
            install: cost(10 * time),
            launcher: memory.map(|mib| {
                let memory = Memory {
                    now_bytes: mib << 20,
                    peak_bytes: (mib + 1) << 20,
                };
                (Duration::from_secs(time + 2), memory)
            }),
        }
    }

    #[test]
    fn medians_are_compared_and_goals_judged() {
        assert_eq!(middle(Vec::new()), Duration::ZERO);
        let mut results = Results::default();
        for (time, memory) in [(70, 30), (990, 40), (60, 20)] {
            results.add(USUAL, System::Gobag, seen(time, Some(memory)));
        }
        results.add(USUAL, System::Files(Format::Raw), seen(100, None));
        results.add(Medium::Native, System::Gobag, seen(110, None));
        results.add(Medium::Native, System::Files(Format::Raw), seen(100, None));
        let text = results.render();
        for part in [
            "| login prompt, this machine's disk | ≤ 1.05 | 1.10 | **not met** |",
            "| login prompt, usual USB 3 stick (model) | ≤ 0.7 | 0.70 | met |",
            "| its disks as raw files | 100.0 s | 0.70 | 200.0 s | 0.70 | – | 100.0 |",
            "| the stick | 700.0 s | | 1400.0 s | | 30.0 s | 700.0 |",
            "| the same, usual USB 3 stick (model) | 72.0 s |",
            "| memory of `gobag` after the installation | 40 MiB |",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
