//! The second reading of the layers: what the tree still refers to goes out as one tar stream, or as two when `/home`
//! is split off.
//!
//! Order of the output: all folders, parents first; then files in the order of the layers, each followed at once by
//! its other names as hard links. So a reader that unpacks it finds every folder before what is in it and every file
//! before its links. The second reading checks the digests again: a layer that changed in between is an error at its
//! end, and the caller throws the result away.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Write},
};

use gobag_format::Monitor;

use crate::{
    archive::TarWriter,
    entry::{Entry, EntryStream, Kind, Layer, Meta, ReadError},
    path::ImagePath,
    tree::{Found, InodeId, InodeKind, Tree},
};

const BUFFER_BYTES: usize = 256 << 10;

/// What shall differ between the tree and the output.
#[derive(Default)]
pub(crate) struct Changes<'a> {
    /// This folder becomes the root of the second stream and stays behind empty.
    pub(crate) split: Option<ImagePath>,
    /// Files whose content is replaced.
    pub(crate) replaced: HashMap<InodeId, Vec<u8>>,
    /// Files that are added; nothing is at their paths yet, and their folders exist.
    pub(crate) added: Vec<(ImagePath, Meta, Vec<u8>)>,
    /// Files whose content is also written here.
    pub(crate) copied: HashMap<InodeId, &'a File>,
}

/// Why flattening failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlattenError {
    /// The layers cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Whatever takes the result does not take it.
    #[error("cannot write the flattened image")]
    Output(#[source] io::Error),
}

impl FlattenError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(error) => error.code(),
            Self::Output(_) => "import.output",
        }
    }
}

/// Writes `tree`, whose content is in `layers`, to `system`, and the part that [`Changes::split`] names to `split`.
pub(crate) fn flatten(
    tree: &Tree,
    layers: &[Box<dyn Layer>],
    changes: &Changes<'_>,
    system: &mut dyn Write,
    split: Option<&mut dyn Write>,
    monitor: &dyn Monitor,
) -> Result<(), FlattenError> {
    let mut outputs = Outputs {
        folder: changes.split.clone(),
        system: TarWriter::new(system),
        split: split.map(TarWriter::new),
    };
    let mut names: BTreeMap<InodeId, Vec<ImagePath>> = BTreeMap::new();
    let mut result = Ok(());
    tree.walk(&mut |components, found| {
        if result.is_err() {
            return;
        }
        // The tree has normal paths only, so this cannot fail for a name in it.
        let Ok(path) = ImagePath::from_components(components.iter().copied()) else {
            return;
        };
        match found {
            Found::Folder(folder) => result = outputs.folder(&path, &folder.meta),
            Found::Inode(id) => names.entry(id).or_default().push(path),
        }
    });
    result.map_err(FlattenError::Output)?;
    for (path, meta, content) in &changes.added {
        let kind = file_kind(content);
        let mut open = outputs.begin(std::slice::from_ref(path), &kind, meta);
        open = open.and_then(|()| outputs.content(std::slice::from_ref(path), content));
        open.map_err(FlattenError::Output)?;
    }

    let mut wanted: HashMap<_, _> = names
        .into_iter()
        .map(|(id, paths)| (tree.inode(id).source, (id, paths)))
        .collect();
    for (number, layer) in layers.iter().enumerate() {
        let mut stream = layer.open(monitor)?;
        let mut index = 0;
        while let Some(entry) = stream.next_entry()? {
            let source = crate::tree::Source {
                layer: number,
                entry: index,
            };
            index += 1;
            if let Some((id, paths)) = wanted.remove(&source) {
                inode(tree, id, &paths, entry, stream.as_mut(), changes, &mut outputs)?;
            }
        }
        stream.finish()?;
        if let Some((_, paths)) = wanted
            .iter()
            .find(|(source, _)| source.layer == number)
            .map(|(_, wanted)| wanted)
        {
            return Err(changed(&paths[0]).into());
        }
    }
    outputs.finish().map_err(FlattenError::Output)
}

fn file_kind(content: &[u8]) -> Kind {
    let size_bytes = content.len() as u64;
    Kind::File {
        size_bytes,
        stored_bytes: size_bytes,
    }
}

fn changed(path: &ImagePath) -> ReadError {
    ReadError::Changed {
        path: path.to_string().into(),
    }
}

