//! By what a file is known to be as it was, without reading it.

use rustix::fs::Stat;

/// Size, times and number of what is at a path. Content can change behind the same size and time of modification, but no program can set the time of
/// the last change (`ctime`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last modification: seconds since 1970 UTC and nanoseconds.
    pub mtime: (i64, u32),
    /// Last change of the file or of what is known of it.
    pub ctime: (i64, u32),
    /// Number in its file system.
    pub ino: u64,
}

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanoseconds = |number: u64| u32::try_from(number).unwrap_or(0);
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            ctime: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
            ino: stat.st_ino,
        }
    }

    /// Whether it is the same file with the same content, wherever it was moved meanwhile (which changes `ctime`).
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.size, self.mtime, self.ino) == (other.size, other.mtime, other.ino)
    }

    /// Whether a change after `now` could leave it as it is: clocks of file systems go in steps, of two seconds with FAT and of a hundredth with the
    /// slowest of the others.
    pub(crate) fn is_young(&self, now: (i64, u32)) -> bool {
        self.is_after(self.ctime, now) || self.is_made_young(now)
    }

    /// The same of what was put there a now ago: whoever writes to it changes its time of modification, which was set to an earlier one.
    pub(crate) fn is_made_young(&self, now: (i64, u32)) -> bool {
        self.is_after(self.mtime, now)
    }

    /// Whether `time` is later than `now`, or could be.
    fn is_after(&self, time: (i64, u32), now: (i64, u32)) -> bool {
        const STEP_NS: u32 = 10_000_000;
        let is_coarse = self.mtime.1.is_multiple_of(STEP_NS) && self.ctime.1.is_multiple_of(STEP_NS);
        let margin_ns = if is_coarse { 2_000_000_000 } else { 50_000_000 };
        let nanoseconds =
            |(seconds, rest): (i64, u32)| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let limit = nanoseconds(now) - margin_ns;
        nanoseconds(time) >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_just_now_may_change_again_without_a_trace() {
        let now = (100, 5);
        let at = |mtime, ctime| Stamp {
            mtime,
            ctime,
            ..Stamp::default()
        };
        assert!(at((100, 3), (90, 1)).is_young(now) && at((90, 1), (99, 999_999_999)).is_young(now));
        assert!(!at((99, 900_000_001), (99, 900_000_001)).is_young(now));
        assert!(at((99, 0), (99, 0)).is_young(now) && !at((97, 0), (97, 0)).is_young(now));
        assert!(at((i64::MAX, 1), (0, 1)).is_young(now));
    }
}
