//! A program that does not need its own file any more.
//!
//! Pages of a program are read from its file when they are first run, or again when memory was short. When the file lay on a
//! stick that was pulled out, the kernel ends the program at that moment, with a signal nobody can answer: just when it
//! is needed. So a program on a stick copies itself into memory and goes on as that copy, under the same process number.

#![expect(
    clippy::disallowed_methods,
    reason = "gobag-engine is the crate that starts processes, here in its own place"
)]

use std::{
    convert::Infallible,
    env,
    fs::File,
    io,
    os::{fd::AsRawFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    io::Errno,
};

/// What the copy is called where the kernel shows it.
const NAME: &str = "gobag";
/// How the kernel's word for a file in memory begins.
const IN_MEMORY: &str = "/memfd:";

/// Whether this process runs from memory already.
pub fn is_in_memory() -> bool {
    env::current_exe().is_ok_and(|program| program.to_string_lossy().starts_with(IN_MEMORY))
}

/// The file this program was started from, also when it has left it.
pub fn program() -> Option<PathBuf> {
    if is_in_memory() {
        // [`enter_memory`] put it there.
        return env::args_os().next().map(PathBuf::from);
    }
    env::current_exe().ok()
}

/// Goes on as a copy of `program` in memory, from the beginning and with the same arguments. Returns only if that cannot be.
pub fn enter_memory(program: &Path) -> io::Result<Infallible> {
    let mut copy = File::from(unnamed_file()?);
    io::copy(&mut File::open(program)?, &mut copy)?;
    Err(Command::new(format!("/proc/self/fd/{}", copy.as_raw_fd()))
        .arg0(program)
        .args(env::args_os().skip(1))
        .exec())
}

/// A file in memory that may be run. Kernels before 6.3 do not know the wish to run it, and grant it.
fn unnamed_file() -> Result<std::os::fd::OwnedFd, Errno> {
    match memfd_create(NAME, MemfdFlags::CLOEXEC | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create(NAME, MemfdFlags::CLOEXEC),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_knows_its_file() {
        assert!(!is_in_memory());
        assert_eq!(program(), env::current_exe().ok());
    }

    #[test]
    fn what_is_no_program_is_not_entered() {
        assert!(enter_memory(Path::new("/nonexistent/program")).is_err());
    }
}
