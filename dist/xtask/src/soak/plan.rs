//! The order of troubles: all of it follows from the seed.

use std::time::Duration;

use crate::rng::Rng;

/// How the kernel says that a stick is gone.
const WORDS: &[&str] = &["eio", "enodev", "gone"];
/// Ports that a stick can come back at.
pub(super) const PLACES: usize = 2;

/// The stick is pulled out and comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pull {
    /// So long after the work, or the start, began.
    pub(super) after: Duration,
    /// The kernel's word for it.
    pub(super) word: &'static str,
    /// It stays away for so long.
    pub(super) away: Duration,
    /// Where it comes back.
    pub(super) place: usize,
}

/// How a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// In good order.
    ShutDown,
    /// The launcher is killed; the stick stays in.
    Kill,
    /// Launcher and stick are gone at once, as when the computer loses its power.
    Cut { place: usize },
}

/// One run of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Pulled while it starts.
    pub(super) boot: Option<Pull>,
    /// Pulled while it works, one after another.
    pub(super) pulls: Vec<Pull>,
    /// Work after the last of them.
    pub(super) last_work: Duration,
    pub(super) ending: Ending,
    /// Every package of the system is verified, not only those that changed.
    pub(super) thorough: bool,
    /// The journals are replayed by e2fsck on the stick, and not by the guest.
    pub(super) replay: bool,
}

/// All sessions, one after another.
pub(super) struct Plan {
    rng: Rng,
    sessions: usize,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            sessions: 0,
        }
    }

    /// The next session.
    pub(super) fn session(&mut self) -> Session {
        self.sessions += 1;
        let rng = &mut self.rng;
        // The first start of all is left alone: it makes the machine's own files.
        let boot = (rng.below(4) == 0 && self.sessions > 1).then(|| pull(rng, 0, 20_000));
        let pulls = 1 + rng.below(5);
        let pulls = (0..pulls).map(|_| pull(rng, 200, 9_000)).collect();
        let last_work = ms(rng, 200, 9_000);
        let ending = match rng.below(5) {
            0 => Ending::ShutDown,
            1 | 2 => Ending::Kill,
            _ => Ending::Cut {
                place: rng.below(PLACES),
            },
        };
        Session {
            boot,
            pulls,
            last_work,
            ending,
            thorough: self.sessions.is_multiple_of(8),
            replay: rng.below(2) == 0,
        }
    }
}

fn ms(rng: &mut Rng, from: usize, to: usize) -> Duration {
    Duration::from_millis((from + rng.below(to - from)) as u64)
}

fn pull(rng: &mut Rng, from: usize, to: usize) -> Pull {
    Pull {
        after: ms(rng, from, to),
        word: WORDS[rng.below(WORDS.len())],
        // Half of the time it is back at once.
        away: if rng.below(2) == 0 {
            Duration::ZERO
        } else {
            ms(rng, 100, 8_000)
        },
        place: rng.below(PLACES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_sessions_again_and_another_seed_others() {
        let first = |seed| {
            let mut plan = Plan::new(seed);
            [(); 20].map(|()| plan.session())
        };
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), first(8));
    }

    #[test]
    fn every_kind_of_trouble_comes_up_soon() {
        let mut plan = Plan::new(1);
        let sessions = [(); 40].map(|()| plan.session());
        assert!(sessions[0].boot.is_none());
        assert!(sessions.iter().any(|session| session.boot.is_some()));
        let ending = |kind: fn(&Ending) -> bool| sessions.iter().any(|session| kind(&session.ending));
        assert!(ending(|ending| *ending == Ending::ShutDown));
        assert!(ending(|ending| *ending == Ending::Kill));
        assert!(ending(|ending| matches!(ending, Ending::Cut { place: 1 })));
        let pulls = || sessions.iter().flat_map(|session| &session.pulls);
        for word in WORDS {
            assert!(pulls().any(|pull| pull.word == *word), "{word}");
        }
        assert!(pulls().any(|pull| pull.away.is_zero() && pull.place == 1));
    }
}
