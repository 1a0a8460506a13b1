//! The version, drives, Secure Boot, TPM, hypervisor, updates, power and screen.

use std::ffi::c_void;

use windows::Win32::Foundation::PROPERTYKEY;
use windows::Win32::Storage::FileSystem::{
    FindFirstVolumeW, FindNextVolumeW, FindVolumeClose, GetDriveTypeW, GetLogicalDrives,
    GetVolumePathNamesForVolumeNameW,
};
use windows::Win32::System::Com::StructuredStorage::PropVariantToInt32;
use windows::Win32::System::Power::{GetSystemPowerStatus, SYSTEM_POWER_STATUS};
use windows::Win32::System::SystemInformation::OSVERSIONINFOEXW;
use windows::Win32::System::TpmBaseServices::TPM_DEVICE_INFO;
use windows::Win32::System::UpdateAgent::{
    ISystemInformation, IUpdateHistoryEntry, IUpdateHistoryEntry2, IUpdateSearcher, SystemInformation,
    UpdateSearcher,
};
use windows::Win32::UI::Shell::PropertiesSystem::PSGetPropertyKeyFromName;
use windows::Win32::UI::Shell::{IShellItem2, SHCreateItemFromParsingName};
use windows::Win32::UI::WindowsAndMessaging::{
    SPI_GETSCREENSAVEACTIVE, SPI_GETSCREENSAVESECURE, SPI_GETSCREENSAVETIMEOUT,
    SYSTEM_PARAMETERS_INFO_ACTION, SYSTEM_PARAMETERS_INFO_UPDATE_FLAGS, SystemParametersInfoW,
};
use windows::core::{HRESULT, HSTRING, Interface, w};
use windows_registry::{Key, LOCAL_MACHINE};

use super::com::{Com, function, library};
use super::{Refused, Result};
use crate::windows::documents::{
    History, HistoryEntry, Hypervisor, PowerStatus, ScreenSaver, SecureBootState, Tpm, UpdateSettings,
    Version, Volume, Volumes,
};

const CURRENT_VERSION: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const SECURE_BOOT: &str = r"SYSTEM\CurrentControlSet\Control\SecureBoot\State";
const CONTROL: &str = r"SYSTEM\CurrentControlSet\Control";
const UPDATE_POLICY: &str = r"SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU";
const SYSTEM_POLICY: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System";

pub(super) fn version() -> Result<Version> {
    type GetVersion = unsafe extern "system" fn(*mut OSVERSIONINFOEXW) -> i32;
    let mut info = OSVERSIONINFOEXW {
        dwOSVersionInfoSize: size_of::<OSVERSIONINFOEXW>() as u32,
        ..Default::default()
    };
    let found = function(library("ntdll.dll")?, b"RtlGetVersion\0")?;
    // SAFETY: this is the documented type of the function of that name.
    let get: GetVersion = unsafe { std::mem::transmute(found) };
    // SAFETY: the structure says its size, and lives through the call. It cannot fail.
    unsafe { get(&raw mut info) };
    let key = LOCAL_MACHINE.open(CURRENT_VERSION).ok();
    let text = |name: &str| key.as_ref()?.get_string(name).ok();
    let build = info.dwBuildNumber;
    let product = text("ProductName").map(|name| match build {
        // Windows 11 still calls itself 10 there.
        22_000.. => name.replace("Windows 10", "Windows 11"),
        _ => name,
    });
    let name = product.map(|name| match text("DisplayVersion") {
        Some(release) => format!("{name} {release}"),
        None => name,
    });
    Ok(Version {
        version: format!("{}.{}.{build}", info.dwMajorVersion, info.dwMinorVersion),
        revision: key.as_ref().and_then(|key| key.get_u32("UBR").ok()),
        name,
        product_type: info.wProductType.into(),
    })
}

pub(super) fn volumes() -> Result<Volumes> {
    /// `GetDriveType`: removable and fixed.
    const ASKED: [u32; 2] = [2, 3];
    let _com = Com::start();
    // SAFETY: it has no arguments.
    let letters = unsafe { GetLogicalDrives() };
    let mut volumes = Vec::new();
    for (bit, letter) in ('A'..='Z').enumerate() {
        if letters & (1 << bit) == 0 {
            continue;
        }
        let root = HSTRING::from(format!("{letter}:\\"));
        // SAFETY: the text lives through the call.
        let drive_type = unsafe { GetDriveTypeW(&root) };
        let protection = ASKED
            .contains(&drive_type)
            .then(|| protection(&root).ok())
            .flatten();
        volumes.push(Volume {
            place: format!("{letter}:"),
            drive_type: drive_type.into(),
            protection,
        });
    }
    for number in 1..=mounted_folders() {
        volumes.push(Volume {
            place: format!("mounted folder {number}"),
            drive_type: 3,
            protection: None,
        });
    }
    Ok(Volumes { volumes })
}

