//! Looks at the host computer and changes nothing on it.
//!
//! [`gather()`] fills in `gobag_checklists::HostFacts`; what the facts mean is judged there. All probes run side by side, each
//! with a deadline, so a dead network share or a hanging program costs three seconds and one "unknown", not the check.
//!
//! Each probe is two parts: a capture (read a file, open a device, run a program through `gobag-engine`) and a pure parser
//! over the captured text, tested with captures from real computers in `fixtures/`. [`record()`] writes such captures down,
//! without the persons in them, and [`replay()`] reads them on another computer. What is looked at, and who could fake it,
//! stands in `docs/host-checks.md`.
//!
//! What must stay true: nothing here needs the administrator's rights; what cannot be read is "unknown", with the reason;
//! "it works" is only said of what was tried.

mod accel;
mod age;
mod block_mount;
mod capture;
mod cpu;
mod fuse;
mod gather;
#[cfg(test)]
mod judged;
pub mod limits;
mod linux;
mod macos;
mod memory;
mod namespaces;
mod pending;
mod probe;
mod process;
mod programs;
mod query;
mod read;
mod space;
mod system;
mod windows;

pub use capture::{Recording, RecordingError};
pub use gather::{GatherOptions, gather, record, replay};
