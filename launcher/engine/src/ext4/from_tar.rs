//! A file system from a tar stream.
//!
//! GNU tar unpacks into a private folder, and `mke2fs -d` copies that folder into the new file system. Only root can
//! give files to others and make devices; an ordinary user runs both tools in `fakeroot`, which remembers what was
//! asked for from the one to the other. Weighed against it: a user namespace needs a range of ids that many accounts do
//! not have and cannot make devices; writing ext4 ourselves is not ours to do.
//!
//! `fakeroot` (seen with 1.31) cannot keep extended attributes: it forgets that a file with one is a regular file, which
//! `mke2fs` then leaves out, and it does not carry attributes from one run to the next. Content with attributes on its
//! files (`ping` has its capability in one) is therefore refused for an ordinary user, by name, and not made with loss. Of
//! attributes on folders nothing is seen afterwards: who has such content asks [`keeps_attributes`] first.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustix::process::geteuid;

use super::{
    Ext4Error, Ext4Options, Ext4Report, Guise, Method, file_error, make, new_file, set_size, validate,
};
use crate::run::Run;

/// Makes the file system `dest`, a new file, from the tar stream `tar`, with everything a tar archive can hold: owners,
/// modes, times, extended attributes, devices, hard links. `work_dir` needs room for the unpacked content.
pub fn make_from_tar(
    options: &Ext4Options,
    tar: &mut dyn Read,
    dest: &Path,
    work_dir: &Path,
    cancel: &dyn Fn() -> bool,
) -> Result<Ext4Report, Ext4Error> {
    make_as(geteuid().is_root(), options, tar, dest, work_dir, cancel)
}

/// Whether [`make_from_tar`] can keep the extended attributes of folders here.
pub fn keeps_attributes() -> bool {
    geteuid().is_root()
}

pub(super) fn make_as(
    is_root: bool,
    options: &Ext4Options,
    tar: &mut dyn Read,
    dest: &Path,
    work_dir: &Path,
    cancel: &dyn Fn() -> bool,
) -> Result<Ext4Report, Ext4Error> {
    let work_dir = std::path::absolute(work_dir).map_err(|source| file_error(work_dir, source))?;
    let folder = tempfile::Builder::new()
        .prefix(".gobag-unpack-")
        .tempdir_in(&work_dir)
        .map_err(|source| file_error(&work_dir, source))?;
    // One below the 0700 folder, because the archive sets the mode of its own root.
    let root = folder.path().join("root");
    fs::create_dir(&root).map_err(|source| file_error(&root, source))?;
    let memory = folder.path().join("fakeroot");
    let (guise, method) = match is_root {
        true => (Guise::Own, Method::Root),
        false => (Guise::Fakeroot(&memory), Method::Fakeroot),
    };
    unpack(guise, tar, &root, dest, cancel)?;
    if let Guise::Fakeroot(memory) = guise {
        refuse_lost_attributes(memory, dest)?;
    }

    let mut content = Content::default();
    content.add(&root).map_err(|source| file_error(&root, source))?;
    let size_bytes = match options.size_bytes {
        Some(size) => size,
        None => content.roomy_size(),
    };
    let options = Ext4Options {
        size_bytes: Some(size_bytes),
        ..options.clone()
    };
    validate(&options, dest)?;
    new_file(dest, |unfinished| {
        set_size(unfinished, size_bytes)?;
        let content_args = [OsStr::new("-d"), root.as_os_str()];
        make(
            guise,
            &options,
            unfinished,
            size_bytes,
            &content_args,
            content.entries,
            cancel,
        )
    })?;
    Ok(Ext4Report {
        size_bytes,
        content_bytes: content.bytes,
        entries: content.entries,
        method,
    })
}

fn unpack(
    guise: Guise<'_>,
    tar: &mut dyn Read,
    root: &Path,
    dest: &Path,
    cancel: &dyn Fn() -> bool,
) -> Result<(), Ext4Error> {
    let (program, before) = guise.command("tar")?;
    Run::new(&program)
        .args(before)
        .args([
            "--extract",
            "--file=-",
            "--numeric-owner",
            "--same-owner",
            "--preserve-permissions",
        ])
        .args(["--xattrs", "--xattrs-include=*", "--delay-directory-restore"])
        .arg("--directory")
        .arg(root)
        .input(tar)
        .cancel(cancel)
        .success()
        .map(drop)
        .map_err(|source| Ext4Error::Unpack {
            path: dest.to_owned(),
            source,
        })
}

/// Refuses content with extended attributes, which `fakeroot` has lost. They can be told by what it remembers: a mode
/// without a kind of file.
fn refuse_lost_attributes(memory: &Path, dest: &Path) -> Result<(), Ext4Error> {
    let text = fs::read_to_string(memory).map_err(|source| file_error(memory, source))?;
    match text.lines().any(is_of_no_kind) {
        true => Err(Ext4Error::Attributes {
            path: dest.to_owned(),
        }),
        false => Ok(()),
    }
}

/// Whether a line of `fakeroot`'s memory, `dev=fe00,ino=7,mode=100644,uid=0,…`, has only permissions for a mode.
fn is_of_no_kind(line: &str) -> bool {
    const KIND: u32 = 0o170_000;
    let mode = line.split(',').find_map(|field| field.strip_prefix("mode="));
    mode.and_then(|mode| u32::from_str_radix(mode, 8).ok())
        .is_some_and(|mode| mode & KIND == 0)
}

/// How much a folder holds.
#[derive(Default)]
struct Content {
    entries: u64,
    bytes: u64,
    blocks_bytes: u64,
}

impl Content {
    const BLOCK: u64 = 4096;

    fn add(&mut self, folder: &Path) -> io::Result<()> {
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let found = entry.metadata()?;
                self.entries += 1;
                if found.is_dir() {
                    self.blocks_bytes += found.len().next_multiple_of(Self::BLOCK);
                    folders.push(entry.path());
                } else if found.is_file() {
                    // Each name of a file with several counts for its part.
                    self.bytes += found.len() / found.nlink();
                    self.blocks_bytes += found.len().next_multiple_of(Self::BLOCK) / found.nlink();
                }
            }
        }
        Ok(())
    }

    /// Content, inodes, a journal, and an eighth more to live in, in whole MiB.
    fn roomy_size(&self) -> u64 {
        const INODE_BYTES: u64 = 256;
        const JOURNAL_AND_TABLES: u64 = 80 << 20;
        let needed = self.blocks_bytes + self.entries * 2 * INODE_BYTES;
        (needed + needed / 8 + JOURNAL_AND_TABLES).next_multiple_of(1 << 20)
    }
}
