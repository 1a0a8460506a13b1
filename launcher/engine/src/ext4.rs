//! ext4 file systems in image files, made and checked with e2fsprogs.
//!
//! Everything that would make two runs differ is an argument: the identifier, the time, the features (the host's
//! `mke2fs.conf` is not read). So the same input gives the same bytes, and the chunks of an unchanged file system are
//! stored once. The feature set is what both the kernels since 4.x and `fuse2fs` 1.47 can write.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{limits::DISK_BYTES, run::Run, tools};

mod check;
mod error;
mod from_tar;

pub use check::{Ext4Check, check, repair};
pub use error::Ext4Error;
pub use from_tar::{keeps_attributes, make_from_tar};

/// What the new file system shall be like.
#[derive(Debug, Clone)]
pub struct Ext4Options {
    /// Its name, at most 16 bytes.
    pub label: String,
    /// Its size; a multiple of the block size. Without it, [`make_from_tar`] takes what the content needs and some room.
    pub size_bytes: Option<u64>,
    /// Its identifier, which also seeds the hashes of its directories.
    pub uuid: [u8; 16],
    /// When it was made, in seconds since 1970; not 0.
    pub epoch_seconds: u64,
    /// Size of a block in bytes; 4096 unless there is a reason.
    pub block_size: u32,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ext4Report {
    /// Size of the file system in bytes.
    pub size_bytes: u64,
    /// Bytes of file content in it.
    pub content_bytes: u64,
    /// Files, folders, links and devices in it.
    pub entries: u64,
    /// How owners and devices were preserved.
    pub method: Method,
}

/// How the owners, modes and devices of the content got into the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// There was no content.
    Empty,
    /// As root, with the real ones in a private folder.
    Root,
    /// As an ordinary user, with `fakeroot` remembering them between unpacking and making.
    Fakeroot,
}

/// Makes an empty file system in a new sparse file of `options.size_bytes`, which must be given.
pub fn make_empty(options: &Ext4Options, path: &Path) -> Result<Ext4Report, Ext4Error> {
    let size_bytes = validate(options, path)?;
    new_file(path, |unfinished| {
        set_size(unfinished, size_bytes)?;
        make(Guise::Own, options, unfinished, size_bytes, &[], 0, &|| false)
    })?;
    Ok(empty_report(size_bytes))
}

/// Makes an empty file system in the existing file `path`, which must read as zeros from start to end (a volume that
/// was never written) and keeps its size; `options.size_bytes` is not looked at.
pub fn format_blank(options: &Ext4Options, path: &Path) -> Result<Ext4Report, Ext4Error> {
    let length = std::fs::metadata(path)
        .map_err(|source| file_error(path, source))?
        .len();
    let options = Ext4Options {
        size_bytes: Some(length - length % u64::from(options.block_size.max(1))),
        ..options.clone()
    };
    let size_bytes = validate(&options, path)?;
    make(Guise::Own, &options, path, size_bytes, &[], 0, &|| false)?;
    Ok(empty_report(size_bytes))
}

/// As whom a tool runs.
#[derive(Clone, Copy)]
enum Guise<'a> {
    /// As whoever we are.
    Own,
    /// As root in appearance; owners and devices that were asked for are kept in this file.
    Fakeroot(&'a Path),
}

impl Guise<'_> {
    /// The program to start for `tool`, and the arguments that come before the tool's own.
    fn command(self, tool: &str) -> Result<(PathBuf, Vec<OsString>), Ext4Error> {
        let tool = tools::find(tool, None)?;
        let Self::Fakeroot(memory) = self else {
            return Ok((tool, Vec::new()));
        };
        let mut before: Vec<OsString> = vec!["-s".into(), memory.into()];
        if memory.exists() {
            before.extend(["-i".into(), memory.into()]);
        }
        before.extend(["--".into(), tool.into()]);
        Ok((tools::find("fakeroot", None)?, before))
    }
}

