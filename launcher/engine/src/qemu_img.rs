//! Other programs' disk images, through QEMU's own `qemu-img`.
//!
//! An image comes from somebody else, so it is never opened by QEMU before this module has looked at it itself: the
//! format is decided from the file's bytes and handed over explicitly, the name can only ever mean a local file
//! (`file.driver=file`), and an image that needs another one (backing file, data file, parent) is refused: it would be
//! incomplete without, and it could name any file of this computer as its content.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    limits::{DISK_BYTES, QEMU_IMG_INFO_DEADLINE},
    run::{Run, RunError},
    tools,
};

mod sniff;

/// A disk image format that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DiskFormat {
    /// The bytes of the disk and nothing else.
    Raw,
    /// QEMU's own, versions 2 and 3.
    Qcow2,
    /// VMware's, version 4, in one file or a descriptor with its extents beside it.
    Vmdk,
    /// Microsoft's older one (Virtual PC, Azure), fixed or dynamic.
    Vhd,
    /// Microsoft's newer one (Hyper-V).
    Vhdx,
    /// VirtualBox's.
    Vdi,
}

impl DiskFormat {
    /// The name of QEMU's driver for it.
    pub fn qemu_driver(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vpc",
            Self::Vhdx => "vhdx",
            Self::Vdi => "vdi",
        }
    }
}

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageInfo {
    /// Its format.
    pub format: DiskFormat,
    /// The size of the disk a guest sees, in bytes.
    pub virtual_size_bytes: u64,
    /// What the image file itself takes on its medium, in bytes.
    pub actual_size_bytes: u64,
    /// The image was not closed properly: its guest or QEMU was killed.
    pub dirty: bool,
    /// Further files that belong to it (the extents of a VMDK descriptor), all in its own folder.
    pub extents: Vec<PathBuf>,
}

/// Why an image cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InfoError {
    /// `qemu-img` is not installed.
    #[error(transparent)]
    NoTool(#[from] tools::NotFound),
    /// The file cannot be read.
    #[error("cannot read disk image {}", path.display())]
    Read {
        /// The image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The image is only a part: it needs another file that it names.
    #[error("disk image {} is not complete by itself: it needs {reference}", path.display())]
    NeedsOtherFile {
        /// The image.
        path: PathBuf,
        /// What it needs.
        reference: String,
    },
    /// A known but unsupported kind of image.
    #[error("disk image {} is of an unsupported kind: {what}", path.display())]
    Unsupported {
        /// The image.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// The disk is larger than any volume may be.
    #[error("disk image {} holds a disk of {size_bytes} bytes, more than {DISK_BYTES}", path.display())]
    TooLarge {
        /// The image.
        path: PathBuf,
        /// The size it claims.
        size_bytes: u64,
    },
    /// `qemu-img` could not make sense of the image.
    #[error("disk image {} is damaged or not understood", path.display())]
    Tool {
        /// The image.
        path: PathBuf,
        /// How the tool failed.
        source: RunError,
    },
    /// `qemu-img` answered with something that is not its documented JSON.
    #[error("the answer of qemu-img about {} is not understood", path.display())]
    Answer {
        /// The image.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl InfoError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTool(_) => "engine.tool-missing",
            Self::Read { .. } => "engine.image-unreadable",
            Self::NeedsOtherFile { .. } => "engine.image-needs-other-file",
            Self::Unsupported { .. } => "engine.image-unsupported",
            Self::TooLarge { .. } => "engine.image-too-large",
            Self::Tool { .. } => "engine.image-damaged",
            Self::Answer { .. } => "engine.image-answer",
        }
    }
}

/// Why an image cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// It cannot even be looked at, or is not what the caller took it for.
    #[error(transparent)]
    Info(#[from] InfoError),
    /// The image is of another format than the caller said.
    #[error("disk image {} is {found:?}, not {expected:?}", path.display())]
    OtherFormat {
        /// The image.
        path: PathBuf,
        /// What it is.
        found: DiskFormat,
        /// What the caller said.
        expected: DiskFormat,
    },
    /// The result cannot be put in place; something may be there already.
    #[error("cannot make {}", path.display())]
    Destination {
        /// The file to be made.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `qemu-img` failed, was cancelled, or ran out of space.
    #[error("cannot convert disk image {}", path.display())]
    Tool {
        /// The image.
        path: PathBuf,
        /// How the tool failed.
        source: RunError,
    },
}

impl ConvertError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Info(error) => error.code(),
            Self::OtherFormat { .. } => "engine.image-other-format",
            Self::Destination { .. } => "engine.convert-destination",
            Self::Tool {
                source: RunError::Cancelled { .. },
                ..
            } => "engine.convert-cancelled",
            Self::Tool { .. } => "engine.convert-failed",
        }
    }
}

/// Looks at the image at `path`: its format, found from its bytes, and its size.
pub fn info(path: &Path) -> Result<ImageInfo, InfoError> {
    let format = sniff::sniff(path)?;
    let program = tools::find("qemu-img", None)?;
    let output = Run::new(&program)
        .args(["info", "--output=json", "--image-opts"])
        .arg(image_options(path, format)?)
        .deadline(QEMU_IMG_INFO_DEADLINE)
        .success()
        .map_err(|source| InfoError::Tool {
            path: path.to_owned(),
            source,
        })?;
    let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|source| InfoError::Answer {
        path: path.to_owned(),
        source,
    })?;
    judge(path, format, answer)
}

