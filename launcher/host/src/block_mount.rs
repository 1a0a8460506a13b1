//! How can this user mount an ext4 that lives in a file?
//!
//! Only looks: a loop device is neither taken nor made.

use std::path::Path;

use gobag_checklists::{Ability, BlockMount, Fact, Forger, Obstacle};

use crate::process::Rights;
use crate::programs::Programs;
use crate::read::{self, open_device};
use crate::system::privilege;

const LOOP_CONTROL: &str = "/dev/loop-control";
const FUSE2FS: &str = "fuse2fs";

pub(crate) fn probe(programs: &Programs) -> Fact<Ability<BlockMount>> {
    let rights = match Rights::own() {
        Ok(rights) => rights,
        Err(reason) => return Fact::unknown(reason),
    };
    let by_loop = rights.may_mount && open_device(Path::new(LOOP_CONTROL)).is_ok();
    let filesystems = read::text(Path::new("/proc/filesystems")).unwrap_or_default();
    let ability = choose(by_loop, has_ext4(&filesystems), programs.find(FUSE2FS).ok());
    let source = format!("{LOOP_CONTROL}, /proc/filesystems, {FUSE2FS}");
    Fact::known(ability, source, privilege(), Forger::Administrator)
}

/// The loop device first: it is the kernel's own ext4. A kernel that does not list ext4 may still load it when asked, so
/// without `fuse2fs` that is tried.
fn choose(by_loop: bool, ext4: bool, fuse2fs: Option<std::path::PathBuf>) -> Ability<BlockMount> {
    match fuse2fs {
        _ if by_loop && ext4 => Ability::yes(BlockMount::Loop),
        Some(path) => Ability::yes(BlockMount::Fuse2fs { path }),
        None if by_loop => Ability::yes(BlockMount::Loop),
        None => Ability::no(
            Obstacle::Missing,
            format!("no loop device for this user, and no program `{FUSE2FS}`"),
        ),
    }
}

fn has_ext4(filesystems: &str) -> bool {
    filesystems
        .lines()
        .any(|line| line.split_whitespace().last() == Some("ext4"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_first_then_the_program() {
        let program = || Some("/usr/bin/fuse2fs".into());
        for (by_loop, ext4, fuse2fs, expected) in [
            (true, true, program(), Some("loop")),
            (true, true, None, Some("loop")),
            (true, false, program(), Some("fuse2fs")),
            (true, false, None, Some("loop")),
            (false, true, program(), Some("fuse2fs")),
            (false, true, None, None),
        ] {
            let means = match choose(by_loop, ext4, fuse2fs) {
                Ability::Yes {
                    with: BlockMount::Loop,
                } => Some("loop"),
                Ability::Yes {
                    with: BlockMount::Fuse2fs { .. },
                } => Some("fuse2fs"),
                Ability::No { .. } => None,
            };
            assert_eq!(means, expected, "loop {by_loop}, ext4 {ext4}");
        }
    }

    #[test]
    fn ext4_is_a_whole_word() {
        assert!(has_ext4("nodev\tproc\n\text3\n\text4\n"));
        assert!(!has_ext4("nodev\text4x\n\text3\n"));
    }
}
