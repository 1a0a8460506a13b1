//! What the proof's guest says on the debug console, and how far it came.

use std::{fmt, time::Duration};

use serde::Serialize;

/// How far a guest came in the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stage {
    /// Not one instruction of the guest was seen to run.
    Nothing,
    /// Real mode: the first instruction after power on.
    RealMode,
    /// 32-bit protected mode.
    ProtectedMode,
    /// 64-bit long mode with paging.
    LongMode,
    /// The CPUID instruction.
    CpuId,
    /// Page faults, repaired by the guest.
    PageFaults,
    /// User mode and back.
    UserMode,
    /// The local APIC's timer.
    ApicTimer,
    /// The PIT through the old interrupt controller.
    PitTimer,
    /// The work has begun.
    Working,
    /// The work is done.
    Done,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "its start",
            Self::RealMode => "real mode",
            Self::ProtectedMode => "protected mode",
            Self::LongMode => "long mode",
            Self::CpuId => "the cpuid instruction",
            Self::PageFaults => "page faults",
            Self::UserMode => "user mode",
            Self::ApicTimer => "the apic timer",
            Self::PitTimer => "the pit timer",
            Self::Working => "plain work",
            Self::Done => "its end",
        })
    }
}

/// The stages' letters on the debug console, in order, with the number of bytes that follow each.
const STAGES: [(u8, Stage, usize); 10] = [
    (b'R', Stage::RealMode, 0),
    (b'P', Stage::ProtectedMode, 0),
    (b'L', Stage::LongMode, 0),
    (b'C', Stage::CpuId, 4),
    (b'F', Stage::PageFaults, 0),
    (b'U', Stage::UserMode, 0),
    (b'A', Stage::ApicTimer, 0),
    (b'T', Stage::PitTimer, 0),
    (b'W', Stage::Working, 0),
    (b'D', Stage::Done, 8),
];

/// What the guest wrote, and when its work began and ended.
#[derive(Default)]
pub(super) struct Console {
    pub(super) heard: Vec<u8>,
    began: Option<Duration>,
    done: Option<Duration>,
}

impl Console {
    /// Longer than any honest report; the rest is dropped.
    pub(super) const LIMIT: usize = 64;

    pub(super) fn hear(&mut self, piece: &[u8], at: Duration) {
        let room = Self::LIMIT - self.heard.len();
        self.heard.extend_from_slice(&piece[..piece.len().min(room)]);
        if self.reached() >= Stage::Working {
            self.began.get_or_insert(at);
        }
        if self.reached() == Stage::Done {
            self.done.get_or_insert(at);
        }
    }

    /// The last stage of the unbroken sequence from the first.
    pub(super) fn reached(&self) -> Stage {
        let mut rest = &self.heard[..];
        let mut reached = Stage::Nothing;
        for (letter, stage, following) in STAGES {
            match rest.split_first() {
                Some((&first, tail)) if first == letter && tail.len() >= following => {
                    reached = stage;
                    rest = &tail[following..];
                }
                _ => break,
            }
        }
        reached
    }

    pub(super) fn result(&self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.heard.last_chunk()?))
    }

    pub(super) fn work(&self) -> Duration {
        match (self.began, self.done) {
            (Some(began), Some(done)) => done - began,
            _ => Duration::MAX,
        }
    }
}
