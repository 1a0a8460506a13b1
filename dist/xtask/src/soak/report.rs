//! What a soak has seen, as it goes and at its end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::plan::Pull;
use crate::error::Error;
use crate::steps::seconds;

/// Counters, and the time.
pub(super) struct Tally {
    pub(super) seed: u64,
    started: Instant,
    length: Duration,
    took: Duration,
    failure: Option<String>,
    pub(super) sessions: u64,
    pub(super) shut_downs: u64,
    pulls: u64,
    elsewhere: u64,
    kills: u64,
    cuts: u64,
    lost_writes: u64,
    pub(super) confirmed: u64,
    pub(super) trees: u64,
    pub(super) packages: u64,
    pub(super) installed_again: u64,
    pub(super) checked_volumes: u64,
    pub(super) orphans: u64,
}

impl Tally {
    pub(super) fn new(seed: u64, length: Duration) -> Self {
        Self {
            seed,
            started: Instant::now(),
            length,
            took: Duration::ZERO,
            failure: None,
            sessions: 0,
            shut_downs: 0,
            pulls: 0,
            elsewhere: 0,
            kills: 0,
            cuts: 0,
            lost_writes: 0,
            confirmed: 0,
            trees: 0,
            packages: 0,
            installed_again: 0,
            checked_volumes: 0,
            orphans: 0,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.started.elapsed() >= self.length
    }

    pub(super) fn end(&mut self, failure: Option<&Error>) {
        self.took = self.started.elapsed();
        self.failure = failure.map(ToString::to_string);
    }

    /// The stick was out, and is back.
    pub(super) fn pulled(&mut self, pull: &Pull, lost: u64, elsewhere: bool, doing: &str) {
        self.pulls += 1;
        self.elsewhere += u64::from(elsewhere);
        self.lost_writes += lost;
        let place = if elsewhere { "elsewhere" } else { "at its place" };
        self.tell(&format!(
            "pulled ({}) while {doing}, {lost} writes lost; back {place} after {}",
            pull.word,
            seconds(pull.away)
        ));
    }

    /// The launcher was killed; with the stick, `lost` says what that cost.
    pub(super) fn killed(&mut self, lost: Option<u64>, doing: &str) {
        match lost {
            Some(lost) => {
                self.cuts += 1;
                self.lost_writes += lost;
                self.tell(&format!("power cut while {doing}, {lost} writes lost"));
            }
            None => {
                self.kills += 1;
                self.tell(&format!("launcher killed while {doing}"));
            }
        }
    }

    fn tell(&self, what: &str) {
        let left = self.length.saturating_sub(self.started.elapsed());
        eprintln!(
            "{} left · session {} · {} pulls, {} kills, {} power cuts · {what}",
            seconds(left),
            self.sessions,
            self.pulls,
            self.kills,
            self.cuts
        );
    }

    fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        vec![
            (
                "sessions",
                "sessions, each a start of the real Debian",
                self.sessions,
            ),
            (
                "pulls",
                "stick pulled out under a running guest, which went on",
                self.pulls,
            ),
            (
                "elsewhere",
                "of these: it came back at another place",
                self.elsewhere,
            ),
            ("kills", "launcher killed (-9), started again", self.kills),
            (
                "power_cuts",
                "launcher and stick gone at once, started again",
                self.cuts,
            ),
            ("shut_downs", "shut down in good order", self.shut_downs),
            (
                "lost_writes",
                "writes without a flush that were lost with the stick",
                self.lost_writes,
            ),
            ("confirmed", "pieces of work confirmed by a sync", self.confirmed),
            ("trees", "file trees compared by checksum", self.trees),
            ("packages", "packages whose state was compared", self.packages),
            (
                "installed_again",
                "package sets installed again after a cut in their middle",
                self.installed_again,
            ),
            (
                "checked_volumes",
                "volumes checked by e2fsck",
                self.checked_volumes,
            ),
            (
                "orphans",
                "of these: with files that were deleted while open",
                self.orphans,
            ),
        ]
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = format!("\nsoak with seed {}: {}\n", self.seed, seconds(self.took));
        for (_, what, count) in self.rows() {
            text.push_str(&format!("  {count:>7}  {what}\n"));
        }
        text.push_str(match &self.failure {
            None => "ok   nothing confirmed was lost; every check was clean",
            Some(_) => "FAIL",
        });
        if let Some(failure) = &self.failure {
            text.push_str(&format!(" {failure}"));
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let mut value = json!({
            "seed": self.seed,
            "seconds": self.took.as_secs(),
            "ok": self.failure.is_none(),
            "failure": self.failure,
        });
        for (name, _, count) in self.rows() {
            value[name] = count.into();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_faces_tell_the_same() {
        let mut tally = Tally::new(7, Duration::from_secs(60));
        tally.killed(Some(3), "writing");
        tally.killed(None, "writing");
        tally.end(None);
        let json = tally.json();
        assert_eq!(
            (&json["ok"], &json["power_cuts"], &json["lost_writes"]),
            (&true.into(), &1.into(), &3.into())
        );
        assert!(
            tally.table().contains("      1  launcher killed"),
            "{}",
            tally.table()
        );
        tally.end(Some(&Error::new("home is gone")));
        assert_eq!(tally.json()["failure"], "home is gone");
        assert!(tally.table().ends_with("FAIL home is gone"));
    }
}
