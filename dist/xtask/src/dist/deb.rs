//! The Debian package: the programs, manual pages, completions, and a unit for `gobag-sync` beside a share.
//!
//! The programs are static, so nothing is depended on; what they start when it is there is recommended.

use std::path::Path;

use super::{Release, stage};
use crate::disk;
use crate::error::Result;
use crate::sh::Cmd;

const RECOMMENDS: &[&str] = &[
    "qemu-system-x86",
    "qemu-utils",
    "fuse3",
    "e2fsprogs",
    "bubblewrap",
];
const SUGGESTS: &[&str] = &["ovmf", "fuse2fs", "age"];

/// Builds the package from the staged tree and returns its file name.
pub(super) fn build(release: &Release, stage: &Path) -> Result<String> {
    let tree = stage.join("deb");
    let control = control(&release.version, size(&tree)?);
    disk::write(&tree.join("DEBIAN/control"), control)?;
    pack(release, &tree, "gobag")
}

/// Packs a tree with its `DEBIAN` folder and returns the package's file name.
pub(super) fn pack(release: &Release, tree: &Path, package: &str) -> Result<String> {
    stage::set_times(tree, release.epoch)?;
    let name = format!("{package}_{}_amd64.deb", release.version);
    Cmd::new("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "--build"])
        .arg(tree)
        .arg(release.out.join(&name))
        .env("SOURCE_DATE_EPOCH", release.epoch.to_string())
        .quiet()
        .run()?;
    Ok(name)
}

/// What a tree of files takes, bytes.
pub(super) fn size(tree: &Path) -> Result<u64> {
    let files = disk::files_below(tree, &[])?;
    Ok(files
        .iter()
        .map(|path| path.metadata().map_or(0, |meta| meta.len()))
        .sum())
}

fn control(version: &str, bytes: u64) -> String {
    format!(
        "Package: gobag\n\
         Version: {version}\n\
         Architecture: amd64\n\
         Maintainer: the Gobag contributors <maintainers@gobag.invalid>\n\
         Installed-Size: {}\n\
         Recommends: {}\n\
         Suggests: {}\n\
         Section: admin\n\
         Priority: optional\n\
         Description: business continuity on a stick\n \
         gobag-image turns a golden disk into encrypted personal sticks; gobag, which is\n \
         also on every stick, checks the computer it is plugged into, mounts the image\n \
         through FUSE and starts it as a virtual machine or a container. gobag-sync keeps\n \
         folders, also a company's share, the same as those of others.\n",
        bytes.div_ceil(1024),
        RECOMMENDS.join(", "),
        SUGGESTS.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_fields_stand_at_the_line_start() {
        let text = control("1.2.3", 2049);
        assert!(
            text.lines()
                .all(|line| line.starts_with(' ') || line.contains(": ")),
            "{text}"
        );
        assert!(text.contains("\nVersion: 1.2.3\n") && text.contains("\nInstalled-Size: 3\n"));
        assert!(text.ends_with('\n'));
    }
}
