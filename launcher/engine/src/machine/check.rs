//! Whether a machine can be built as it is described.
//!
//! A spec comes from a signed manifest, but what is written into QEMU's arguments is still held to a form that cannot
//! mean something else there.

use std::path::{Path, PathBuf};

use super::{DiskBus, DiskSource, MachineSpec, Network, agent_socket};
use crate::limits::{MACHINE_CORES, MACHINE_DISKS, MACHINE_MEMORY_MIB, UNIX_PATH_BYTES};

/// A machine that cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Too few or too many of something.
    #[error("{value} {what} are not possible, the machine takes {least} to {most}")]
    Range {
        /// Of what.
        what: &'static str,
        /// How many were asked for.
        value: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A text that would not reach QEMU or the guest unchanged.
    #[error("{what} `{value}` is not of the form {form}")]
    Form {
        /// What it names.
        what: &'static str,
        /// The text.
        value: String,
        /// What would be right.
        form: &'static str,
    },
    /// Two disks with one serial number.
    #[error("two disks have the serial number `{serial}`")]
    SameSerial {
        /// The serial number.
        serial: String,
    },
    /// A SATA disk that refuses writes, which SATA disks cannot.
    #[error("disk `{serial}` cannot be read-only on SATA")]
    ReadOnlySata {
        /// The disk's serial number.
        serial: String,
    },
    /// The runtime folder's name is too long for sockets in it.
    #[error("the name of the runtime folder is too long for a socket in it: {}", folder.display())]
    FolderName {
        /// The folder.
        folder: PathBuf,
    },
}

impl SpecError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Range { .. } => "engine.machine-range",
            Self::Form { .. } => "engine.machine-form",
            Self::SameSerial { .. } => "engine.machine-same-serial",
            Self::ReadOnlySata { .. } => "engine.machine-read-only-sata",
            Self::FolderName { .. } => "engine.machine-folder-name",
        }
    }
}

impl MachineSpec {
    /// Whether this machine can be built with its sockets in `folder`.
    pub fn check(&self, folder: &Path) -> Result<(), SpecError> {
        let range = |what, value: u64, (least, most)| match value {
            value if (least..=most).contains(&value) => Ok(()),
            value => Err(SpecError::Range {
                what,
                value,
                least,
                most,
            }),
        };
        range("cores", self.cores.into(), MACHINE_CORES)?;
        range("MiB of memory", self.memory_mib.into(), MACHINE_MEMORY_MIB)?;
        range("disks", self.disks.len() as u64, (0, MACHINE_DISKS))?;
        form("machine type", &self.machine_type, is_word, "pc-q35-7.2")?;
        form("machine id", &self.uuid, is_uuid, "8-4-4-4-12 hex digits")?;
        if let Network::User { mac, .. } = &self.network {
            form("network address", mac, is_mac, "52:54:00:xx:xx:xx")?;
        }
        for (index, disk) in self.disks.iter().enumerate() {
            let shape = "up to 20 letters, digits and `-`, beginning with a letter";
            form("disk serial number", &disk.serial, is_serial, shape)?;
            if let DiskSource::Socket { path, export } = &disk.source {
                form("export", export, is_export, "up to 255 visible letters")?;
                if path.as_os_str().len() > UNIX_PATH_BYTES {
                    return Err(SpecError::FolderName { folder: path.clone() });
                }
            }
            if self.disks[..index].iter().any(|d| d.serial == disk.serial) {
                return Err(SpecError::SameSerial {
                    serial: disk.serial.clone(),
                });
            }
        }
        if let Some(disk) = self
            .disks
            .iter()
            .find(|disk| disk.read_only && disk.bus == DiskBus::Sata)
        {
            return Err(SpecError::ReadOnlySata {
                serial: disk.serial.clone(),
            });
        }
        if agent_socket(folder).as_os_str().len() > UNIX_PATH_BYTES {
            return Err(SpecError::FolderName {
                folder: folder.to_owned(),
            });
        }
        Ok(())
    }
}

fn form(
    what: &'static str,
    value: &str,
    is_good: fn(&str) -> bool,
    form: &'static str,
) -> Result<(), SpecError> {
    if is_good(value) {
        return Ok(());
    }
    Err(SpecError::Form {
        what,
        value: value.to_owned(),
        form,
    })
}

fn is_word(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    !text.is_empty() && text.len() <= 64 && text.chars().all(is_good)
}

fn is_serial(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.len() <= 20 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_good)
}

fn is_export(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control)
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn is_mac(text: &str) -> bool {
    let is_byte = |part: &str| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit());
    // The second bit of the first byte marks an address given locally, the first one a group.
    let is_ours = |text: &str| u8::from_str_radix(&text[..2], 16).is_ok_and(|byte| byte & 0b11 == 0b10);
    text.split(':').count() == 6 && text.split(':').all(is_byte) && is_ours(text)
}
