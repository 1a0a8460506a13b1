//! A root file system that lies unpacked in a folder, as a layer.
//!
//! Names are taken in byte order, so that the same folder gives the same image. Other file systems mounted in it
//! (`/proc`, `/dev` of a running system) are left out, sockets too: their folders stay as empty mount points. Symbolic
//! links are never followed. The folder should not be in use; a file that changes while it is read is an error.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use gobag_format::Monitor;
use rustix::{
    fs::{Mode, OFlags, lgetxattr, llistxattr},
    io::Errno,
};

use crate::{
    entry::{Entry, EntryStream, Kind, Layer, Meta, ReadError, Timestamp},
    limits::MAX_ATTRIBUTE_BYTES,
    path::{ImagePath, printable},
};

/// Attributes that mean something on another computer. Others belong to this one's kernel (overlayfs, IMA, SELinux
/// labels, which the image's own policy makes afresh).
const KEPT_ATTRIBUTES: [&str; 3] = ["user.", "security.capability", "system.posix_acl_"];

/// A folder as a layer.
pub(crate) struct FolderLayer {
    path: PathBuf,
}

impl FolderLayer {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }
}

impl Layer for FolderLayer {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn size_bytes(&self) -> Option<u64> {
        None
    }

    fn open<'a>(&'a self, monitor: &'a dyn Monitor) -> Result<Box<dyn EntryStream + 'a>, ReadError> {
        let root = fs::metadata(&self.path).map_err(|source| io_error(&self.path, source))?;
        Ok(Box::new(FolderStream {
            root: &self.path,
            monitor,
            device: root.dev(),
            pending: vec![(PathBuf::new(), ImagePath::root())],
            links: HashMap::new(),
            content: None,
        }))
    }
}

struct FolderStream<'a> {
    root: &'a Path,
    monitor: &'a dyn Monitor,
    device: u64,
    /// What is still to come, the next one last: below the root, and as a path of the image.
    pending: Vec<(PathBuf, ImagePath)>,
    /// The first name of each file with several, by device and inode.
    links: HashMap<(u64, u64), ImagePath>,
    content: Option<Content>,
}

struct Content {
    path: PathBuf,
    file: File,
    left: u64,
}

fn io_error(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io {
        path: path.to_owned(),
        source,
    }
}

impl FolderStream<'_> {
    fn entry(&mut self, below: PathBuf, path: ImagePath) -> Result<Option<Entry>, ReadError> {
        let full = match path.is_root() {
            true => self.root.to_owned(),
            false => self.root.join(&below),
        };
        let found = match path.is_root() {
            true => fs::metadata(&full),
            false => fs::symlink_metadata(&full),
        };
        let found = found.map_err(|source| io_error(&full, source))?;
        let kind = found.file_type();
        if kind.is_socket() {
            return Ok(None);
        }
        let key = (found.dev(), found.ino());
        if !kind.is_dir() && found.nlink() > 1 {
            if let Some(target) = self.links.get(&key) {
                let kind = Kind::HardLink {
                    target: target.clone(),
                };
                let meta = meta(&found);
                return Ok(Some(Entry { path, kind, meta }));
            }
            self.links.insert(key, path.clone());
        }
        let entry_kind = if kind.is_dir() {
            if found.dev() == self.device {
                self.push_children(&full, &below, &path)?;
            }
            Kind::Folder
        } else if kind.is_symlink() {
            let target = fs::read_link(&full).map_err(|source| io_error(&full, source))?;
            Kind::Symlink {
                target: target.as_os_str().as_bytes().to_vec(),
            }
        } else if kind.is_file() {
            self.open_content(&full, &found)?;
            Kind::File {
                size_bytes: found.len(),
                stored_bytes: found.len().min(found.blocks() * 512),
            }
        } else if kind.is_fifo() {
            Kind::Fifo
        } else {
            Kind::Device {
                block: kind.is_block_device(),
                major: rustix::fs::major(found.rdev()),
                minor: rustix::fs::minor(found.rdev()),
            }
        };
        let mut meta = meta(&found);
        meta.records = attributes(&full)?;
        Ok(Some(Entry {
            path,
            kind: entry_kind,
            meta,
        }))
    }

    fn push_children(&mut self, full: &Path, below: &Path, path: &ImagePath) -> Result<(), ReadError> {
        let failed = |source| io_error(full, source);
        let mut names = fs::read_dir(full)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.file_name()))
                    .collect::<io::Result<Vec<OsString>>>()
            })
            .map_err(failed)?;
        names.sort_unstable_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
        for name in names {
            let components = path.components().chain([name.as_bytes()]);
            let child = ImagePath::from_components(components).map_err(|source| ReadError::BadPath {
                name: self.root.display().to_string(),
                path: printable(below.join(&name).as_os_str().as_bytes()),
                source,
            })?;
            self.pending.push((below.join(&name), child));
        }
        Ok(())
    }

    fn open_content(&mut self, full: &Path, found: &Metadata) -> Result<(), ReadError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(full, flags, Mode::empty())
            .map(File::from)
            .map_err(|error| io_error(full, error.into()))?;
        let opened = file.metadata().map_err(|source| io_error(full, source))?;
        if (opened.dev(), opened.ino(), opened.len()) != (found.dev(), found.ino(), found.len()) {
            return Err(ReadError::Changed {
                path: full.to_owned(),
            });
        }
        self.content = Some(Content {
            path: full.to_owned(),
            file,
            left: found.len(),
        });
        Ok(())
    }
}

