//! The tables: what was wanted, and each job with its tools.

use std::time::Duration;

use super::account::Figures;
use super::tools::Tool;
use super::{FILES, Job, MILLION, Plan};

const MIB: f64 = 1_048_576.0;
/// From this load before it began on, or if others have more than this part of the processors, a machine is not quiet.
const LOUD_LOAD: f64 = 1.0;
const LOUD_SHARE: f64 = 0.1;

/// Our time at a job is at most `factor` times another's.
const TIMES: &[(Job, Tool, f64)] = &[
    (Job::NothingWarm, Tool::Rsync, 0.6),
    (Job::NothingCold, Tool::Rsync, 0.6),
    (Job::NothingWarm, Tool::Unison, 0.3),
    (Job::NothingWarm, Tool::Rclone, 0.3),
    (Job::Small, Tool::Rsync, 1.0),
    (Job::FirstCopy, Tool::Rsync, 2.0),
];

/// Our memory at a job with so many files is at most this, MiB.
const MEMORY: &[(usize, f64)] = &[(FILES, 64.0), (MILLION, 200.0)];
const MEMORY_JOBS: &[Job] = &[Job::NothingWarm, Job::Small, Job::FirstCopy];

/// What else is to be known of a run.
pub(super) struct Around {
    /// Load averages before it began.
    pub(super) load: String,
    pub(super) cores: usize,
    /// Of the other tools.
    pub(super) versions: String,
}

/// Everything measured.
#[derive(Default)]
pub(super) struct Results(Vec<(Job, Tool, Figures)>);

impl Results {
    pub(super) fn add(&mut self, job: Job, tool: Tool, figures: Figures) {
        self.0.push((job, tool, figures));
    }

    /// The text of the document.
    pub(super) fn render(&self, plan: &Plan, around: &Around) -> String {
        let mut text = self.header(plan, around);
        text.push_str("\n| goal | wanted | measured | |\n|---|---|---|---|\n");
        for (job, tool, factor) in TIMES {
            let time = |tool| Some(self.over(*job, tool, |figures| figures.time)?.median);
            if let (Some(ours), Some(theirs)) = (time(Tool::Gobag), time(*tool)) {
                let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
                text.push_str(&format!(
                    "| {}, time ÷ that of {} | ≤ {factor} | {ratio:.2} | {} |\n",
                    job.name(),
                    tool.name(),
                    verdict(ratio <= *factor)
                ));
            }
        }
        for (_, most) in MEMORY.iter().filter(|(files, _)| *files == plan.files) {
            for job in MEMORY_JOBS {
                if let Some(bytes) = self.memory(*job, Tool::Gobag) {
                    let mib = bytes as f64 / MIB;
                    text.push_str(&format!(
                        "| {}, memory | ≤ {most} MiB | {mib:.0} MiB | {} |\n",
                        job.name(),
                        verdict(mib <= *most)
                    ));
                }
            }
        }
        for job in plan.jobs {
            text.push_str(&self.table(*job, plan.tools));
        }
        text
    }

    fn header(&self, plan: &Plan, around: &Around) -> String {
        let took: f64 = self
            .0
            .iter()
            .map(|(.., figures)| figures.time.as_secs_f64())
            .sum();
        let others: f64 = self
            .0
            .iter()
            .map(|(.., figures)| figures.others.as_secs_f64())
            .sum();
        let share = others / (took * around.cores as f64).max(f64::MIN_POSITIVE);
        let load = around.load.split(", ").next().and_then(|load| load.parse().ok());
        let is_loud = share > LOUD_SHARE || load.is_none_or(|load: f64| load > LOUD_LOAD);
        format!(
            "{} files, rounds: {}; {}; {} cores, load average before {}; {:.0} % of the processors' time went elsewhere, to the kernel's writing, too{}\n",
            plan.files,
            plan.rounds,
            around.versions,
            around.cores,
            around.load,
            share * 100.0,
            if is_loud {
                ". **The machine was not quiet.**"
            } else {
                ""
            }
        )
    }

