//! What is kept the same, and what changes in it: all of it follows from the seed, so that every tool has the same.
//!
//! Sizes of the many files are spread evenly on a logarithmic scale: half of them are below 224 bytes, the largest have 50 kB, and 100,000 have 440 MiB.
//! What is in them is noise: nothing is gained by compression, and no two pieces are alike. Times of modification are 4,000 s apart from one edit to the next:
//! unison does not see one that leaves the size in the same second as the last, nor exactly an hour after it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{Error, Result};
use crate::rng::Rng;

const SEED: u64 = 42;
/// Files in one folder.
const IN_FOLDER: usize = 100;
/// Folders in one folder.
const FOLDERS: usize = 32;
/// The size of the largest of many files, bytes.
const LARGEST: f64 = 50_000.0;
/// The one large file.
pub(super) const LARGE: &str = "large.bin";
/// What is overwritten in it at a time, bytes.
const BLOCK: usize = 4096;
/// Bytes of noise made at a time.
const PIECE: usize = 1 << 20;
/// Bytes of a file that is added, at most.
const ADDED: usize = 8192;

/// When everything was made, seconds since 1970 UTC, and how long after it the next edit came.
const MADE_S: u64 = 1_600_000_000;
const NEXT_S: u64 = 4_000;

/// Something that a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// So many of many files get other bytes in their middle or a line more at their end.
    Small(usize),
    /// So many small files are added, in one folder.
    Added(usize),
    /// So many blocks of the large file are overwritten.
    Overwritten(usize),
    /// The large file gets a byte more at its front, as editors do: written anew, and put in place.
    Inserted,
}

/// Makes many files below `top`.
pub(super) fn many(top: &Path, files: usize) -> Result<()> {
    let mut rng = Rng::new(SEED);
    let mut bytes = Vec::new();
    for number in 0..files {
        let size = size(&mut rng);
        noise(&mut rng, size, &mut bytes);
        let path = top.join(path(number));
        disk::write(&path, &bytes)?;
        date(&path, 0)?;
    }
    Ok(())
}

/// Makes the large file in `top`.
pub(super) fn large(top: &Path, size: u64) -> Result<()> {
    let path = top.join(LARGE);
    disk::write(&path, "")?;
    let unwritable = |cause| Error::because(format!("cannot write {}", path.display()), cause);
    let mut file = disk::append(&path)?;
    let (mut rng, mut bytes, mut left) = (Rng::new(SEED), Vec::new(), size);
    while left > 0 {
        let piece = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        noise(&mut rng, piece, &mut bytes);
        file.write_all(&bytes).map_err(unwritable)?;
        left -= piece as u64;
    }
    date(&path, 0)
}

impl Edit {
    /// Does it below `top`, which has so many files. It is the `nth` thing that is done there, from 1, and does other things than any other.
    pub(super) fn make(self, top: &Path, files: usize, nth: usize) -> Result<()> {
        let mut rng = Rng::new(SEED + nth as u64);
        let large = top.join(LARGE);
        match self {
            Self::Small(count) => {
                // In steps, so that none is met twice.
                let (step, first) = (files / count, rng.below(files / count));
                for at in 0..count {
                    let path = top.join(path(first + at * step));
                    change(&path, &mut rng)?;
                    date(&path, nth)?;
                }
                return Ok(());
            }
            Self::Added(count) => {
                let mut bytes = Vec::new();
                for number in 0..count {
                    let path = top.join(format!("added {nth:04}/note {number:04}.txt"));
                    let size = 1 + rng.below(ADDED);
                    noise(&mut rng, size, &mut bytes);
                    disk::write(&path, &bytes)?;
                    date(&path, nth)?;
                }
                return Ok(());
            }
            Self::Overwritten(count) => overwrite(&large, count, &mut rng)?,
            Self::Inserted => insert(&large, &mut rng)?,
        }
        date(&large, nth)
    }
}

/// A file of many, by its number.
fn path(number: usize) -> PathBuf {
    let folder = number / IN_FOLDER;
    let top = folder / FOLDERS;
    PathBuf::from(format!(
        "department {top:02}/project {folder:04}/document {number:06}.dat"
    ))
}

fn date(path: &Path, nth: usize) -> Result<()> {
    disk::set_modified(path, MADE_S + NEXT_S * nth as u64)
}

fn size(rng: &mut Rng) -> usize {
    let part = (rng.next() >> 11) as f64 / (1_u64 << 53) as f64;
    LARGEST.powf(part) as usize
}

/// Replaces `bytes` with so many.
fn noise(rng: &mut Rng, size: usize, bytes: &mut Vec<u8>) {
    bytes.clear();
    while bytes.len() < size {
        bytes.extend_from_slice(&rng.next().to_le_bytes());
    }
    bytes.truncate(size);
}

/// Every second time in the middle without another size, else at the end.
fn change(path: &Path, rng: &mut Rng) -> Result<()> {
    let unwritable = |cause| Error::because(format!("cannot change {}", path.display()), cause);
    let opened = File::options().read(true).write(true).open(path);
    let file = opened.map_err(unwritable)?;
    let size = file.metadata().map_err(unwritable)?.len();
    let written = match rng.below(2) {
        0 => {
            let mut byte = [0];
            let read = file.read_exact_at(&mut byte, size / 2);
            read.and_then(|()| file.write_all_at(&[!byte[0]], size / 2))
        }
        _ => file.write_all_at(&rng.next().to_le_bytes(), size),
    };
    written.map_err(unwritable)
}