/// Converts the image at `source` to the raw file `destination`, which must not exist yet; zeros become holes.
///
/// `on_progress` gets the part done, from 0 to 1. The destination appears under its name only when it is complete.
/// Returns what [`info`] says of the image.
pub fn convert_to_raw(
    source: &Path,
    format: DiskFormat,
    destination: &Path,
    on_progress: &mut dyn FnMut(f32),
    cancel: &dyn Fn() -> bool,
) -> Result<ImageInfo, ConvertError> {
    let info = info(source)?;
    if info.format != format {
        return Err(ConvertError::OtherFormat {
            path: source.to_owned(),
            found: info.format,
            expected: format,
        });
    }
    let program = tools::find("qemu-img", None).map_err(InfoError::from)?;
    let refused = |source| ConvertError::Destination {
        path: destination.to_owned(),
        source,
    };
    let destination = std::path::absolute(destination).map_err(refused)?;
    let folder = destination.parent().unwrap_or(Path::new("/"));
    let unfinished = tempfile::Builder::new()
        .prefix(".gobag-convert-")
        .tempfile_in(folder)
        .map_err(refused)?
        .into_temp_path();
    let mut progress = Progress::default();
    Run::new(&program)
        .args(["convert", "-p", "--image-opts"])
        .arg(image_options(source, format)?)
        // 4 KiB of zeros are already a hole; the destination's own driver is spelled out by the absolute path.
        .args(["-O", "raw", "-S", "4k"])
        .arg(&*unfinished)
        .on_stdout(&mut |piece| progress.take(piece, on_progress))
        .cancel(cancel)
        .success()
        .map_err(|error| ConvertError::Tool {
            path: source.to_owned(),
            source: error,
        })?;
    unfinished
        .persist_noclobber(&destination)
        .map_err(|error| refused(error.error))?;
    Ok(info)
}

/// The image as QEMU's driver options: nothing is left to probing, and commas in the name cannot add an option.
fn image_options(path: &Path, format: DiskFormat) -> Result<OsString, InfoError> {
    let path = std::path::absolute(path).map_err(|source| InfoError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut options = format!("driver={},file.driver=file,file.filename=", format.qemu_driver()).into_bytes();
    for &byte in path.as_os_str().as_bytes() {
        if byte == b',' {
            options.push(b',');
        }
        options.push(byte);
    }
    Ok(OsString::from_vec(options))
}

/// The part of `qemu-img info --output=json` that matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Answer {
    virtual_size: u64,
    #[serde(default)]
    actual_size: u64,
    #[serde(default)]
    dirty_flag: bool,
    backing_filename: Option<String>,
    format_specific: Option<FormatSpecific>,
}

#[derive(Debug, Deserialize)]
struct FormatSpecific {
    data: Option<FormatData>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct FormatData {
    data_file: Option<String>,
    #[serde(default)]
    corrupt: bool,
    #[serde(default)]
    extents: Vec<Extent>,
}

#[derive(Debug, Deserialize)]
struct Extent {
    filename: PathBuf,
}

fn judge(path: &Path, format: DiskFormat, answer: Answer) -> Result<ImageInfo, InfoError> {
    let refused = |reference: String| InfoError::NeedsOtherFile {
        path: path.to_owned(),
        reference,
    };
    if let Some(name) = answer.backing_filename {
        return Err(refused(format!("backing file `{name}`")));
    }
    if answer.virtual_size > DISK_BYTES {
        return Err(InfoError::TooLarge {
            path: path.to_owned(),
            size_bytes: answer.virtual_size,
        });
    }
    let mut extents = Vec::new();
    let mut dirty = answer.dirty_flag;
    if let Some(data) = answer.format_specific.and_then(|specific| specific.data) {
        if let Some(name) = data.data_file {
            return Err(refused(format!("data file `{name}`")));
        }
        dirty |= data.corrupt;
        extents = data.extents.into_iter().map(|extent| extent.filename).collect();
    }
    let own_name = path.file_name();
    extents.retain(|extent| extent.file_name() != own_name);
    for extent in &extents {
        if !is_beside(extent, path) {
            return Err(refused(format!("extent `{}`", extent.display())));
        }
    }
    Ok(ImageInfo {
        format,
        virtual_size_bytes: answer.virtual_size,
        actual_size_bytes: answer.actual_size,
        dirty,
        extents,
    })
}

/// Whether `extent` is a regular file (not a link to one) in the folder of `image`.
fn is_beside(extent: &Path, image: &Path) -> bool {
    let folder = |path: &Path| std::path::absolute(path).ok()?.parent().map(Path::to_owned);
    folder(extent) == folder(image) && fs::symlink_metadata(extent).is_ok_and(|found| found.is_file())
}

/// Reads `    (12.34/100%)\r` from the pieces of a tool's output.
#[derive(Default)]
struct Progress {
    line: Vec<u8>,
}

impl Progress {
    const LINE_BYTES: usize = 256;

    fn take(&mut self, piece: &[u8], on_progress: &mut dyn FnMut(f32)) {
        for &byte in piece {
            if matches!(byte, b'\r' | b'\n') {
                if let Some(percent) = percent(&self.line) {
                    on_progress((percent / 100.0).clamp(0.0, 1.0));
                }
                self.line.clear();
            } else if self.line.len() < Self::LINE_BYTES {
                self.line.push(byte);
            }
        }
    }
}

fn percent(line: &[u8]) -> Option<f32> {
    let line = OsStr::from_bytes(line).to_str()?.trim();
    line.strip_prefix('(')?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests;
