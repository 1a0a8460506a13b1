//! What time it is, for somebody who cannot trust the clock.
//!
//! A stick knows moments that have certainly been: those that the company signed, and the time it has itself spent at work since. The latest
//! of them is its *high-water mark*. A clock that shows less, by more than a day, is wrong, and so says the refusal. A clock that shows
//! more is believed for now and never noted: else one wrong BIOS date would lock a stick for years.

/// How far a clock may be behind what has certainly been: a wrong time zone, and summer time.
pub const CLOCK_TOLERANCE_S: u64 = 86_400;

/// The time that counts; else the high-water mark that the clock is behind.
pub fn effective_s(high_water_s: u64, clock_s: u64) -> Result<u64, u64> {
    match clock_s.saturating_add(CLOCK_TOLERANCE_S) < high_water_s {
        true => Err(high_water_s),
        false => Ok(clock_s.max(high_water_s)),
    }
}

/// The high-water mark after `worked_s` seconds of work by a clock that only runs forward, and moments that the company signed.
pub fn raised(high_water_s: u64, worked_s: u64, signed_s: impl IntoIterator<Item = u64>) -> u64 {
    let worked = high_water_s.saturating_add(worked_s);
    signed_s.into_iter().fold(worked, u64::max)
}
