//! Security Center, WMI, services and the firewall.

use serde::Deserialize;
use windows::Win32::NetworkManagement::WindowsFirewall::{INetFwPolicy2, NET_FW_PROFILE_TYPE2, NetFwPolicy2};
use windows::Win32::System::SecurityCenter::{
    IWSCProductList, WSC_SECURITY_PROVIDER, WSC_SECURITY_PROVIDER_ANTIVIRUS, WSC_SECURITY_PROVIDER_FIREWALL,
    WSCProductList,
};
use windows::Win32::System::Services::{
    CloseServiceHandle, OpenSCManagerW, OpenServiceW, QUERY_SERVICE_CONFIGW, QueryServiceConfigW,
    QueryServiceStatus, SC_HANDLE, SC_MANAGER_CONNECT, SERVICE_QUERY_CONFIG, SERVICE_QUERY_STATUS,
    SERVICE_STATUS,
};
use windows::core::{HRESULT, HSTRING, PCWSTR};
use wmi::WMIConnection;

use super::com::{Com, function, library};
use super::{Refused, Result, signature};
use crate::windows::documents::{
    Defender, Health, Listed, Products, ProfileEnabled, Profiles, ProviderHealth, Service, Services,
    WmiProduct, WmiProducts,
};
use crate::windows::genuine;

pub(super) const ANTIVIRUS: WSC_SECURITY_PROVIDER = WSC_SECURITY_PROVIDER_ANTIVIRUS;
pub(super) const FIREWALL: WSC_SECURITY_PROVIDER = WSC_SECURITY_PROVIDER_FIREWALL;

pub(super) fn health() -> Result<Health> {
    type GetHealth = unsafe extern "system" fn(u32, *mut i32) -> HRESULT;
    let found = function(library("wscapi.dll")?, b"WscGetSecurityProviderHealth\0")?;
    // SAFETY: this is the documented type of the function of that name.
    let get: GetHealth = unsafe { std::mem::transmute(found) };
    let ask = |provider: i32| {
        let mut health = -1;
        // SAFETY: the pointer is good for the time of the call.
        let result = unsafe { get(provider.cast_unsigned(), &raw mut health) };
        ProviderHealth {
            result: result.0.into(),
            health: Some(health.into()),
        }
    };
    Ok(Health {
        antivirus: Some(ask(ANTIVIRUS.0)),
        firewall: Some(ask(FIREWALL.0)),
        updates: Some(ask(2)),
    })
}

/// One object for each kind of provider: an object answers for the first kind it was asked for only.
pub(super) fn products(provider: WSC_SECURITY_PROVIDER) -> Result<Products> {
    let com = Com::start();
    let list: IWSCProductList = com.create(&WSCProductList)?;
    // SAFETY: COM is ready while `com` lives, which is longer than the objects made here.
    unsafe {
        list.Initialize(provider)?;
        let mut products = Vec::new();
        for index in 0..list.Count()?.cast_unsigned() {
            let product = list.get_Item(index)?;
            let path = product.RemediationPath().map(|path| path.to_string());
            let path = path
                .ok()
                .filter(|path| path.to_ascii_lowercase().contains(".exe"));
            products.push(Listed {
                name: product.ProductName()?.to_string(),
                state: product.ProductState()?.0.into(),
                signatures: product.SignatureStatus().ok().map(|status| status.0.into()),
                since: product.ProductStateTimestamp().ok().map(|time| time.to_string()),
                signature: path.map(|path| signature::of_command(&path)),
            });
        }
        Ok(Products { result: 0, products })
    }
}

#[derive(Deserialize)]
#[serde(rename = "AntiVirusProduct", rename_all = "camelCase")]
struct AntiVirusProduct {
    display_name: String,
    product_state: u32,
    timestamp: Option<String>,
    path_to_signed_reporting_exe: Option<String>,
}

pub(super) fn wmi_products() -> Result<WmiProducts> {
    let connection = WMIConnection::with_namespace_path(r"ROOT\SecurityCenter2")?;
    let found: Vec<AntiVirusProduct> = connection.query()?;
    let products = found.into_iter().map(|product| WmiProduct {
        name: product.display_name,
        state: product.product_state.into(),
        since: product.timestamp,
        signature: product
            .path_to_signed_reporting_exe
            .filter(|path| path.to_ascii_lowercase().contains(".exe"))
            .map(|path| signature::of_command(&path)),
    });
    Ok(WmiProducts {
        products: products.collect(),
    })
}

