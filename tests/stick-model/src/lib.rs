//! A file system that takes as long as a USB stick does.
//!
//! `stick-model --preset poor BACKING MOUNTPOINT` shows the folder BACKING at MOUNTPOINT and makes every request wait as
//! long as it would on a cheap stick with exFAT. It is the judge between Gobag and other programs, so it uses none of
//! Gobag's crates and knows nothing of who runs on it. What it does and why is told in `docs/performance.md`.
//!
//! ```text
//! kernel ─▶ fs      which file, which bytes; the bytes themselves go to BACKING at once
//!            │
//!          volume   where on the device: clusters, directory entries, bitmap, FAT      (pure)
//!            │ operations with device addresses
//!          model    how long that takes, and what the flash really writes              (pure)
//!            │ cost
//!          device   one clock, requests in order of arrival; answers when they are due
//! ```
//!
//! - [`preset`]: the three sticks, each number with the measurement it comes from.
//! - [`model`], [`layout`], [`volume`], [`schedule`]: pure; tested with no clock and no file system.
//! - [`stats`]: what was counted, as JSON.
//! - [`mount`]: the file system itself.
//!
//! Apart from all that stands [`port`], a place where a stick can be pulled out: at full speed, for what must not be lost.

mod args;
mod device;
mod fs;
pub mod layout;
pub mod model;
pub mod port;
pub mod preset;
pub mod schedule;
pub mod stats;
pub mod volume;

pub use args::run;
pub use fs::{MountError, Mounted, Options, mount};