/// The shell's word on BitLocker; COM is ready on this thread.
fn protection(root: &HSTRING) -> Result<String> {
    let mut key = PROPERTYKEY::default();
    // SAFETY: COM is ready, the texts and the key live through the calls, and the objects own what they point to.
    unsafe {
        PSGetPropertyKeyFromName(w!("System.Volume.BitLockerProtection"), &raw mut key)?;
        let item: IShellItem2 = SHCreateItemFromParsingName(root, None)?;
        let value = item.GetProperty(&raw const key)?;
        if value.is_empty() {
            return Ok(String::new());
        }
        Ok(PropVariantToInt32(&raw const value)?.to_string())
    }
}

/// Volumes that have a folder and no letter; only how many, because the folders' names are people's.
fn mounted_folders() -> usize {
    let mut volume = [0_u16; 64];
    let mut count = 0;
    // SAFETY: each buffer lives through the calls and is as long as its slice says; the search is closed once.
    unsafe {
        let Ok(search) = FindFirstVolumeW(&mut volume) else {
            return 0;
        };
        loop {
            let mut paths = [0_u16; 1024];
            let mut length = 0;
            let end = volume.iter().position(|unit| *unit == 0).unwrap_or(volume.len());
            let name = HSTRING::from_wide(&volume[..end]);
            if GetVolumePathNamesForVolumeNameW(&name, Some(&mut paths), &raw mut length).is_ok() {
                let mut names = paths
                    .split(|unit| *unit == 0)
                    .filter(|name| !name.is_empty())
                    .peekable();
                let has_any = names.peek().is_some();
                // A letter is three units: `C:\`.
                if has_any && names.all(|name| name.len() > 3) {
                    count += 1;
                }
            }
            volume = [0; 64];
            if FindNextVolumeW(search, &mut volume).is_err() {
                break;
            }
        }
        let _ = FindVolumeClose(search);
    }
    count
}

pub(super) fn secure_boot() -> Result<SecureBootState> {
    let firmware = LOCAL_MACHINE.open(CONTROL).ok();
    let (key, enabled) = match LOCAL_MACHINE.open(SECURE_BOOT) {
        Ok(key) => (true, value(&key, "UEFISecureBootEnabled")),
        Err(error) => {
            let refused = Refused::from(error);
            match refused.obstacle {
                gobag_checklists::Obstacle::Missing => (false, None),
                _ => return Err(refused),
            }
        }
    };
    Ok(SecureBootState {
        key,
        enabled,
        firmware: firmware.and_then(|key| value(&key, "PEFirmwareType")),
    })
}

fn value(key: &Key, name: &str) -> Option<i64> {
    key.get_u32(name).ok().map(i64::from)
}

pub(super) fn tpm() -> Result<Tpm> {
    type GetInfo = unsafe extern "system" fn(u32, *mut c_void) -> u32;
    let mut info = TPM_DEVICE_INFO {
        structVersion: 1,
        ..Default::default()
    };
    let found = function(library("tbs.dll")?, b"Tbsi_GetDeviceInfo\0")?;
    // SAFETY: this is the documented type of the function of that name.
    let get: GetInfo = unsafe { std::mem::transmute(found) };
    // SAFETY: the size is the structure's, which lives through the call.
    let result = unsafe { get(size_of::<TPM_DEVICE_INFO>() as u32, (&raw mut info).cast()) };
    Ok(Tpm {
        result: result.into(),
        version: (result == 0).then_some(info.tpmVersion.into()),
    })
}

