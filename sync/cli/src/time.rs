//! Names of runs: the time of day, so that people find a version, and so that they sort.

use jiff::Timestamp;

/// `2026-11-22T071500.123Z`, now.
pub(crate) fn run_name() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H%M%S.%3fZ").to_string()
}
