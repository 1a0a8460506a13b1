//! Sources that hold files rather than a disk: container images, archives and folders of root file systems. Their files
//! become the content of ext4 volumes.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use gobag_engine::ext4::keeps_attributes;
use gobag_format::Monitor;

use crate::{
    archive::TarStream,
    compress::{Compression, decompressed},
    entry::{EntryStream, Layer, Metered, ReadError},
    flatten::{Changes, FlattenError, flatten},
    folder::FolderLayer,
    kind::{SourceKind, open_source},
    oci::{self, Blobs, ContainerEntry, OciError},
    open::{Boot, ImportOptions},
    path::ImagePath,
    survey::{self, FstabChange, KERNEL_HEAD_BYTES, Survey, is_x86_kernel},
    tree::{self, Found, Tree},
    volume::{self, HOME_LABEL, HOME_WORD, SYSTEM_LABEL, VolumeError, VolumeFile, Wanted},
};

/// The layers of a source, and what only a container image knows.
pub(crate) struct Files {
    layers: Vec<Box<dyn Layer>>,
    whiteouts: bool,
    pub(crate) entry: Option<ContainerEntry>,
    pub(crate) name: Option<String>,
}

/// What became of them.
pub(crate) struct Made {
    pub(crate) system: VolumeFile,
    pub(crate) home: Option<VolumeFile>,
    pub(crate) boot: Boot,
    pub(crate) os_name: Option<String>,
    pub(crate) architecture: Option<&'static str>,
    pub(crate) notes: Vec<String>,
}

/// Opens `source`; a packed image archive is unpacked into `work`, because its members are read more than once.
pub(crate) fn open(
    source: &Path,
    kind: SourceKind,
    work: &Path,
    options: &ImportOptions,
    monitor: &dyn Monitor,
) -> Result<Files, OciError> {
    let layer: Box<dyn Layer> = match kind {
        SourceKind::OciLayout | SourceKind::DockerArchive => {
            let blobs = blobs(source, work, monitor)?;
            let image = match kind {
                SourceKind::OciLayout => oci::open_layout(blobs, &options.image, monitor)?,
                _ => oci::open_docker(blobs, &options.image, monitor)?,
            };
            return Ok(Files {
                layers: image.layers,
                whiteouts: true,
                entry: Some(image.entry),
                name: image.name,
            });
        }
        SourceKind::RootfsFolder => Box::new(FolderLayer::new(source)),
        _ => Box::new(TarFileLayer::new(source)?),
    };
    Ok(Files {
        layers: vec![layer],
        whiteouts: false,
        entry: None,
        name: None,
    })
}

fn blobs(source: &Path, work: &Path, monitor: &dyn Monitor) -> Result<Blobs, OciError> {
    if source.is_dir() {
        return Ok(Blobs::folder(source));
    }
    let layer = TarFileLayer::new(source)?;
    if !layer.packed {
        return Ok(Blobs::archive(source)?);
    }
    let unpacked = work.join("unpacked.tar");
    let failed = |source_error| ReadError::Io {
        path: unpacked.clone(),
        source: source_error,
    };
    monitor.phase("unpacking the archive", Some(layer.size_bytes));
    let mut file = volume::new_file(&unpacked).map_err(|error| failed(io::Error::other(error)))?;
    let mut reader = layer.reader(monitor)?;
    io::copy(&mut reader, &mut file).map_err(|error| ReadError::from_reader(&layer.name(), error))?;
    file.flush().map_err(failed)?;
    Ok(Blobs::archive(&unpacked)?)
}

/// A tar archive of a root file system.
struct TarFileLayer {
    path: PathBuf,
    packed: bool,
    size_bytes: u64,
}