impl EntryStream for FolderStream<'_> {
    fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        self.content = None;
        while let Some((below, path)) = self.pending.pop() {
            if self.monitor.is_cancelled() {
                return Err(ReadError::Cancelled);
            }
            if let Some(entry) = self.entry(below, path)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let Some(content) = &mut self.content else {
            return Ok(0);
        };
        if self.monitor.is_cancelled() {
            return Err(ReadError::Cancelled);
        }
        let want = content.left.min(buffer.len() as u64) as usize;
        if want == 0 {
            return Ok(0);
        }
        let read = content
            .file
            .read(&mut buffer[..want])
            .map_err(|source| io_error(&content.path, source))?;
        if read == 0 {
            return Err(ReadError::Changed {
                path: content.path.clone(),
            });
        }
        content.left -= read as u64;
        self.monitor.advance(read as u64);
        Ok(read)
    }

    fn finish(&mut self) -> Result<(), ReadError> {
        Ok(())
    }
}

fn meta(found: &Metadata) -> Meta {
    Meta {
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
        modified: Timestamp {
            seconds: found.mtime(),
            nanos: u32::try_from(found.mtime_nsec()).unwrap_or(0),
        },
        records: Vec::new(),
    }
}

/// The extended attributes that are kept, as pax records, sorted.
fn attributes(path: &Path) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
    let failed = |error: Errno| io_error(path, error.into());
    let mut names = vec![0u8; 4096];
    let length = loop {
        match llistxattr(path, names.as_mut_slice()) {
            Ok(length) => break length,
            Err(Errno::RANGE) if names.len() < MAX_ATTRIBUTE_BYTES => names.resize(names.len() * 4, 0),
            Err(Errno::NOTSUP) => break 0,
            Err(error) => return Err(failed(error)),
        }
    };
    let mut records = Vec::new();
    for name in names[..length].split(|&byte| byte == 0) {
        let Ok(name) = str::from_utf8(name) else {
            continue;
        };
        if !KEPT_ATTRIBUTES.iter().any(|kept| name.starts_with(kept)) {
            continue;
        }
        let mut value = vec![0u8; 64 << 10];
        let length = match lgetxattr(path, name, value.as_mut_slice()) {
            Ok(length) => length,
            Err(Errno::NODATA) => continue,
            Err(error) => return Err(failed(error)),
        };
        value.truncate(length);
        records.push((format!("SCHILY.xattr.{name}"), value));
    }
    records.sort_unstable();
    Ok(records)
}

#[cfg(test)]
mod tests {
    use gobag_format::Silent;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the test makes its own files")]
    fn sample() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("b")).unwrap();
        fs::write(at("b/file"), b"content").unwrap();
        fs::hard_link(at("b/file"), at("a-link")).unwrap();
        std::os::unix::fs::symlink("../outside", at("c")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), Mode::from_raw_mode(0o600)).unwrap();
        folder
    }

    #[test]
    fn a_folder_is_walked_in_order_and_without_following() {
        let folder = sample();
        let layer = FolderLayer::new(folder.path());
        let mut stream = layer.open(&Silent).unwrap();
        let mut seen = Vec::new();
        while let Some(entry) = stream.next_entry().unwrap() {
            let mut content = [0; 32];
            let read = stream.read_content(&mut content).unwrap();
            let kind = match entry.kind {
                Kind::File { size_bytes, .. } => format!("file {size_bytes} {read}"),
                Kind::HardLink { target } => format!("link {target}"),
                Kind::Symlink { target } => format!("-> {}", printable(&target)),
                Kind::Folder => "folder".to_owned(),
                Kind::Fifo => "fifo".to_owned(),
                Kind::Device { .. } => "device".to_owned(),
            };
            seen.push(format!("{} {kind}", entry.path));
        }
        assert_eq!(
            seen,
            [
                "/ folder",
                "/a-link file 7 7",
                "/b folder",
                "/b/file link /a-link",
                "/c -> ../outside",
                "/fifo fifo"
            ]
        );
    }

    #[test]
    fn a_file_that_shrinks_is_noticed() {
        let folder = sample();
        let layer = FolderLayer::new(folder.path());
        let mut stream = layer.open(&Silent).unwrap();
        stream.next_entry().unwrap();
        stream.next_entry().unwrap();
        let file = File::options()
            .write(true)
            .open(folder.path().join("a-link"))
            .unwrap();
        file.set_len(0).unwrap();
        let error = stream.read_content(&mut [0; 32]).unwrap_err();
        assert_eq!(error.code(), "import.source-changed");
    }

    #[test]
    fn attributes_come_along_when_the_file_system_has_them() {
        let folder = sample();
        let file = folder.path().join("b/file");
        let set = rustix::fs::setxattr(&file, "user.gobag", b"a\nb", rustix::fs::XattrFlags::empty());
        if set == Err(Errno::NOTSUP) {
            println!("skipped: the file system has no user attributes");
            return;
        }
        assert_eq!(
            attributes(&file).unwrap(),
            [("SCHILY.xattr.user.gobag".to_owned(), b"a\nb".to_vec())]
        );
    }
}