/// Passes one file, link or device on, with all its names.
fn inode(
    tree: &Tree,
    id: InodeId,
    paths: &[ImagePath],
    entry: Entry,
    stream: &mut dyn EntryStream,
    changes: &Changes<'_>,
    outputs: &mut Outputs<'_, '_>,
) -> Result<(), FlattenError> {
    if !is_same(&tree.inode(id).kind, &entry.kind) {
        return Err(changed(&paths[0]).into());
    }
    if let Some(content) = changes.replaced.get(&id) {
        outputs
            .begin(paths, &file_kind(content), &entry.meta)
            .and_then(|()| outputs.content(paths, content))
            .and_then(|()| outputs.links(paths, &entry.meta))
            .map_err(FlattenError::Output)?;
        return Ok(());
    }
    outputs
        .begin(paths, &entry.kind, &entry.meta)
        .map_err(FlattenError::Output)?;
    if let Kind::File { .. } = entry.kind {
        let mut copy = changes.copied.get(&id).copied();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = stream.read_content(&mut buffer)?;
            if read == 0 {
                break;
            }
            outputs
                .content(paths, &buffer[..read])
                .and_then(|()| match &mut copy {
                    Some(copy) => copy.write_all(&buffer[..read]),
                    None => Ok(()),
                })
                .map_err(FlattenError::Output)?;
        }
    }
    outputs.links(paths, &entry.meta).map_err(FlattenError::Output)
}

/// Whether the second reading found what the first one did.
fn is_same(first: &InodeKind, second: &Kind) -> bool {
    match (first, second) {
        (
            InodeKind::File {
                size_bytes: first, ..
            },
            Kind::File {
                size_bytes: second, ..
            },
        ) => first == second,
        (InodeKind::Symlink { target: first }, Kind::Symlink { target: second }) => **first == **second,
        (InodeKind::Special, Kind::Device { .. } | Kind::Fifo) => true,
        _ => false,
    }
}

/// The two streams, and which path goes where.
struct Outputs<'a, 'b> {
    folder: Option<ImagePath>,
    system: TarWriter<&'a mut dyn Write>,
    split: Option<TarWriter<&'b mut dyn Write>>,
}

impl Outputs<'_, '_> {
    /// The path in the second stream, when `path` belongs there.
    fn below(&self, path: &ImagePath) -> Option<ImagePath> {
        path.strip_prefix(self.folder.as_ref()?)
    }

    /// The names of an inode in each stream.
    fn sorted(&self, paths: &[ImagePath]) -> (Vec<ImagePath>, Vec<ImagePath>) {
        let (mut system, mut split) = (Vec::new(), Vec::new());
        for path in paths {
            match self.below(path) {
                Some(path) => split.push(path),
                None => system.push(path.clone()),
            }
        }
        (system, split)
    }

    fn folder(&mut self, path: &ImagePath, meta: &Meta) -> io::Result<()> {
        let below = self.below(path);
        let stays = below.as_ref().is_none_or(ImagePath::is_root);
        if stays {
            self.system.entry(path, &Kind::Folder, meta)?;
        }
        match (below, &mut self.split) {
            (Some(below), Some(split)) => split.entry(&below, &Kind::Folder, meta),
            _ => Ok(()),
        }
    }

    /// Writes the header of an inode under its first name in each stream that has one.
    fn begin(&mut self, paths: &[ImagePath], kind: &Kind, meta: &Meta) -> io::Result<()> {
        let (system, split) = self.sorted(paths);
        if let Some(path) = system.first() {
            self.system.entry(path, kind, meta)?;
        }
        match (split.first(), &mut self.split) {
            (Some(path), Some(output)) => output.entry(path, kind, meta),
            _ => Ok(()),
        }
    }

    fn content(&mut self, paths: &[ImagePath], bytes: &[u8]) -> io::Result<()> {
        let in_split = paths.iter().any(|path| self.below(path).is_some());
        let in_system = paths.iter().any(|path| self.below(path).is_none());
        if in_system {
            self.system.content(bytes)?;
        }
        match &mut self.split {
            Some(output) if in_split => output.content(bytes),
            _ => Ok(()),
        }
    }

    /// Writes the other names of the inode just written.
    fn links(&mut self, paths: &[ImagePath], meta: &Meta) -> io::Result<()> {
        let (system, split) = self.sorted(paths);
        links(&mut self.system, &system, meta)?;
        match &mut self.split {
            Some(output) => links(output, &split, meta),
            None => Ok(()),
        }
    }

    fn finish(self) -> io::Result<()> {
        self.system.finish()?;
        match self.split {
            Some(split) => split.finish(),
            None => Ok(()),
        }
    }
}

fn links(output: &mut TarWriter<&mut dyn Write>, paths: &[ImagePath], meta: &Meta) -> io::Result<()> {
    let Some((first, others)) = paths.split_first() else {
        return Ok(());
    };
    let kind = Kind::HardLink {
        target: first.clone(),
    };
    others.iter().try_for_each(|path| output.entry(path, &kind, meta))
}

#[cfg(test)]
mod tests;
