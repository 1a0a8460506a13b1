//! Bounds on what a manifest may ask for. They exist so that a mistyped manifest is refused when it is built, not
//! discovered by two hundred employees; all sizes are in bytes.

/// Longest list of extra CPU features.
pub const MAX_CPU_FEATURES: usize = 64;
/// Longest name of a CPU feature, in bytes.
pub const MAX_CPU_FEATURE_BYTES: usize = 32;
/// Longest list of modes.
pub const MAX_MODES: usize = 16;
/// Most processor cores that may be asked for.
pub const MAX_CORES: u32 = 1024;
/// Largest memory or disk size that may be asked for (1 PiB).
pub const MAX_SIZE_BYTES: u64 = 1 << 50;