impl TarFileLayer {
    fn new(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Io {
            path: path.to_owned(),
            source,
        };
        let file = open_source(path).map_err(failed)?;
        let mut head = [0; 6];
        let read = file.read_at(&mut head, 0).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            packed: Compression::of(&head[..read]) != Compression::None,
            size_bytes: file.metadata().map_err(failed)?.len(),
        })
    }

    fn file<'a>(&self, monitor: &'a dyn Monitor) -> Result<Metered<'a, BufReader<File>>, ReadError> {
        let file = open_source(&self.path).map_err(|source| ReadError::Io {
            path: self.path.clone(),
            source,
        })?;
        Ok(Metered::new(BufReader::with_capacity(128 << 10, file), monitor))
    }

    fn reader<'a>(&self, monitor: &'a dyn Monitor) -> Result<Box<dyn io::Read + 'a>, ReadError> {
        decompressed(self.file(monitor)?).map_err(|error| ReadError::from_reader(&self.name(), error))
    }
}

impl Layer for TarFileLayer {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn size_bytes(&self) -> Option<u64> {
        Some(self.size_bytes)
    }

    fn open<'a>(&'a self, monitor: &'a dyn Monitor) -> Result<Box<dyn EntryStream + 'a>, ReadError> {
        Ok(match self.packed {
            true => Box::new(TarStream::new(self.reader(monitor)?, self.name(), true)),
            false => Box::new(TarStream::seekable(self.file(monitor)?, self.name())),
        })
    }
}

