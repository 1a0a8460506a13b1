//! The doors of a volume: the kernel's FUSE interface, where every volume is one file of a folder, and the block
//! socket ([`socket`]).
//!
//! This crate owns the way between other programs and a [`gobag_bundle::Volume`]. It decides nothing about what a file
//! contains; it turns requests into volume calls and volume errors into error numbers, keeps a slow medium from
//! blocking the door ([`lanes`]), and knows who still holds a file open when it is time to leave ([`handles`]).
//!
//! What must stay true:
//! - a request is answered exactly once, also when the volume's code panics;
//! - `fsync`, and the `close` of a file that was open for writing, return only after [`Volume::flush`] did;
//! - guest data passes by the host's page cache (direct I/O), unless an export asks for the cache.
//!
//! [`Volume::flush`]: gobag_bundle::Volume::flush

mod export;
mod files;
mod handles;
mod hold;
mod lanes;
pub mod limits;
mod mount;
mod mount_table;
mod mounted;
mod report;
mod served;
pub mod socket;

pub use export::Export;
pub use handles::Holder;
pub use hold::Hold;
pub use mount::{EndHook, MountError, MountOptions, mount};
pub use mount_table::{MountPoint, mount_points};
pub use mounted::{Mounted, UnmountError};
pub use report::ErrorHook;
