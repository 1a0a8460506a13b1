//! The planner over worlds in memory: its table line by line, and what must be true of every plan.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod properties;
mod table;
mod world;
