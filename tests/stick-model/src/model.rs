//! What a request costs: pure, without a clock. Addresses are bytes of the device, times nanoseconds.
//!
//! **Reads** pay an access time unless they continue one of the last few reads, then the stream's rate.
//!
//! **Writes.** The flash behind a cheap controller is mapped in large units (4 MiB on a poor stick), because a map of
//! small ones would not fit into its memory. It keeps a few units *open*: writes to an open unit go, in whole pages, to
//! a log block beside the unit's data. When a unit has to be closed (another one wants its place, or its log is full) both
//! are *merged*:
//!
//! | what the log holds | what closing costs |
//! |---|---|
//! | the whole unit in order | nothing: the log becomes the data |
//! | the unit's beginning in order | the rest of the unit is copied behind it |
//! | anything else | the whole unit is copied to a new place |
//!
//! This scheme is known as BAST (Kim et al., "A space-efficient flash translation layer", 2002) and explains what is
//! measured on real sticks: sequential writing is fast, a small write in a new place takes as long as a unit, and with one
//! stream more than open units all of them become slow at once.
//!
//! A flush ends the page that was being filled: a page can be programmed once. So small writes with a flush after each use
//! the log up faster than their bytes say, and what is in the log is no longer in order.
//!
//! The stick is taken to be in use: no unit is known to be empty, as exFAT sticks are not told what is free.

use std::collections::VecDeque;

use crate::preset::Preset;

/// Streams of reads (and of writes) a device recognises as continued.
const STREAMS: usize = 4;

/// A request to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Reads `len` bytes at `address`.
    Read {
        /// Byte of the device.
        address: u64,
        /// Bytes.
        len: u64,
    },
    /// Writes `len` bytes at `address`.
    Write {
        /// Byte of the device.
        address: u64,
        /// Bytes.
        len: u64,
    },
    /// Flushes the device's cache.
    Sync,
}

/// What one request, or several, cost. All times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bringing the command to an idle device.
    pub command_ns: u64,
    /// Finding the place.
    pub access_ns: u64,
    /// Moving what was read.
    pub transfer_ns: u64,
    /// Programming what was written.
    pub program_ns: u64,
    /// Merging units.
    pub merge_ns: u64,
    /// Flushing the device's cache.
    pub sync_ns: u64,
    /// Standing still for no visible reason.
    pub stall_ns: u64,
    /// Bytes of pages programmed with the host's data.
    pub programmed_bytes: u64,
    /// Bytes of pages programmed again in merges.
    pub copied_bytes: u64,
    /// Merges that copied something.
    pub merges: u64,
    /// Stalls.
    pub stalls: u64,
}

impl Cost {
    /// The time of it all.
    pub fn total_ns(&self) -> u64 {
        self.command_ns
            + self.access_ns
            + self.transfer_ns
            + self.program_ns
            + self.merge_ns
            + self.sync_ns
            + self.stall_ns
    }

    /// Adds another request's cost.
    pub fn add(&mut self, other: &Cost) {
        self.command_ns += other.command_ns;
        self.access_ns += other.access_ns;
        self.transfer_ns += other.transfer_ns;
        self.program_ns += other.program_ns;
        self.merge_ns += other.merge_ns;
        self.sync_ns += other.sync_ns;
        self.stall_ns += other.stall_ns;
        self.programmed_bytes += other.programmed_bytes;
        self.copied_bytes += other.copied_bytes;
        self.merges += other.merges;
        self.stalls += other.stalls;
    }
}

/// Standing still for `duration_ms` whenever another `every_bytes` were programmed (P5 in [`crate::preset`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stalls {
    /// Bytes programmed between two of them; at least 1.
    pub every_bytes: u64,
    /// How long one takes.
    pub duration_ms: u64,
}

/// A unit with a log block beside it.
struct OpenUnit {
    number: u64,
    /// Bytes of pages in the log.
    log_bytes: u64,
    /// Where the last write ended, from the unit's start.
    next: u64,
    /// The log holds `0..next` and each page once.
    in_order: bool,
    /// The page at `next` is programmed and cannot be continued.
    sealed: bool,
}

/// The state of a device.
pub struct Model {
    preset: Preset,
    stalls: Option<Stalls>,
    since_stall_bytes: u64,
    reads: VecDeque<u64>,
    writes: VecDeque<u64>,
    /// Least recently written first.
    open: VecDeque<OpenUnit>,
}

impl Model {
    /// A device at rest with no unit open.
    pub fn new(preset: Preset, stalls: Option<Stalls>) -> Self {
        Self {
            preset,
            stalls,
            since_stall_bytes: 0,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            open: VecDeque::new(),
        }
    }

