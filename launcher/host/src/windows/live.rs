//! Asking Windows itself. The one place of this crate with `unsafe`: COM and the system's calls are foreign functions.
//!
//! Every answer is a document of [`super::documents`]; what was refused keeps the number Windows gave, because its sentences are
//! translated. Nothing is written, no privilege is asked for, and no program is started.
//!
//! Libraries that not every Windows has (`wscapi`, `WinHvPlatform`, `tbs`) are loaded when they are needed, from the system's own
//! folder only, so that the launcher starts where they are missing.

#![expect(
    unsafe_code,
    reason = "the interfaces of Windows are foreign functions; each call says why it is sound"
)]

mod com;
mod security;
mod signature;
mod system;

use gobag_checklists::Obstacle;
use serde::Serialize;

use super::documents as query;
use crate::capture::Capture;

/// Why Windows gave no answer.
pub(super) struct Refused {
    obstacle: Obstacle,
    message: String,
}

impl Refused {
    fn missing(what: &str) -> Self {
        Self {
            obstacle: Obstacle::Missing,
            message: format!("{what}: this Windows does not have it"),
        }
    }
}

impl From<windows::core::Error> for Refused {
    fn from(error: windows::core::Error) -> Self {
        /// `E_ACCESSDENIED`, `REGDB_E_CLASSNOTREG`, and "file not found" as COM says it.
        const DENIED: u32 = 0x8007_0005;
        const NO_CLASS: u32 = 0x8004_0154;
        const NO_FILE: u32 = 0x8007_0002;
        let code = error.code().0.cast_unsigned();
        let obstacle = match code {
            DENIED => Obstacle::NoPermission,
            NO_CLASS | NO_FILE => Obstacle::Missing,
            _ => Obstacle::NotWorking,
        };
        Self {
            obstacle,
            message: format!("Windows answered {code:#010x}"),
        }
    }
}

impl From<wmi::WMIError> for Refused {
    fn from(error: wmi::WMIError) -> Self {
        match error {
            wmi::WMIError::HResultError { hres } => {
                windows::core::Error::from_hresult(windows::core::HRESULT(hres)).into()
            }
            other => Self {
                obstacle: Obstacle::NotWorking,
                message: other.to_string(),
            },
        }
    }
}

type Result<T> = std::result::Result<T, Refused>;

/// Answers a query.
pub(crate) fn ask(name: &str) -> Capture {
    match name {
        query::VERSION => capture(name, system::version()),
        query::HEALTH => capture(name, security::health()),
        query::ANTIVIRUS => capture(name, security::products(security::ANTIVIRUS)),
        query::FIREWALLS => capture(name, security::products(security::FIREWALL)),
        query::WMI_ANTIVIRUS => capture(name, security::wmi_products()),
        query::DEFENDER => capture(name, security::defender()),
        query::SERVICES => capture(name, security::services()),
        query::FIREWALL_PROFILES => capture(name, security::profiles()),
        query::VOLUMES => capture(name, system::volumes()),
        query::SECURE_BOOT => capture(name, system::secure_boot()),
        query::TPM => capture(name, system::tpm()),
        query::HYPERVISOR => capture(name, system::hypervisor()),
        query::UPDATE_HISTORY => capture(name, system::history()),
        query::UPDATE_SETTINGS => capture(name, system::update_settings()),
        query::POWER => capture(name, system::power()),
        query::SCREEN => capture(name, system::screen()),
        _ => Capture::failed(Obstacle::Missing, format!("{name}: Windows has no such query")),
    }
}

fn capture<T: Serialize>(name: &str, answer: Result<T>) -> Capture {
    match answer.map(|answer| serde_json::to_string(&answer)) {
        Ok(Ok(text)) => Capture::of(text),
        Ok(Err(error)) => Capture::failed(Obstacle::NotWorking, format!("{name}: {error}")),
        Err(refused) => Capture::failed(refused.obstacle, format!("{name}: {}", refused.message)),
    }
}