pub(super) fn hypervisor() -> Result<Hypervisor> {
    type GetCapability = unsafe extern "system" fn(i32, *mut c_void, u32, *mut u32) -> HRESULT;
    /// `WHvCapabilityCodeHypervisorPresent`.
    const PRESENT: i32 = 0;
    let library = match library("WinHvPlatform.dll") {
        Ok(library) => library,
        Err(_) => {
            return Ok(Hypervisor {
                library: false,
                result: None,
                present: None,
            });
        }
    };
    let found = function(library, b"WHvGetCapability\0")?;
    // SAFETY: this is the documented type of the function of that name.
    let get: GetCapability = unsafe { std::mem::transmute(found) };
    let (mut present, mut written) = (0_i32, 0_u32);
    // SAFETY: the buffer is as long as is said, and lives through the call.
    let result = unsafe {
        get(
            PRESENT,
            (&raw mut present).cast(),
            size_of::<i32>() as u32,
            &raw mut written,
        )
    };
    Ok(Hypervisor {
        library: true,
        result: Some(result.0.into()),
        present: result.is_ok().then_some(present != 0),
    })
}

pub(super) fn history() -> Result<History> {
    /// Newest first; definitions come several times a day.
    const MOST_ENTRIES: i32 = 1000;
    let com = Com::start();
    let searcher: IUpdateSearcher = com.create(&UpdateSearcher)?;
    // SAFETY: COM is ready while `com` lives, which is longer than the objects made here.
    unsafe {
        let count = searcher.GetTotalHistoryCount()?.min(MOST_ENTRIES);
        let mut entries = Vec::new();
        if count > 0 {
            let found = searcher.QueryHistory(0, count)?;
            for index in 0..found.Count()? {
                entries.push(entry(&found.get_Item(index)?)?);
            }
        }
        Ok(History { entries })
    }
}

fn entry(found: &IUpdateHistoryEntry) -> Result<HistoryEntry> {
    let mut categories = Vec::new();
    // SAFETY: the caller keeps COM ready, and each object is owned by its variable.
    unsafe {
        if let Ok(list) = found
            .cast::<IUpdateHistoryEntry2>()
            .and_then(|entry| entry.Categories())
        {
            for index in 0..list.Count()? {
                categories.push(list.get_Item(index)?.CategoryID()?.to_string());
            }
        }
        Ok(HistoryEntry {
            title: found.Title()?.to_string(),
            date_s: unix_s(found.Date()?),
            operation: found.Operation()?.0.into(),
            result: found.ResultCode()?.0.into(),
            categories,
        })
    }
}

/// Automation's days since the end of 1899, here in UTC.
fn unix_s(date_days: f64) -> i64 {
    const UNIX_DAYS: f64 = 25_569.0;
    ((date_days - UNIX_DAYS) * 86_400.0).round() as i64
}

pub(super) fn update_settings() -> Result<UpdateSettings> {
    let com = Com::start();
    let information: Result<ISystemInformation> = com.create(&SystemInformation);
    // SAFETY: COM is ready while `com` lives, which is longer than the object.
    let restart = information
        .ok()
        .and_then(|found| unsafe { found.RebootRequired() }.ok());
    let policy = LOCAL_MACHINE.open(UPDATE_POLICY).ok();
    Ok(UpdateSettings {
        no_auto_update: policy.and_then(|key| value(&key, "NoAutoUpdate")),
        restart_required: restart.map(|required| required.as_bool()),
    })
}

pub(super) fn power() -> Result<PowerStatus> {
    let mut status = SYSTEM_POWER_STATUS::default();
    // SAFETY: the pointer is good for the time of the call.
    unsafe { GetSystemPowerStatus(&raw mut status) }?;
    Ok(PowerStatus {
        mains: status.ACLineStatus.into(),
        flags: status.BatteryFlag.into(),
        percent: status.BatteryLifePercent.into(),
    })
}

pub(super) fn screen() -> Result<ScreenSaver> {
    let policy = LOCAL_MACHINE.open(SYSTEM_POLICY).ok();
    Ok(ScreenSaver {
        active: parameter(SPI_GETSCREENSAVEACTIVE)? != 0,
        secure: parameter(SPI_GETSCREENSAVESECURE)? != 0,
        timeout_s: parameter(SPI_GETSCREENSAVETIMEOUT)?.into(),
        policy_timeout_s: policy.and_then(|key| value(&key, "InactivityTimeoutSecs")),
    })
}

fn parameter(action: SYSTEM_PARAMETERS_INFO_ACTION) -> Result<i32> {
    let mut value = 0_i32;
    // SAFETY: these parameters are one number each, and the pointer is good for the time of the call.
    unsafe {
        SystemParametersInfoW(
            action,
            0,
            Some((&raw mut value).cast()),
            SYSTEM_PARAMETERS_INFO_UPDATE_FLAGS::default(),
        )
    }?;
    Ok(value)
}