/// Runs `mke2fs` over the file at `path`, which has the right size and reads as zeros.
fn make(
    guise: Guise<'_>,
    options: &Ext4Options,
    path: &Path,
    size_bytes: u64,
    more: &[&std::ffi::OsStr],
    entries: u64,
    cancel: &dyn Fn() -> bool,
) -> Result<(), Ext4Error> {
    let (program, before) = guise.command("mke2fs")?;
    Run::new(&program)
        .args(before)
        .env("MKE2FS_CONFIG", "/dev/null")
        .env("MKE2FS_SKIP_CHECK_MSG", "1")
        .env("E2FSPROGS_FAKE_TIME", options.epoch_seconds.to_string())
        .args(mke2fs_args(options, size_bytes, entries))
        .args(more)
        .arg(path)
        .arg((size_bytes / u64::from(options.block_size)).to_string())
        .cancel(cancel)
        .success()
        .map(drop)
        .map_err(|source| Ext4Error::Make {
            path: path.to_owned(),
            source,
        })
}

/// The arguments that decide every byte, except the content, the file and the number of blocks.
fn mke2fs_args(options: &Ext4Options, size_bytes: u64, entries: u64) -> Vec<String> {
    const FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,\
                            large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
    const BYTES_PER_INODE: u64 = 16 << 10;
    // A quarter more than the content has, so that a small but crowded system can still make files.
    let inodes = (size_bytes / BYTES_PER_INODE).max(entries + entries / 4 + 1024);
    let journal_mib = match size_bytes {
        0..0x1000_0000 => 4,
        0x1000_0000..0x8000_0000 => 16,
        _ => 64,
    };
    let uuid = hyphenated(&options.uuid);
    [
        "-q",
        "-F",
        "-t",
        "ext4",
        "-O",
        FEATURES,
        "-b",
        &options.block_size.to_string(),
        "-I",
        "256",
        "-N",
        &inodes.to_string(),
        "-J",
        &format!("size={journal_mib}"),
        "-m",
        "1",
        "-U",
        &uuid,
        "-L",
        &options.label,
        "-E",
        &format!("hash_seed={uuid},root_owner=0:0,assume_storage_prezeroed=1"),
    ]
    .map(str::to_owned)
    .to_vec()
}

fn hyphenated(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// The size asked for, when the options make sense.
fn validate(options: &Ext4Options, path: &Path) -> Result<u64, Ext4Error> {
    const SMALLEST: u64 = 8 << 20;
    const LABEL_BYTES: usize = 16;
    let wrong = |reason: String| Ext4Error::Options {
        path: path.to_owned(),
        reason,
    };
    if options.label.len() > LABEL_BYTES || options.label.contains('\0') {
        return Err(wrong(format!(
            "label `{}` has more than {LABEL_BYTES} bytes",
            options.label
        )));
    }
    if ![1024, 2048, 4096].contains(&options.block_size) {
        return Err(wrong(format!("a block cannot have {} bytes", options.block_size)));
    }
    if options.epoch_seconds == 0 {
        return Err(wrong("the time of making is not given".to_owned()));
    }
    match options.size_bytes {
        None => Err(wrong("the size is not given".to_owned())),
        Some(size) if !(SMALLEST..=DISK_BYTES).contains(&size) => Err(wrong(format!(
            "{size} bytes is not between {SMALLEST} and {DISK_BYTES}"
        ))),
        Some(size) if !size.is_multiple_of(u64::from(options.block_size)) => {
            Err(wrong(format!("{size} bytes is not a whole number of blocks")))
        }
        Some(size) => Ok(size),
    }
}

/// Lets `fill` work on a new empty file, which gets the name `path` only when all went well.
fn new_file<T>(path: &Path, fill: impl FnOnce(&Path) -> Result<T, Ext4Error>) -> Result<T, Ext4Error> {
    let refused = |source| file_error(path, source);
    let path = std::path::absolute(path).map_err(refused)?;
    let unfinished = tempfile::Builder::new()
        .prefix(".gobag-ext4-")
        .tempfile_in(path.parent().unwrap_or(Path::new("/")))
        .map_err(refused)?
        .into_temp_path();
    let filled = fill(&unfinished)?;
    unfinished
        .persist_noclobber(&path)
        .map_err(|error| refused(error.error))?;
    Ok(filled)
}

fn set_size(path: &Path, size_bytes: u64) -> Result<(), Ext4Error> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| file.set_len(size_bytes))
        .map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: io::Error) -> Ext4Error {
    Ext4Error::File {
        path: path.to_owned(),
        source,
    }
}

fn empty_report(size_bytes: u64) -> Ext4Report {
    Ext4Report {
        size_bytes,
        content_bytes: 0,
        entries: 0,
        method: Method::Empty,
    }
}

#[cfg(test)]
mod tests;
