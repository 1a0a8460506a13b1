//! Bounds on what a manifest may ask for. They exist so that a mistyped manifest is refused when it is built, not
//! discovered by two hundred employees; all sizes are in bytes.

/// Longest list of extra CPU features.
pub const MAX_CPU_FEATURES: usize = 64;
/// Longest name of a CPU feature, in bytes.
pub const MAX_CPU_FEATURE_BYTES: usize = 32;
/// Longest list of modes.
pub const MAX_MODES: usize = 16;
/// Most rules that a policy weighs.
pub const MAX_RULES: usize = 128;
/// Most rows of a table of ends of life.
pub const MAX_END_OF_LIFE: usize = 1024;
/// Longest address of remote access, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 512;
/// Most processor cores that may be asked for.
pub const MAX_CORES: u32 = 1024;
/// Largest memory or disk size that may be asked for (1 PiB).
pub const MAX_SIZE_BYTES: u64 = 1 << 50;

/// Largest file of texts in a language, in bytes.
pub const MAX_TEXT_BYTES: u64 = 256 << 10;
/// Most files of texts that are read from a folder, and most entries looked at.
pub const MAX_TEXT_FILES: usize = 256;
/// Most braces within each other in a text.
pub const MAX_TEXT_NESTING: usize = 16;
/// Words from elsewhere are cut to so many characters where they are shown.
pub const MAX_FOREIGN_CHARS: usize = 200;
/// Narrowest terminal that a checklist is made for, in columns.
pub const MIN_COLUMNS: usize = 40;
/// Largest result of `gobag check --json` that is read, in bytes.
pub const MAX_RESULT_BYTES: u64 = 1 << 20;
/// Most results that are counted at once.
pub const MAX_RESULTS: usize = 100_000;
