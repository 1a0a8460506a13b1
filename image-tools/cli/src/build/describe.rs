//! From what an import found to what a manifest says.

use std::{
    io,
    path::{Path, PathBuf},
};

use gobag_bundle::build::{ImageDescription, VolumeSource};
use gobag_checklists::{Mode, Requirements};
use gobag_format::{
    digest::Digest,
    ids::OrgId,
    manifest::{Boot, ContainerEntry, DirectKernel, Firmware, VolumeKind},
};
use gobag_import::Imported;
use gobag_term::{CliError, ExitCode};

use crate::error::{Explain, said};

const SYSTEM: &str = "system";
const HOME: &str = "home";
const KERNEL: &str = "boot.kernel";
const INITRD: &str = "boot.initrd";

/// A file of the import cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub(super) struct DescribeError {
    path: PathBuf,
    source: io::Error,
}

impl Explain for DescribeError {
    fn explain(self) -> CliError {
        CliError::new(ExitCode::Failed, "build.import-file", self)
    }
}

/// Nothing can be done with the image.
#[derive(Debug)]
pub(super) struct Unusable;

impl Explain for Unusable {
    fn explain(self) -> CliError {
        said(
            ExitCode::Failed,
            "build.unusable",
            "the source has neither something to boot nor an ext4 file system for a container",
        )
        .hint("name what it is with `--kind`, if its bytes mislead")
    }
}

/// How the image starts. Requirements that IT did not give follow from what was found.
pub(super) fn describe(
    imported: &Imported,
    requirements: Option<Requirements>,
) -> Result<ImageDescription, Unusable> {
    let (boot, container) = (boot(imported), container(imported));
    let can_boot = boot.firmware.is_some() || boot.kernel.is_some();
    if !can_boot && container.is_none() {
        return Err(Unusable);
    }
    let requirements = requirements.unwrap_or_else(|| {
        let vm = can_boot.then_some(Mode::Vm);
        let modes = vm
            .into_iter()
            .chain(container.is_some().then_some(Mode::Container));
        let architecture = imported
            .architecture
            .map_or("x86_64", rust_architecture)
            .to_owned();
        Requirements {
            modes: modes.collect(),
            architecture,
            ..Requirements::default()
        }
    });
    Ok(ImageDescription {
        boot,
        container,
        os_name: imported.os_name.clone(),
        requirements: serde_json::to_value(requirements).unwrap_or_default(),
        ..ImageDescription::default()
    })
}

fn boot(imported: &Imported) -> Boot {
    match &imported.boot {
        gobag_import::Boot::Firmware { uefi: true } => Boot {
            firmware: Some(Firmware::Uefi),
            kernel: None,
        },
        gobag_import::Boot::Firmware { uefi: false } => Boot {
            firmware: Some(Firmware::Bios),
            kernel: None,
        },
        gobag_import::Boot::DirectKernel { initrd, cmdline, .. } => Boot {
            firmware: None,
            kernel: Some(DirectKernel {
                kernel: KERNEL.to_owned(),
                initrd: initrd.as_ref().map(|_| INITRD.to_owned()),
                cmdline: cmdline.clone(),
            }),
        },
        gobag_import::Boot::None => Boot::default(),
    }
}

fn container(imported: &Imported) -> Option<ContainerEntry> {
    let place = imported.file_system?;
    let entry = imported.container.clone().unwrap_or_default();
    let given = |text: String| (!text.is_empty()).then_some(text);
    Some(ContainerEntry {
        volume: SYSTEM.to_owned(),
        file_system_offset_bytes: place.offset_bytes,
        file_system_size_bytes: place.size_bytes,
        command: [entry.entrypoint, entry.command].concat(),
        environment: entry.environment,
        folder: given(entry.working_dir),
        user: given(entry.user),
    })
}

/// The files that become volumes.
pub(super) fn volumes(imported: &Imported) -> Result<Vec<VolumeSource>, DescribeError> {
    let volume = |name: &str, kind, path: &Path, size_bytes| VolumeSource {
        name: name.to_owned(),
        kind,
        path: path.to_owned(),
        size_bytes,
    };
    let system = &imported.system;
    let mut volumes = vec![volume(SYSTEM, VolumeKind::Base, &system.path, system.size_bytes)];
    if let Some(home) = &imported.home_template {
        volumes.push(volume(
            HOME,
            VolumeKind::HomeTemplate,
            &home.path,
            home.size_bytes,
        ));
    }
    if let gobag_import::Boot::DirectKernel { kernel, initrd, .. } = &imported.boot {
        for (name, path) in [(KERNEL, Some(kernel)), (INITRD, initrd.as_ref())] {
            let Some(path) = path else { continue };
            let metadata = std::fs::metadata(path).map_err(|source| DescribeError {
                path: path.clone(),
                source,
            })?;
            volumes.push(volume(name, VolumeKind::Blob, path, metadata.len()));
        }
    }
    Ok(volumes)
}

/// The same for every version of an image: alike file systems have alike chunks. A UUID of version 8.
pub(super) fn volume_uuid(org: OrgId, image: &str, volume: &str) -> [u8; 16] {
    let digest = Digest::of(format!("gobag volume uuid\0{org}\0{image}\0{volume}").as_bytes());
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&digest.0[..16]);
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

/// From OCI's names to Rust's.
fn rust_architecture(oci: &str) -> &str {
    match oci {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "x86",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_differ_by_org_image_and_volume_and_are_well_formed() {
        let (a, b) = (OrgId([1; 16]), OrgId([2; 16]));
        let uuids = [
            volume_uuid(a, "x", SYSTEM),
            volume_uuid(a, "x", HOME),
            volume_uuid(a, "y", SYSTEM),
            volume_uuid(b, "x", SYSTEM),
        ];
        for (n, uuid) in uuids.iter().enumerate() {
            assert!(!uuids[..n].contains(uuid));
            assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (8, 2));
        }
        assert_eq!(uuids[0], volume_uuid(a, "x", SYSTEM));
    }
}
