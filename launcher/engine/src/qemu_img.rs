//! Other programs' disk images, through QEMU's own `qemu-img`.
//!
//! An image comes from somebody else, so it is never opened by QEMU before this module has looked at it itself: the
//! format is decided from the file's bytes and handed over explicitly, the name can only ever mean a local file
//! (`file.driver=file`), and an image that needs another one (backing file, data file, parent) is refused: it would be
//! incomplete without, and it could name any file of this computer as its content.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{limits::QEMU_IMG_INFO_DEADLINE, run::Run, tools};

mod answer;
mod error;
mod sniff;

use answer::{Answer, judge};
pub use error::{ConvertError, InfoError};

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
    convert(source, format, destination, DiskFormat::Raw, on_progress, cancel)?;
    Ok(info)
}

/// Converts the raw file `source`, our own, to an image at `destination`, which must not exist yet.
///
/// `on_progress` and the destination are as for [`convert_to_raw`].
pub fn convert_from_raw(
    source: &Path,
    destination: &Path,
    format: DiskFormat,
    on_progress: &mut dyn FnMut(f32),
    cancel: &dyn Fn() -> bool,
) -> Result<(), ConvertError> {
    convert(source, DiskFormat::Raw, destination, format, on_progress, cancel)
}

fn convert(
    source: &Path,
    from: DiskFormat,
    destination: &Path,
    to: DiskFormat,
    on_progress: &mut dyn FnMut(f32),
    cancel: &dyn Fn() -> bool,
) -> Result<(), ConvertError> {
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
        .arg(image_options(source, from)?)
        // 4 KiB of zeros are already a hole; the destination's own driver is spelled out by the absolute path.
        .args(["-O", to.qemu_driver(), "-S", "4k"])
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
    Ok(())
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
