//! The computer's clock, where what a program says of the time is compared with it.

use std::time::SystemTime;

/// Seconds since 1970 UTC.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with what the launcher says of the same clock"
)]
pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
