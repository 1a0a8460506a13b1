//! How an image starts as a virtual machine, by what its manifest says.

use super::{DirectKernel, Firmware, Manifest};

/// The guest's `/etc/fstab` waits for the home volume (`docs/format/base.md`).
const HOME_WORD: &str = "gobag.home";
/// What systemd takes to leave a mount alone.
const NO_HOME: &str = "systemd.mask=home.mount";

/// How an image starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootWay {
    /// Its kernel is loaded by the hypervisor.
    Kernel,
    /// Its disk's boot loader, started by PC firmware.
    Bios,
    /// Its disk's boot loader, started by UEFI.
    Uefi,
}

impl Manifest {
    /// How this image starts; `None` if this version knows no way.
    pub fn boot_way(&self) -> Option<BootWay> {
        match (&self.boot.kernel, self.boot.firmware) {
            (Some(_), _) => Some(BootWay::Kernel),
            (None, Some(Firmware::Uefi)) => Some(BootWay::Uefi),
            // A disk without a word about its boot loader is most likely an old one.
            (None, Some(Firmware::Bios) | None) => Some(BootWay::Bios),
            (None, Some(Firmware::Unknown)) => None,
        }
    }

    /// Whether its system is Windows, which wants its clock in local time and has no drivers for virtual hardware unless somebody
    /// installed them.
    pub fn is_windows(&self) -> bool {
        let name = self.os_name.as_deref().unwrap_or_default();
        name.to_ascii_lowercase().contains("windows")
    }
}

impl DirectKernel {
    /// The kernel's words. A guest that waits for a home volume, where there is none, is told not to.
    pub fn words(&self, has_home: bool) -> String {
        let mut words = self.cmdline.split_ascii_whitespace();
        match words.any(|word| word == HOME_WORD) && !has_home {
            true => format!("{} {NO_HOME}", self.cmdline),
            false => self.cmdline.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_waits_for_a_home_volume_only_where_there_is_one() {
        let words = |cmdline: &str, has_home| {
            let kernel = DirectKernel {
                kernel: String::new(),
                initrd: None,
                cmdline: cmdline.to_owned(),
            };
            kernel.words(has_home)
        };
        let waits = "root=LABEL=x gobag.home";
        assert_eq!(words(waits, true), waits);
        assert_eq!(words(waits, false), format!("{waits} systemd.mask=home.mount"));
        for other in ["root=LABEL=x", "root=LABEL=x gobag.homes", ""] {
            assert_eq!(words(other, false), other);
        }
    }
}
