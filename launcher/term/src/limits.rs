//! Bounds of this crate, each a promise to the person at the keyboard.

use std::time::Duration;

/// Longest passphrase, in bytes of UTF-8.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;
/// Below this many characters a new passphrase gets a hint.
pub const SHORT_PASSPHRASE_CHARS: usize = 15;
/// How often a person may mistype the repetition of a new passphrase.
pub const MAX_PASSPHRASE_TRIES: u32 = 3;
/// How often a person may answer a yes-or-no question with something else.
pub const MAX_CONFIRM_TRIES: u32 = 3;
/// Work shorter than this shows no live progress.
pub const PROGRESS_DELAY: Duration = Duration::from_millis(250);
/// Pause between two drawings of live progress.
pub const PROGRESS_PERIOD: Duration = Duration::from_millis(100);
/// The speed shown is that of this recent time.
pub const SPEED_WINDOW: Duration = Duration::from_secs(10);
/// Columns assumed when the terminal does not tell.
pub const DEFAULT_COLUMNS: usize = 80;