fn overwrite(path: &Path, count: usize, rng: &mut Rng) -> Result<()> {
    let unwritable = |cause| Error::because(format!("cannot change {}", path.display()), cause);
    let file = File::options().write(true).open(path).map_err(unwritable)?;
    let size = file.metadata().map_err(unwritable)?.len();
    let blocks = usize::try_from(size).unwrap_or(usize::MAX) / BLOCK;
    let mut bytes = Vec::new();
    for _ in 0..count {
        noise(rng, BLOCK, &mut bytes);
        let at = rng.below(blocks) * BLOCK;
        file.write_all_at(&bytes, at as u64).map_err(unwritable)?;
    }
    Ok(())
}

fn insert(path: &Path, rng: &mut Rng) -> Result<()> {
    let unwritable = |cause| Error::because(format!("cannot change {}", path.display()), cause);
    let anew = path.with_extension("new");
    disk::write(&anew, [rng.next().to_le_bytes()[0]])?;
    let mut to = BufWriter::new(disk::append(&anew)?);
    let mut from = File::open(path).map_err(unwritable)?;
    std::io::copy(&mut from, &mut to).map_err(unwritable)?;
    to.flush().map_err(unwritable)?;
    disk::rename(&anew, path)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("xtask-corpus-{}-{name}", std::process::id())))
        }

        /// Every file with when it was modified and what is in it.
        fn files(&self) -> Vec<(PathBuf, SystemTime, Vec<u8>)> {
            let paths = disk::files_below(&self.0, &[]).unwrap();
            let below = |path: &PathBuf| path.strip_prefix(&self.0).unwrap().to_owned();
            let modified = |path: &PathBuf| path.metadata().unwrap().modified().unwrap();
            let read = |path: &PathBuf| std::fs::read(path).unwrap();
            paths
                .iter()
                .map(|path| (below(path), modified(path), read(path)))
                .collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            disk::remove(&self.0).unwrap();
        }
    }

    #[test]
    fn sizes_are_those_that_are_said() {
        let mut rng = Rng::new(SEED);
        let mut sizes: Vec<usize> = (0..100_000).map(|_| size(&mut rng)).collect();
        sizes.sort_unstable();
        let mib = sizes.iter().sum::<usize>() >> 20;
        assert!((430..450).contains(&mib), "{mib} MiB");
        assert!((200..250).contains(&sizes[50_000]), "{}", sizes[50_000]);
        assert!(sizes[0] >= 1 && sizes[99_999] < 50_000);
    }

    #[test]
    fn the_same_is_made_and_edited_twice() {
        let both = [Folder::new("one"), Folder::new("other")];
        let do_all = |folder: &Folder| {
            many(&folder.0, 1000).unwrap();
            large(&folder.0, 3 << 20).unwrap();
            let made = folder.files();
            let edits = [
                Edit::Small(100),
                Edit::Added(10),
                Edit::Overwritten(5),
                Edit::Inserted,
            ];
            for (nth, edit) in edits.into_iter().enumerate() {
                edit.make(&folder.0, 1000, 1 + nth).unwrap();
            }
            (made, folder.files())
        };
        let [one, other] = both.each_ref().map(do_all);
        assert!(one == other);
        assert_eq!((one.0.len(), one.1.len()), (1001, 1011));
    }

    #[test]
    fn an_edit_changes_what_it_says_and_nothing_else() {
        let folder = Folder::new("edits");
        many(&folder.0, 1000).unwrap();
        large(&folder.0, 3 << 20).unwrap();
        let mut nth = 1;
        let mut edited = |edit: Edit| {
            let before = folder.files();
            edit.make(&folder.0, 1000, nth).unwrap();
            let after = folder.files();
            let dated = before
                .iter()
                .zip(&after)
                .filter(|(was, is)| was.1 != is.1)
                .count();
            let changed: Vec<(Vec<u8>, Vec<u8>)> = before
                .into_iter()
                .zip(after)
                .filter(|(was, is)| was.2 != is.2)
                .map(|(was, is)| (was.2, is.2))
                .collect();
            assert_eq!(changed.len(), dated);
            nth += 1;
            changed
        };
        let changed = edited(Edit::Small(100));
        assert_eq!(changed.len(), 100);
        let kept_size = changed.iter().filter(|(was, is)| was.len() == is.len()).count();
        assert!((20..80).contains(&kept_size), "{kept_size}");
        let changed = edited(Edit::Overwritten(3));
        let [(was, is)] = &changed[..] else {
            panic!("{}", changed.len())
        };
        let blocks = was.chunks(BLOCK).zip(is.chunks(BLOCK));
        assert_eq!(was.len(), is.len());
        assert_eq!(blocks.filter(|(was, is)| was != is).count(), 3);
        let changed = edited(Edit::Inserted);
        let [(was, is)] = &changed[..] else {
            panic!("{}", changed.len())
        };
        assert!(is[1..] == was[..]);
    }
}
