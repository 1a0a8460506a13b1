//! What the queries answer on Windows: small JSON documents, so that the parsers run, and are tested, anywhere.
//!
//! Numbers are kept as Windows gives them, without a meaning: what they mean is the parsers' business, and a number that no
//! parser knows must reach it. Nothing here names a person: no account, no computer name, no path in a user's folder
//! (`live` leaves those out before they get here).
//!
//! A field that is absent was not looked at, or has no value. Text that Windows translates is never compared.

use serde::{Deserialize, Serialize};

/// [`Version`].
pub(crate) const VERSION: &str = "windows.version";
/// [`Health`].
pub(crate) const HEALTH: &str = "wsc.health";
/// [`Products`] that look for malware, as Security Center's own interface lists them.
pub(crate) const ANTIVIRUS: &str = "wsc.antivirus";
/// [`Products`] that are firewalls, from the same.
pub(crate) const FIREWALLS: &str = "wsc.firewalls";
/// [`WmiProducts`]: the same through WMI, where the interface does not answer.
pub(crate) const WMI_ANTIVIRUS: &str = "wmi.antivirus";
/// [`Defender`].
pub(crate) const DEFENDER: &str = "wmi.defender";
/// [`Services`].
pub(crate) const SERVICES: &str = "services";
/// [`Profiles`].
pub(crate) const FIREWALL_PROFILES: &str = "firewall.profiles";
/// [`Volumes`].
pub(crate) const VOLUMES: &str = "volumes.protection";
/// [`SecureBootState`].
pub(crate) const SECURE_BOOT: &str = "secure-boot";
/// [`Tpm`].
#[cfg(any(windows, test))]
pub(crate) const TPM: &str = "tpm";
/// [`Hypervisor`].
#[cfg(any(windows, test))]
pub(crate) const HYPERVISOR: &str = "hypervisor";
/// [`History`].
pub(crate) const UPDATE_HISTORY: &str = "updates.history";
/// [`UpdateSettings`].
pub(crate) const UPDATE_SETTINGS: &str = "updates.settings";
/// [`PowerStatus`].
pub(crate) const POWER: &str = "power";
/// [`ScreenSaver`].
pub(crate) const SCREEN: &str = "screen";

/// `RtlGetVersion`, and from the registry what it leaves out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    /// `10.0.19045`.
    pub(crate) version: String,
    /// The number of the last cumulative update (`UBR`).
    pub(crate) revision: Option<u32>,
    /// `Windows 10 Home`, `22H2`.
    pub(crate) name: Option<String>,
    /// 1 workstation, 2 domain controller, 3 server.
    pub(crate) product_type: i64,
}

/// `WscGetSecurityProviderHealth` for each provider.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Health {
    pub(crate) antivirus: Option<ProviderHealth>,
    pub(crate) firewall: Option<ProviderHealth>,
    pub(crate) updates: Option<ProviderHealth>,
}

/// One answer of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ProviderHealth {
    /// 0 is `S_OK`; 1, `S_FALSE`, that the service does not run.
    pub(crate) result: i64,
    /// 0 good, 1 not monitored, 2 poor, 3 snoozed; says nothing unless `result` is 0.
    pub(crate) health: Option<i64>,
}

/// `IWSCProductList` of one provider.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Products {
    /// 0 is `S_OK`.
    pub(crate) result: i64,
    #[serde(default)]
    pub(crate) products: Vec<Listed>,
}

/// `IWscProduct`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// 0 on, 1 off, 2 snoozed, 3 expired.
    pub(crate) state: i64,
    /// 0 out of date, 1 up to date.
    pub(crate) signatures: Option<i64>,
    /// When the product said so, in the words of RFC 2822.
    pub(crate) since: Option<String>,
    /// Who signed the program it names as its own.
    pub(crate) signature: Option<Signature>,
}

/// Whether a program file is signed, by `WinVerifyTrust`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Signature {
    /// `valid`, `unsigned`, `invalid`, `unreadable`.
    pub(crate) status: String,
    /// The name in the signer's certificate.
    pub(crate) signer: Option<String>,
}

/// Instances of `AntiVirusProduct` in `root\SecurityCenter2`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WmiProducts {
    pub(crate) products: Vec<WmiProduct>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WmiProduct {
    pub(crate) name: String,
    /// `productState`.
    pub(crate) state: i64,
    /// `timestamp`.
    pub(crate) since: Option<String>,
    /// Of `pathToSignedReportingExe`.
    pub(crate) signature: Option<Signature>,
}