    fn table(&self, job: Job, tools: &[Tool]) -> String {
        let mut text = format!(
            "\n| {} | time | least | ours ÷ its | processor time | least | ours ÷ its | most memory |\n|---|---|---|---|---|---|---|---|\n",
            job.name()
        );
        let all = |tool| {
            Some((
                self.over(job, tool, |figures| figures.time)?,
                self.over(job, tool, |figures| figures.busy)?,
                self.memory(job, tool)?,
            ))
        };
        let ours = all(Tool::Gobag);
        for tool in tools {
            let Some((time, busy, memory)) = all(*tool) else {
                continue;
            };
            let ratio = |ours: Option<Duration>, its: Duration| match ours {
                Some(ours) if *tool != Tool::Gobag && !its.is_zero() => {
                    format!("{:.2}", ours.as_secs_f64() / its.as_secs_f64())
                }
                _ => "–".to_owned(),
            };
            let cells = [
                tool.name().to_owned(),
                seconds(time.median),
                seconds(time.least),
                ratio(ours.map(|(ours, ..)| ours.median), time.median),
                seconds(busy.median),
                seconds(busy.least),
                ratio(ours.map(|(_, ours, _)| ours.median), busy.median),
                format!("{:.0} MiB", memory as f64 / MIB),
            ];
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }

    fn over(&self, job: Job, tool: Tool, value: fn(&Figures) -> Duration) -> Option<Over> {
        let mut values: Vec<Duration> = self.of(job, tool).map(value).collect();
        values.sort_unstable();
        Some(Over {
            median: *values.get(values.len() / 2)?,
            least: *values.first()?,
        })
    }

    /// The most that any round needed.
    fn memory(&self, job: Job, tool: Tool) -> Option<u64> {
        self.of(job, tool).map(|figures| figures.memory).max()
    }

    fn of(&self, job: Job, tool: Tool) -> impl Iterator<Item = &Figures> {
        let rows = self.0.iter().filter(move |row| (row.0, row.1) == (job, tool));
        rows.map(|(.., figures)| figures)
    }
}

/// A figure over the rounds.
#[derive(Clone, Copy)]
struct Over {
    median: Duration,
    least: Duration,
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**not met**" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(time_ms: u64, mib: u64) -> Figures {
        Figures {
            time: Duration::from_millis(time_ms),
            busy: Duration::from_millis(time_ms / 2),
            memory: mib << 20,
            others: Duration::from_millis(time_ms / 100),
        }
    }

    fn render(results: &Results, load: &str) -> String {
        let around = Around {
            load: load.to_owned(),
            cores: 2,
            versions: "rsync 3".to_owned(),
        };
        results.render(&super::super::parse(&[]).unwrap(), &around)
    }

    #[test]
    fn goals_are_met_or_not_by_medians_and_by_most_memory() {
        let mut results = Results::default();
        for (time_ms, mib) in [(900, 30), (300, 65), (500, 20)] {
            results.add(Job::NothingWarm, Tool::Gobag, figures(time_ms, mib));
        }
        results.add(Job::NothingWarm, Tool::Rsync, figures(1000, 7));
        results.add(Job::NothingWarm, Tool::Unison, figures(1000, 70));
        let text = render(&results, "0.10, 0.10, 0.10");
        for line in [
            "| nothing to do, warm, time ÷ that of rsync -a --delete | ≤ 0.6 | 0.50 | met |",
            "| nothing to do, warm, time ÷ that of unison | ≤ 0.3 | 0.50 | **not met** |",
            "| nothing to do, warm, memory | ≤ 64 MiB | 65 MiB | **not met** |",
            "| gobag-sync | 0.50 s | 0.30 s | – | 0.25 s | 0.15 s | – | 65 MiB |",
            "| rsync -a --delete | 1.00 s | 1.00 s | 0.50 | 0.50 s | 0.50 s | 0.50 | 7 MiB |",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("first copy to an empty folder, time"), "{text}");
    }

    #[test]
    fn a_machine_that_is_not_quiet_is_named() {
        let mut results = Results::default();
        results.add(Job::NothingWarm, Tool::Gobag, figures(1000, 1));
        assert!(!render(&results, "0.99, 9.00, 9.00").contains("not quiet"));
        assert!(render(&results, "1.01, 0.00, 0.00").contains("not quiet"));
        let others = Duration::from_millis(250);
        let loud = Figures {
            others,
            ..figures(1000, 1)
        };
        results.add(Job::NothingWarm, Tool::Rsync, loud);
        let text = render(&results, "0.00, 0.00, 0.00");
        assert!(!text.contains("not quiet"), "13 of 200 hundredths: {text}");
        results.add(Job::NothingWarm, Tool::Rsync, loud);
        results.add(Job::NothingWarm, Tool::Rsync, loud);
        results.add(Job::NothingWarm, Tool::Rsync, loud);
        assert!(render(&results, "0.00, 0.00, 0.00").contains("not quiet"));
    }
}
