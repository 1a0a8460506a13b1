//! A named sequence of steps with times, and the table at its end.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Runs steps, remembers how each went, and prints the table.
pub(crate) struct Steps {
    started: Instant,
    done: Vec<Done>,
}

struct Done {
    name: String,
    took: Duration,
    outcome: std::result::Result<String, Error>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            done: Vec::new(),
        }
    }

    /// Runs one step; its text is shown in the table. Returns whether it succeeded.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<String>) -> bool {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let outcome = work();
        if let Err(error) = &outcome {
            eprint!("{}", error.report());
        }
        let good = outcome.is_ok();
        self.done.push(Done {
            name: name.to_owned(),
            took: started.elapsed(),
            outcome,
        });
        good
    }

    /// Prints the table and fails if any step did.
    pub(crate) fn finish(self, title: &str) -> Result<()> {
        let mut failed = Vec::new();
        println!("\n{title}: {}", seconds(self.started.elapsed()));
        for step in &self.done {
            let (mark, text) = match &step.outcome {
                Ok(text) => ("ok  ", text.clone()),
                Err(error) => {
                    failed.push(step.name.as_str());
                    ("FAIL", error.to_string())
                }
            };
            let line = format!("  {mark}  {:<14} {:>8}  {text}", step.name, seconds(step.took));
            println!("{}", line.trim_end());
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Error::new(format!("failed: {}", failed.join(", "))))
        }
    }
}

/// A duration as people read it: `4.2 s`, `3 min 07 s`.
pub(crate) fn seconds(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    if tenths < 1200 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        let whole = time.as_secs();
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(seconds(Duration::from_millis(4249)), "4.2 s");
        assert_eq!(seconds(Duration::from_secs(187)), "3 min 07 s");
    }

    #[test]
    fn one_failed_step_fails_the_whole() {
        let mut steps = Steps::new();
        assert!(steps.step("good", || Ok(String::new())));
        assert!(!steps.step("bad", || Err(Error::new("broken"))));
        let error = steps.finish("both").unwrap_err();
        assert_eq!(error.to_string(), "failed: bad");
    }
}