/// `MSFT_MpComputerStatus`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Defender {
    /// `AMServiceEnabled`.
    pub(crate) service: bool,
    /// `AntivirusEnabled`.
    pub(crate) antivirus: bool,
    /// `RealTimeProtectionEnabled`.
    pub(crate) real_time: bool,
    /// `AntivirusSignatureAge` in days; 65535 and more for never.
    pub(crate) signature_age_days: Option<i64>,
    /// `AMRunningMode`.
    pub(crate) mode: Option<String>,
}

/// Those services that are looked for and exist.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Services {
    pub(crate) services: Vec<Service>,
}

/// One service, from the service control manager.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// 4 is running.
    pub(crate) state: i64,
    /// 2 automatic, 3 manual, 4 disabled.
    pub(crate) start: Option<i64>,
    /// Of the program it runs; absent where nobody looked.
    pub(crate) signature: Option<Signature>,
}

/// `INetFwPolicy2`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Profiles {
    /// `CurrentProfileTypes`: 1 domain, 2 private, 4 public, added up.
    pub(crate) current: i64,
    /// `FirewallEnabled` of each profile that was asked.
    #[serde(default)]
    pub(crate) enabled: Vec<ProfileEnabled>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProfileEnabled {
    pub(crate) profile: i64,
    pub(crate) enabled: bool,
}

/// Every drive letter, and the shell's word on it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Volumes {
    pub(crate) volumes: Vec<Volume>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Volume {
    /// `C:`, or a folder that a volume is mounted in, by its number only.
    pub(crate) place: String,
    /// `GetDriveType`: 2 removable, 3 fixed, 4 remote, 5 optical, 6 in memory.
    pub(crate) drive_type: i64,
    /// `System.Volume.BitLockerProtection`, as it was written.
    pub(crate) protection: Option<String>,
}

/// The registry's word on Secure Boot, and `PEFirmwareType`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SecureBootState {
    /// Is there `HKLM\SYSTEM\CurrentControlSet\Control\SecureBoot\State`?
    pub(crate) key: bool,
    /// `UEFISecureBootEnabled` in it.
    pub(crate) enabled: Option<i64>,
    /// 1 BIOS, 2 UEFI.
    pub(crate) firmware: Option<i64>,
}

/// `Tbsi_GetDeviceInfo`.
#[cfg(any(windows, test))]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tpm {
    /// 0 is success; 0x8028400F that there is none.
    pub(crate) result: i64,
    /// 1 for version 1.2, 2 for version 2.0.
    pub(crate) version: Option<i64>,
}

/// `WHvGetCapability(WHvCapabilityCodeHypervisorPresent)`.
#[cfg(any(windows, test))]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hypervisor {
    /// Is there a `WinHvPlatform.dll`?
    pub(crate) library: bool,
    /// 0 is `S_OK`.
    pub(crate) result: Option<i64>,
    pub(crate) present: Option<bool>,
}

/// `IUpdateSearcher::QueryHistory`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) entries: Vec<HistoryEntry>,
}

/// `IUpdateHistoryEntry2`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HistoryEntry {
    pub(crate) title: String,
    /// Seconds since 1970 UTC.
    pub(crate) date_s: i64,
    /// 1 installed, 2 taken away.
    pub(crate) operation: i64,
    /// 2 succeeded, 3 succeeded with errors.
    pub(crate) result: i64,
    /// `CategoryID` of each category.
    #[serde(default)]
    pub(crate) categories: Vec<String>,
}

/// What decides whether updates come by themselves.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UpdateSettings {
    /// The policy `NoAutoUpdate`.
    pub(crate) no_auto_update: Option<i64>,
    /// `ISystemInformation::RebootRequired`.
    pub(crate) restart_required: Option<bool>,
}

/// `GetSystemPowerStatus`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PowerStatus {
    /// 0 battery, 1 mains, 255 unknown.
    pub(crate) mains: i64,
    /// 128 says that there is no battery, 255 unknown.
    pub(crate) flags: i64,
    /// 255 unknown.
    pub(crate) percent: i64,
}

/// The screen saver of this user, and the policy that locks the computer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ScreenSaver {
    /// `SPI_GETSCREENSAVEACTIVE`.
    pub(crate) active: bool,
    /// `SPI_GETSCREENSAVESECURE`.
    pub(crate) secure: bool,
    /// `SPI_GETSCREENSAVETIMEOUT`.
    pub(crate) timeout_s: i64,
    /// `InactivityTimeoutSecs`; 0 is none.
    pub(crate) policy_timeout_s: Option<i64>,
}