/// Writes the files as one tar archive, everything in its place and nothing changed.
pub(crate) fn export(
    files: &Files,
    output: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<(), FlattenError> {
    let tree = read_names(files, monitor)?;
    monitor.phase("writing the files", total(files));
    flatten(&tree, &files.layers, &Changes::default(), output, None, monitor)
}

/// Makes volumes of the files in `work`.
pub(crate) fn make(
    files: &Files,
    work: &Path,
    options: &ImportOptions,
    monitor: &dyn Monitor,
) -> Result<Made, VolumeError> {
    let tree = read_names(files, monitor).map_err(FlattenError::from)?;
    if !keeps_attributes() {
        refuse_attributes(&tree)?;
    }
    let found = survey::survey(&tree, options.split_home);
    let unpacked = found.system.full_bytes + found.home_size.full_bytes;
    let stored = found.system.stored_bytes + found.home_size.stored_bytes;
    volume::check_space(work, unpacked.saturating_add(stored))?;

    let system = Wanted {
        label: SYSTEM_LABEL,
        path: work.join("system.raw"),
        size_bytes: options
            .system_size_bytes
            .unwrap_or_else(|| found.system.roomy_volume_bytes()),
        uuid: options.system_uuid,
        epoch_seconds: options.epoch_seconds,
    };
    let home = found.home.as_ref().map(|_| Wanted {
        label: HOME_LABEL,
        path: work.join("home.raw"),
        size_bytes: options
            .home_size_bytes
            .unwrap_or_else(|| found.home_size.roomy_volume_bytes()),
        uuid: options.home_uuid,
        epoch_seconds: options.epoch_seconds,
    });
    let kernel = Extracted::new(work, "kernel")?;
    let initrd = Extracted::new(work, "initrd")?;
    let changes = changes(&found, &kernel, &initrd);
    monitor.phase("making the volumes", total(files));
    volume::make(&system, home.as_ref(), work, monitor, |system, home| {
        flatten(&tree, &files.layers, &changes, system, home, monitor)
    })?;

    let mut notes = found.notes.clone();
    if let Some(other) = found
        .architecture
        .filter(|found| *found != options.image.architecture)
    {
        notes.push(format!(
            "the programs in it are for {other}, not for {}",
            options.image.architecture
        ));
    }
    let boot = boot(&found, kernel, initrd, &mut notes)?;
    Ok(Made {
        system: system.file(),
        home: home.as_ref().map(Wanted::file),
        boot,
        os_name: found.os_name,
        architecture: found.architecture,
        notes,
    })
}

/// Refuses folders with extended attributes: without root they would be lost, and nothing would say so.
fn refuse_attributes(tree: &Tree) -> Result<(), VolumeError> {
    let mut first = None;
    tree.walk(&mut |components, found| {
        if let Found::Folder(folder) = found
            && !folder.meta.records.is_empty()
            && first.is_none()
        {
            first = ImagePath::from_components(components.iter().copied()).ok();
        }
    });
    match first {
        Some(path) => Err(VolumeError::Attributes {
            path: path.to_string(),
        }),
        None => Ok(()),
    }
}

fn read_names(files: &Files, monitor: &dyn Monitor) -> Result<Tree, ReadError> {
    monitor.phase("reading the names of all files", total(files));
    tree::build(&files.layers, files.whiteouts, survey::keep, monitor)
}

fn total(files: &Files) -> Option<u64> {
    files.layers.iter().map(|layer| layer.size_bytes()).sum()
}

/// A file taken out of the content.
struct Extracted {
    path: PathBuf,
    file: File,
}

impl Extracted {
    fn new(work: &Path, name: &str) -> Result<Self, VolumeError> {
        let path = work.join(name);
        let file = volume::new_file(&path)?;
        Ok(Self { path, file })
    }
}

fn changes<'a>(found: &Survey, kernel: &'a Extracted, initrd: &'a Extracted) -> Changes<'a> {
    let mut changes = Changes {
        split: found.home.clone(),
        ..Changes::default()
    };
    match &found.fstab {
        FstabChange::None => {}
        FstabChange::Replace(id, text) => changes.replaced = HashMap::from([(*id, text.clone())]),
        FstabChange::Add(path, meta, text) => {
            changes.added.push((path.clone(), meta.clone(), text.clone()));
        }
    }
    if let Some(boot) = &found.boot {
        changes.copied.insert(boot.kernel, &kernel.file);
        if let Some(id) = boot.initrd {
            changes.copied.insert(id, &initrd.file);
        }
    }
    changes
}

/// How the volume is started, when there is a kernel in it that QEMU can load.
fn boot(
    found: &Survey,
    kernel: Extracted,
    initrd: Extracted,
    notes: &mut Vec<String>,
) -> Result<Boot, VolumeError> {
    let Some(files) = &found.boot else {
        notes.push("there is no kernel in it: it can be started as a container only".to_owned());
        return Ok(Boot::None);
    };
    let mut head = [0; KERNEL_HEAD_BYTES];
    let complete = kernel.file.read_exact_at(&mut head, 0);
    match complete {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(volume::work_folder(&kernel.path, error)),
    }
    if !is_x86_kernel(&head) {
        notes.push(format!(
            "kernel {} is not for x86 (no bzImage): it can be started as a container only",
            files.version
        ));
        return Ok(Boot::None);
    }
    if files.initrd.is_none() {
        notes.push(format!(
            "kernel {} has no initial RAM disk: it must have its drivers (virtio_pci, virtio_blk, ext4) built in",
            files.version
        ));
    }
    // Without an initial RAM disk the kernel itself finds the root, and it knows no labels.
    let root = match files.initrd {
        Some(_) => format!("LABEL={SYSTEM_LABEL}"),
        None => "/dev/vda".to_owned(),
    };
    let home = match found.home_volume {
        true => format!(" {HOME_WORD}"),
        false => String::new(),
    };
    Ok(Boot::DirectKernel {
        kernel: kernel.path,
        initrd: files.initrd.map(|_| initrd.path),
        cmdline: format!("root={root} rootfstype=ext4 rw console=tty0 console=ttyS0{home}"),
    })
}

#[cfg(test)]
mod tests {
    use gobag_format::Silent;

    use super::*;

    #[test]
    fn attributes_on_a_folder_are_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("srv/shared");
        std::fs::create_dir_all(&shared).unwrap();
        let layers: Vec<Box<dyn Layer>> = vec![Box::new(FolderLayer::new(folder.path()))];
        let tree = || tree::build(&layers, false, survey::keep, &Silent).unwrap();
        refuse_attributes(&tree()).unwrap();
        let set = rustix::fs::setxattr(&shared, "user.gobag", b"kept", rustix::fs::XattrFlags::empty());
        if let Err(error) = set {
            println!("skipped: no extended attributes here: {error}");
            return;
        }
        let error = refuse_attributes(&tree()).unwrap_err();
        assert_eq!(error.code(), "import.attributes");
        assert!(error.to_string().contains("/srv/shared"), "{error}");
    }
}
