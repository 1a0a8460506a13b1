//! Bounds on files that planners write by hand.

/// Longest file of questions, answers or prices.
pub const MAX_FILE_BYTES: usize = 256 << 10;
/// Most questions in all files together.
pub const MAX_QUESTIONS: usize = 200;
/// Most options of a question.
pub const MAX_OPTIONS: usize = 40;
/// Most conditions of a question.
pub const MAX_CONDITIONS: usize = 8;
/// Longest name of a question, option or area.
pub const MAX_ID_BYTES: usize = 40;
/// Longest text or answer, in bytes.
pub const MAX_TEXT_BYTES: usize = 1000;
/// Most entries of an answer that is a list.
pub const MAX_LIST: usize = 100;
/// Most prices of one kind.
pub const MAX_PRICES: usize = 100;
/// Largest count that is an answer.
pub const MAX_NUMBER: u64 = 1_000_000_000;
/// Highest price, in hundredths.
pub const MAX_PRICE_CENTS: u64 = 100_000_000_000;
/// Most people a plan is made for: packs of software are combined seat by seat.
pub const MAX_PEOPLE: u64 = 100_000;
