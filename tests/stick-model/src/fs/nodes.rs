//! Which node of the mount is which file of the backing folder.
//!
//! A node keeps its number as long as it is linked, because its place on the modelled device hangs on it; an unlinked one
//! as long as the kernel knows it. All handles of a file share one open file of the backing folder, opened for reading
//! and writing: the kernel's write-back cache reads through handles that were opened for writing only.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::{File, Metadata, OpenOptions},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use fuser::Errno;

/// The number of the mount's root.
pub(super) const ROOT: u64 = 1;

struct Node {
    parent: u64,
    name: OsString,
    is_linked: bool,
    lookups: u64,
    handles: u64,
    file: Option<Arc<File>>,
}

/// All nodes.
pub(super) struct Nodes {
    backing: PathBuf,
    nodes: HashMap<u64, Node>,
    names: HashMap<(u64, OsString), u64>,
    last: u64,
}

impl Nodes {
    pub(super) fn new(backing: &Path) -> Self {
        Self {
            backing: backing.to_owned(),
            nodes: HashMap::new(),
            names: HashMap::new(),
            last: ROOT,
        }
    }

    /// The number of a name that exists in the backing folder, and whether it is new.
    pub(super) fn intern(&mut self, parent: u64, name: &OsStr) -> (u64, bool) {
        let key = (parent, name.to_owned());
        if let Some(ino) = self.names.get(&key) {
            return (*ino, false);
        }
        self.last += 1;
        let node = Node {
            parent,
            name: name.to_owned(),
            is_linked: true,
            lookups: 0,
            handles: 0,
            file: None,
        };
        self.nodes.insert(self.last, node);
        self.names.insert(key, self.last);
        (self.last, true)
    }

    /// The number of a name, if it was ever asked for.
    pub(super) fn known(&self, parent: u64, name: &OsStr) -> Option<u64> {
        self.names.get(&(parent, name.to_owned())).copied()
    }

    pub(super) fn parent(&self, ino: u64) -> u64 {
        self.nodes.get(&ino).map_or(ROOT, |node| node.parent)
    }

    /// Where a node is in the backing folder; an unlinked file is reached through its open handle.
    pub(super) fn path(&self, ino: u64) -> Result<PathBuf, Errno> {
        if ino == ROOT {
            return Ok(self.backing.clone());
        }
        let node = self.nodes.get(&ino).ok_or(Errno::ENOENT)?;
        match (node.is_linked, &node.file) {
            (true, _) => Ok(self.path(node.parent)?.join(&node.name)),
            (false, Some(file)) => Ok(format!("/proc/self/fd/{}", file.as_raw_fd()).into()),
            (false, None) => Err(Errno::ENOENT),
        }
    }

    pub(super) fn child(&self, parent: u64, name: &OsStr) -> Result<PathBuf, Errno> {
        Ok(self.path(parent)?.join(name))
    }

    pub(super) fn metadata(&self, ino: u64) -> Result<Metadata, Errno> {
        let file = self.nodes.get(&ino).and_then(|node| node.file.as_ref());
        let metadata = match file {
            Some(file) => file.metadata(),
            None => std::fs::symlink_metadata(self.path(ino)?),
        };
        Ok(metadata?)
    }

    pub(super) fn looked_up(&mut self, ino: u64) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.lookups += 1;
        }
    }

    pub(super) fn forget(&mut self, ino: u64, lookups: u64) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.lookups = node.lookups.saturating_sub(lookups);
            if !node.is_linked && node.lookups == 0 && node.handles == 0 {
                self.nodes.remove(&ino);
            }
        }
    }

    /// The open file behind a node.
    pub(super) fn file(&self, ino: u64) -> Result<Arc<File>, Errno> {
        let node = self.nodes.get(&ino).ok_or(Errno::ENOENT)?;
        match &node.file {
            Some(file) => Ok(Arc::clone(file)),
            None => Ok(Arc::new(open(&self.path(ino)?)?)),
        }
    }

    /// Another handle of a file.
    pub(super) fn open(&mut self, ino: u64) -> Result<(), Errno> {
        let file = self.file(ino)?;
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?;
        node.handles += 1;
        node.file = Some(file);
        Ok(())
    }

    /// A handle less; true if that was the last of a file without a name.
    pub(super) fn close(&mut self, ino: u64) -> bool {
        let Some(node) = self.nodes.get_mut(&ino) else {
            return false;
        };
        node.handles = node.handles.saturating_sub(1);
        if node.handles > 0 {
            return false;
        }
        node.file = None;
        !node.is_linked
    }

    /// The name is gone; returns its node and whether somebody has it open.
    pub(super) fn unlink(&mut self, parent: u64, name: &OsStr) -> Option<(u64, bool)> {
        let ino = self.names.remove(&(parent, name.to_owned()))?;
        let node = self.nodes.get_mut(&ino)?;
        node.is_linked = false;
        Some((ino, node.handles > 0))
    }

    /// The node has another name. The new name must be free.
    pub(super) fn rename(&mut self, ino: u64, parent: u64, name: &OsStr) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            self.names.remove(&(node.parent, node.name.clone()));
            node.parent = parent;
            node.name = name.to_owned();
            self.names.insert((parent, name.to_owned()), ino);
        }
    }
}

/// Opens a backing file for both; one that may only be read is opened for that.
fn open(path: &Path) -> io::Result<File> {
    let both = OpenOptions::new().read(true).write(true).open(path);
    match both {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        both => both,
    }
}