    /// The cost of `op`. `queued`: the device was busy when it came, so its command travelled meanwhile.
    pub fn charge(&mut self, op: Op, queued: bool) -> Cost {
        let mut cost = Cost::default();
        if !queued {
            cost.command_ns = us(self.preset.command_us);
        }
        match op {
            Op::Read { address, len } => {
                if !continues(&mut self.reads, address, len) {
                    cost.access_ns = us(self.preset.read_access_us);
                }
                cost.transfer_ns = time_ns(len, self.preset.read_rate);
            }
            Op::Write { address, len } => {
                if !continues(&mut self.writes, address, len) {
                    cost.access_ns = us(self.preset.write_access_us);
                }
                self.write(address, len, &mut cost);
                cost.program_ns = time_ns(cost.programmed_bytes, self.preset.write_rate);
                cost.merge_ns = time_ns(cost.copied_bytes, self.preset.copy_rate);
                self.stall(&mut cost);
            }
            Op::Sync => {
                for unit in &mut self.open {
                    let partial = unit.next % self.preset.page_bytes != 0;
                    if partial && !unit.sealed {
                        unit.sealed = true;
                        unit.in_order = false;
                    }
                }
                cost.sync_ns = us(self.preset.sync_us);
            }
        }
        cost
    }

    fn write(&mut self, address: u64, len: u64, cost: &mut Cost) {
        let unit_bytes = self.preset.unit_bytes;
        let (mut at, end) = (address, address + len);
        while at < end {
            let number = at / unit_bytes;
            let from = at % unit_bytes;
            let to = unit_bytes.min(from + (end - at));
            self.write_unit(number, from, to, cost);
            at += to - from;
        }
    }

    /// Writes `from..to` of one unit.
    fn write_unit(&mut self, number: u64, from: u64, to: u64, cost: &mut Cost) {
        let Preset {
            page_bytes,
            unit_bytes,
            ..
        } = self.preset;
        let place = self.open.iter().position(|unit| unit.number == number);
        let mut found = place.and_then(|place| self.open.remove(place));
        if from == 0 && to == unit_bytes {
            // All of it is new: what was open is worthless, and nothing stays open.
            cost.programmed_bytes += unit_bytes;
            return;
        }
        let pages = |continued: bool| {
            let first = if continued {
                from.div_ceil(page_bytes)
            } else {
                from / page_bytes
            };
            to.div_ceil(page_bytes).saturating_sub(first) * page_bytes
        };
        let continues = |unit: &OpenUnit| unit.next == from && !unit.sealed;
        if let Some(unit) = found.take_if(|unit| unit.log_bytes + pages(continues(unit)) > unit_bytes) {
            self.close(&unit, cost);
        }
        let mut unit = match found {
            Some(unit) => unit,
            None => {
                if self.open.len() >= self.preset.open_units
                    && let Some(oldest) = self.open.pop_front()
                {
                    self.close(&oldest, cost);
                }
                OpenUnit {
                    number,
                    log_bytes: 0,
                    next: from,
                    in_order: from == 0,
                    // nothing of the page before `from` is in this log
                    sealed: true,
                }
            }
        };
        let continued = continues(&unit);
        unit.in_order &= unit.next == from;
        let programmed = pages(continued);
        cost.programmed_bytes += programmed;
        unit.log_bytes += programmed;
        unit.next = to;
        unit.sealed = false;
        if unit.in_order && to == unit_bytes {
            return;
        }
        self.open.push_back(unit);
    }

    fn close(&self, unit: &OpenUnit, cost: &mut Cost) {
        let Preset {
            page_bytes,
            unit_bytes,
            ..
        } = self.preset;
        let kept = if unit.in_order {
            unit.next.next_multiple_of(page_bytes)
        } else {
            0
        };
        if kept < unit_bytes {
            cost.copied_bytes += unit_bytes - kept;
            cost.merges += 1;
        }
    }

    fn stall(&mut self, cost: &mut Cost) {
        let Some(stalls) = self.stalls else { return };
        let every = stalls.every_bytes.max(1);
        self.since_stall_bytes += cost.programmed_bytes + cost.copied_bytes;
        cost.stalls = self.since_stall_bytes / every;
        self.since_stall_bytes %= every;
        cost.stall_ns = cost.stalls * stalls.duration_ms * 1_000_000;
    }
}

/// Notes where a request ended; true if it began where an earlier one ended.
fn continues(streams: &mut VecDeque<u64>, address: u64, len: u64) -> bool {
    let known = streams.iter().position(|end| *end == address);
    if let Some(place) = known {
        streams.remove(place);
    }
    streams.push_back(address + len);
    if streams.len() > STREAMS {
        streams.pop_front();
    }
    known.is_some()
}

fn us(us: u64) -> u64 {
    us * 1000
}

/// Nanoseconds for `bytes` at `rate` bytes a second.
fn time_ns(bytes: u64, rate: u64) -> u64 {
    let ns = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
