//! Facts about how well a computer is protected, as data. Part of [`crate::host::HostFacts`].
//!
//! Ages are counted when the facts are gathered, so that judging them needs no clock. What one part of a fact could not tell is
//! said inside of it (`Unknown`), not dropped: a computer of which half is known is not a computer that is half safe.

use serde::{Deserialize, Serialize};

/// Whether the firmware starts only what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecureBoot {
    /// It does.
    On,
    /// It could, and does not.
    Off,
    /// It waits for its keys, and so checks nothing.
    SetupMode,
    /// Only in part: macOS with reduced security.
    Reduced,
}

/// Yes, no, or why nobody can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Tristate {
    /// Yes.
    Yes,
    /// No.
    No,
    /// It could not be told.
    Unknown {
        /// Why, in words.
        reason: String,
    },
}

/// One place where data rests on this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// Where it is mounted (`/`, `C:`), or the device of a swap area.
    pub place: String,
    /// What it is for.
    pub role: StorageRole,
    /// Encrypted, with everything that lies under it?
    pub encrypted: Tristate,
    /// By what: `LUKS`, `BitLocker`, `FileVault`.
    pub by: Option<String>,
}

/// What a storage is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StorageRole {
    /// The system and people's files.
    Files,
    /// What starts the computer: usually plain, and holds no data of people.
    Boot,
    /// Memory that was moved out of the way.
    Swap,
    /// Something plugged in, our stick among it.
    Removable,
}

/// The kernel's confinement of programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Confinement {
    /// Active and enforced.
    Enforced {
        /// By what: `AppArmor`, `SELinux`, `System Integrity Protection`.
        by: String,
    },
    /// Loaded, and only complains.
    Permissive {
        /// By what.
        by: String,
    },
    /// None.
    None,
}

/// The firewall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// Which one, if there is any: `firewalld`, `ufw`, `nftables`, `Windows Firewall`.
    pub name: Option<String>,
    /// Was it set up to be on, in every network that is in use?
    pub configured: Tristate,
    /// Are its rules in force? Often only the administrator can see that.
    pub enforced: Tristate,
}

/// A program that protects the computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityProduct {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ProductKind,
    /// Does it run, all the parts that it needs?
    pub running: Tristate,
    /// Is it really the maker's, installed by an administrator, and not something with its name?
    pub genuine: Tristate,
    /// What it knows of malware; `NotApplicable` inside of [`Signatures`] for what needs none.
    pub signatures: Signatures,
}

/// What a protecting program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProductKind {
    /// Looks for known malware.
    Antivirus,
    /// Watches behaviour and reports to a company.
    Edr,
}

/// How old a malware scanner's knowledge is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Signatures {
    /// Of this age.
    Aged {
        /// Whole days since they were made.
        days: u32,
    },
    /// The system says that they are current, and no more.
    Current,
    /// The system says that they are not current.
    Outdated,
    /// There are none.
    Missing,
    /// It works without.
    NotApplicable,
    /// It could not be told.
    Unknown {
        /// Why, in words.
        reason: String,
    },
}

/// Updates of the operating system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updates {
    /// Whole days since it last looked for updates, or installed some; signatures of a malware scanner do not count.
    pub age_days: Option<u32>,
    /// Does it install security updates by itself?
    pub automatic: Tristate,
    /// Does it wait to be restarted?
    pub restart_pending: Tristate,
}

/// Which release of an operating system this is, for a table of ends of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// `debian`, `ubuntu`, `fedora`, `windows`, `macos`: the `ID` of os-release, in small letters.
    pub system: String,
    /// `12`, `24.04`, `10.0.19045.4651`: compared part by part as numbers.
    pub version: String,
}

/// What happens when nobody is at the computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenLock {
    /// Does it lock itself?
    pub locks: bool,
    /// After how long.
    pub after_s: Option<u32>,
}

/// The computer's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Is it kept right by a time server?
    pub synchronized: Tristate,
    /// Does it show a time before this program was made?
    pub before_release: bool,
}

/// The port and the medium that the stick is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StickPort {
    /// Speed of the port it is in, in Mbit/s (12, 480, 5,000, 10,000); `None` if it is not on USB.
    pub usb_mbit_per_s: Option<u32>,
    /// Measured sequential reading, past the caches.
    pub read_bytes_per_s: Option<u64>,
    /// Measured writing with a flush, in daily use's own pattern; `None` if nobody measured.
    pub write_bytes_per_s: Option<u64>,
    /// Does it hold what it claims to hold? Only a test of the whole medium tells.
    pub honest_capacity: Tristate,
    /// Errors that the system has counted for it since it was plugged in.
    pub io_errors: Option<u64>,
}

/// Where the power comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Power {
    /// Is it plugged in?
    pub on_mains: bool,
    /// What is left in the battery.
    pub battery_percent: Option<u8>,
}

/// What can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// No network.
    Offline,
    /// A network that wants a person to log in first.
    Captive,
    /// The internet; the company was not asked, or did not answer.
    Internet,
    /// The company answers.
    Company,
}
