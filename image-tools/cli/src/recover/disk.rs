//! `gobag-image recover disk`: a volume of a lost stick as a disk file.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use gobag_bundle::{Volume, VolumeError};
use gobag_engine::qemu_img::{DiskFormat, convert_from_raw};
use gobag_format::{Monitor as _, ids::VolumeId, limits::CHUNK_LEN, replica::HeadVolume};
use gobag_replica::{ReplicaVolume, restore};
use gobag_term::{CliError, ExitCode, Ui, human};
use serde::Serialize;

use super::{Found, FromArgs, Lost, WhenArgs, time};
use crate::{
    error::{OrExplain, said, unusable},
    progress::Progress,
};

/// Bring a volume of a lost stick back as a disk file
///
/// `home` is the person's data; a system volume has the name of its image, and needs that version in the repository.
#[derive(Debug, clap::Args)]
pub(super) struct DiskArgs {
    #[command(flatten)]
    from: FromArgs,
    /// The volume: `home`, or the name of an image
    #[arg(long, value_name = "NAME", default_value = "home")]
    volume: String,
    /// The file to write; it must not exist yet
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Its format
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    when: WhenArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The bytes as they are, with holes
    #[default]
    Raw,
    /// QEMU's
    Qcow2,
    /// VMware's
    Vmdk,
}

#[derive(Serialize)]
struct DiskReport {
    output: PathBuf,
    size_bytes: u64,
    generation: u64,
    time_s: u64,
    time_local: String,
    time_utc: String,
}

pub(super) fn disk(args: &DiskArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    if args.output.symlink_metadata().is_ok() {
        let text = format!("{} is there already", args.output.display());
        return Err(said(ExitCode::Usage, "recover.output", text).hint("name a file that does not exist yet"));
    }
    let found = Lost::open(&args.from, ui)?.view(&args.when, ui)?;
    let volume = named(&found, &args.volume)?;
    let size_bytes = volume.size_bytes;
    let progress = Progress::new(ui);
    let failed = |error: &io::Error| unusable("recover.output", "write", &args.output, error);
    let folder = args
        .output
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let unfinished = tempfile::Builder::new()
        .prefix(".gobag-recover-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(|error| failed(&error))?;
    write(&found, &volume, unfinished.as_file(), &progress, &failed)?;
    match args.format {
        Format::Raw => {
            unfinished
                .persist_noclobber(&args.output)
                .map_err(|error| failed(&error.error))?;
        }
        Format::Qcow2 => convert(unfinished.path(), DiskFormat::Qcow2, args, &progress)?,
        Format::Vmdk => convert(unfinished.path(), DiskFormat::Vmdk, args, &progress)?,
    }
    progress.finish();
    let (time_local, time_utc) = time::both(found.point.time_s);
    let report = DiskReport {
        output: args.output.clone(),
        size_bytes,
        generation: found.point.generation,
        time_s: found.point.time_s,
        time_local,
        time_utc,
    };
    ui.answer(&report, |report| {
        format!(
            "{} ({}), as it was at {} ({}).\n",
            report.output.display(),
            human::bytes(report.size_bytes),
            report.time_local,
            report.time_utc
        )
    })?;
    Ok(ExitCode::Ok)
}

/// A volume of the point by its name.
fn named(found: &Found, wanted: &str) -> Result<HeadVolume, CliError> {
    let volumes = found.volumes();
    let named = volumes.iter().find(|(name, _)| name == wanted);
    named.map(|(_, volume)| volume.clone()).ok_or_else(|| {
        let names: Vec<_> = volumes
            .iter()
            .map(|(name, _)| format!("`{}`", human::printable(name)))
            .collect();
        let text = format!("the stick had no volume `{wanted}`");
        said(ExitCode::Usage, "recover.volume", text).hint(format!("it had {}", names.join(", ")))
    })
}

/// A volume of the point, over its base.
pub(super) fn served(
    found: &Found,
    id: VolumeId,
    base: Option<Arc<dyn gobag_bundle::store::Base>>,
) -> Result<ReplicaVolume<gobag_replica::Archived>, CliError> {
    ReplicaVolume::new(Arc::clone(&found.view), id, base)
        .ok_or_else(|| said(ExitCode::Failed, "recover.volume", "the stick had no such volume"))
}

/// Writes a volume into a new file: what lies below it, then what the stick changed. Zeros become holes.
fn write(
    found: &Found,
    volume: &HeadVolume,
    file: &File,
    progress: &Progress,
    failed: &impl Fn(&io::Error) -> CliError,
) -> Result<(), CliError> {
    file.set_len(volume.size_bytes).map_err(|error| failed(&error))?;
    let disk = Disk {
        file,
        size_bytes: volume.size_bytes,
    };
    if let Some(base) = found.base(volume)? {
        progress.phase("writing what lies below", Some(volume.size_bytes));
        let mut chunk = vec![0; CHUNK_LEN];
        for offset in (0..volume.size_bytes).step_by(CHUNK_LEN) {
            if progress.is_cancelled() {
                return Err(stopped());
            }
            let part = &mut chunk[..(volume.size_bytes - offset).min(CHUNK_LEN as u64) as usize];
            base.read_at(offset, part).or_explain()?;
            if part.iter().any(|byte| *byte != 0) {
                disk.write_at(offset, part).or_explain()?;
            }
            progress.advance(part.len() as u64);
        }
    }
    let place = |id: VolumeId| (id == volume.id).then_some(&disk as &dyn Volume);
    restore(&found.view, place, progress).or_explain()?;
    file.sync_all().map_err(|error| failed(&error))
}

fn stopped() -> CliError {
    said(
        ExitCode::Interrupted,
        "recover.cancelled",
        "stopped; nothing is left of the file",
    )
}

/// A raw disk in a file.
struct Disk<'a> {
    file: &'a File,
    size_bytes: u64,
}

impl Volume for Disk<'_> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        self.file
            .read_exact_at(buffer, offset)
            .map_err(VolumeError::Medium)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
        self.file.write_all_at(data, offset).map_err(VolumeError::Medium)
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.file.sync_data().map_err(VolumeError::Medium)
    }

    fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        let zeros = vec![0; CHUNK_LEN];
        for at in (offset..offset + len).step_by(CHUNK_LEN) {
            let part = (offset + len - at).min(CHUNK_LEN as u64) as usize;
            self.write_at(at, &zeros[..part])?;
        }
        Ok(())
    }
}

fn convert(raw: &Path, format: DiskFormat, args: &DiskArgs, progress: &Progress) -> Result<(), CliError> {
    const PARTS: f32 = 1e6;
    progress.phase("converting", Some(PARTS as u64));
    let mut told = 0.0;
    let mut tell = |part: f32| {
        progress.advance(((part - told) * PARTS) as u64);
        told = part.max(told);
    };
    convert_from_raw(raw, &args.output, format, &mut tell, &|| progress.is_cancelled()).or_explain()
}
