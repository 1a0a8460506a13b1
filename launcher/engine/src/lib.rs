//! Child processes: the hypervisor, the container, and the disk tools of the host.
//!
//! This crate is the only one in the workspace that starts a process. It is given paths of programs and of disk image
//! files and does what it is told with them: it does not judge whether the host is good enough (that is
//! `gobag-checklists`), and it does not know what a bundle is (that is `gobag-bundle`).
//!
//! - [`run`], [`tools`]: find a program, run it to its end with a deadline and bounded output
//! - [`accel`]: prove that an accelerator runs what an ordinary guest needs
//! - [`machine`]: from a description of a machine to QEMU's argument list, a pure function
//! - [`qmp`], [`guest`], [`supervise`]: talk to a running QEMU, and keep it company until it ends
//! - [`container`], [`userns`]: enter an ext4 volume with namespaces instead of a virtual machine
//! - [`ext4`], [`qemu_img`]: make, check and convert disk images
//! - [`resident`]: a program that outlives the medium it was started from
//! - [`runtime`]: ending what a launcher that was killed left running

pub mod accel;
mod child;
#[cfg(test)]
mod codes;
pub mod container;
pub mod ext4;
pub mod guest;
pub mod limits;
pub mod machine;
pub mod qemu_img;
pub mod qmp;
pub mod resident;
pub mod run;
pub mod runtime;
pub mod supervise;
pub mod tools;
pub mod userns;
