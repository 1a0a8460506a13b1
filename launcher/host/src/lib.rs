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
//!
//! On Windows only the probes for protection are built: the rest tries what only Unix has, through `gobag-engine`.

#[cfg(unix)]
mod accel;
mod age;
#[cfg(unix)]
mod block_mount;
mod capture;
mod company;
#[cfg(unix)]
mod cpu;
#[cfg(unix)]
mod fuse;
#[cfg(unix)]
mod gather;
#[cfg(test)]
mod judged;
pub mod limits;
#[cfg(unix)]
mod linux;
mod macos;
#[cfg(unix)]
mod memory;
mod metered;
#[cfg(unix)]
mod namespaces;
mod pending;
mod probe;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod programs;
#[cfg(unix)]
mod query;
#[cfg(unix)]
mod read;
mod side_by_side;
#[cfg(unix)]
mod space;
#[cfg(unix)]
mod system;
mod windows;

pub use capture::{Recording, RecordingError};
pub use company::reach_company;
#[cfg(unix)]
pub use gather::{GatherOptions, gather, hide_persons, record, replay};
pub use metered::{NetworkCost, network_cost};
#[cfg(windows)]
pub use windows::gather::{gather, record};