#[derive(Deserialize)]
#[serde(rename = "MSFT_MpComputerStatus", rename_all = "PascalCase")]
struct MpComputerStatus {
    #[serde(rename = "AMServiceEnabled")]
    service: bool,
    antivirus_enabled: bool,
    real_time_protection_enabled: bool,
    antivirus_signature_age: Option<u32>,
    #[serde(rename = "AMRunningMode")]
    mode: Option<String>,
}

pub(super) fn defender() -> Result<Defender> {
    let connection = WMIConnection::with_namespace_path(r"ROOT\Microsoft\Windows\Defender")?;
    let found: Vec<MpComputerStatus> = connection.query()?;
    let status = found.into_iter().next();
    let status = status.ok_or_else(|| Refused::missing("MSFT_MpComputerStatus"))?;
    Ok(Defender {
        service: status.service,
        antivirus: status.antivirus_enabled,
        real_time: status.real_time_protection_enabled,
        signature_age_days: status.antivirus_signature_age.map(i64::from),
        mode: status.mode,
    })
}

/// A handle of the service manager, closed when it goes.
struct Handle(SC_HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and nobody else has it. There is nothing to do if closing fails.
        let _ = unsafe { CloseServiceHandle(self.0) };
    }
}

pub(super) fn services() -> Result<Services> {
    // SAFETY: the first two arguments may be null.
    let manager =
        unsafe { OpenSCManagerW(PCWSTR::null(), PCWSTR::null(), SC_MANAGER_CONNECT) }.map(Handle)?;
    let services = genuine::service_names().filter_map(|name| service(&manager, name));
    Ok(Services {
        services: services.collect(),
    })
}

/// A service, if it is there and may be asked.
fn service(manager: &Handle, name: &str) -> Option<Service> {
    let rights = SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG;
    let mut status = SERVICE_STATUS::default();
    // SAFETY: the manager's handle is open, and the name and the status live through the calls.
    let handle = unsafe { OpenServiceW(manager.0, &HSTRING::from(name), rights) }
        .map(Handle)
        .ok()?;
    // SAFETY: as above.
    unsafe { QueryServiceStatus(handle.0, &raw mut status) }.ok()?;
    let (start, command) = config(&handle).unzip();
    Some(Service {
        name: name.to_owned(),
        state: status.dwCurrentState.0.into(),
        start,
        signature: command.map(|command: String| signature::of_command(&command)),
    })
}

/// How a service starts, and its command line.
fn config(handle: &Handle) -> Option<(i64, String)> {
    /// The most that Windows gives.
    const MOST_BYTES: usize = 8192;
    // Of a type that is aligned as the structure at its beginning has to be.
    let mut buffer = [0_u64; MOST_BYTES / 8];
    let mut needed = 0;
    let config: *mut QUERY_SERVICE_CONFIGW = buffer.as_mut_ptr().cast();
    // SAFETY: the buffer is as long as is said, and aligned; after success the structure and the texts it points to lie in it.
    unsafe {
        QueryServiceConfigW(handle.0, Some(config), MOST_BYTES as u32, &raw mut needed).ok()?;
        let command = (*config).lpBinaryPathName.to_string().ok()?;
        Some(((*config).dwStartType.0.into(), command))
    }
}

pub(super) fn profiles() -> Result<Profiles> {
    let com = Com::start();
    let policy: INetFwPolicy2 = com.create(&NetFwPolicy2)?;
    // SAFETY: COM is ready while `com` lives, which is longer than the object.
    unsafe {
        let current = policy.CurrentProfileTypes()?;
        let mut enabled = Vec::new();
        for profile in [1, 2, 4] {
            if let Ok(on) = policy.get_FirewallEnabled(NET_FW_PROFILE_TYPE2(profile)) {
                enabled.push(ProfileEnabled {
                    profile: profile.into(),
                    enabled: on.as_bool(),
                });
            }
        }
        Ok(Profiles {
            current: current.into(),
            enabled,
        })
    }
}
