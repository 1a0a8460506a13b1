//! What `qemu-img info` answers, and whether an image that says so is taken.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{DiskFormat, ImageInfo, InfoError};
use crate::limits::DISK_BYTES;

/// The part of `qemu-img info --output=json` that matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Answer {
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

pub(super) fn judge(path: &Path, format: DiskFormat, answer: Answer) -> Result<ImageInfo, InfoError> {
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
