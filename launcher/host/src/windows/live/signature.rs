//! Who signed a program file, by `WinVerifyTrust`, without a look at the network.

use windows::Win32::Foundation::{HWND, TRUST_E_NOSIGNATURE};
use windows::Win32::Security::Cryptography::{CERT_NAME_SIMPLE_DISPLAY_TYPE, CertGetNameStringW};
use windows::Win32::Security::WinTrust::{
    WINTRUST_ACTION_GENERIC_VERIFY_V2, WINTRUST_DATA, WINTRUST_FILE_INFO, WTD_CACHE_ONLY_URL_RETRIEVAL,
    WTD_CHOICE_FILE, WTD_REVOKE_NONE, WTD_STATEACTION_CLOSE, WTD_STATEACTION_VERIFY, WTD_UI_NONE,
    WTHelperGetProvSignerFromChain, WTHelperProvDataFromStateData, WinVerifyTrust,
};
use windows::core::{HSTRING, PCWSTR};

use crate::windows::documents::Signature;

/// Of the program that a service's command line, or a product's path, begins with.
pub(super) fn of_command(command: &str) -> Signature {
    let path = match command.trim().strip_prefix('"') {
        Some(rest) => rest.split('"').next().unwrap_or_default(),
        // Without quotation marks it ends with the program's name.
        None => match command.to_ascii_lowercase().find(".exe") {
            Some(at) => command.trim().get(..at + 4).unwrap_or_default(),
            None => command.trim(),
        },
    };
    match path.is_empty() {
        true => said("unreadable", None),
        false => of_file(path),
    }
}

fn said(status: &str, signer: Option<String>) -> Signature {
    Signature {
        status: status.to_owned(),
        signer,
    }
}

fn of_file(path: &str) -> Signature {
    let path = HSTRING::from(path);
    let mut file = WINTRUST_FILE_INFO {
        cbStruct: size_of::<WINTRUST_FILE_INFO>() as u32,
        pcwszFilePath: PCWSTR(path.as_ptr()),
        ..Default::default()
    };
    let mut data = WINTRUST_DATA {
        cbStruct: size_of::<WINTRUST_DATA>() as u32,
        dwUIChoice: WTD_UI_NONE,
        fdwRevocationChecks: WTD_REVOKE_NONE,
        dwUnionChoice: WTD_CHOICE_FILE,
        dwStateAction: WTD_STATEACTION_VERIFY,
        dwProvFlags: WTD_CACHE_ONLY_URL_RETRIEVAL,
        ..Default::default()
    };
    data.Anonymous.pFile = &raw mut file;
    let mut action = WINTRUST_ACTION_GENERIC_VERIFY_V2;
    // SAFETY: `data`, `file` and `path` live through both calls, and the sizes in them are theirs.
    let result = unsafe { WinVerifyTrust(HWND::default(), &raw mut action, (&raw mut data).cast()) };
    let signer = if result == 0 { signer(&data) } else { None };
    data.dwStateAction = WTD_STATEACTION_CLOSE;
    // SAFETY: as above; it gives back what the first call allocated.
    unsafe { WinVerifyTrust(HWND::default(), &raw mut action, (&raw mut data).cast()) };
    match result {
        0 => said("valid", signer),
        TRUST_E_NOSIGNATURE_CODE => said("unsigned", None),
        // The file could not be opened: says nothing about its signature.
        _ if !std::path::Path::new(&path.to_string_lossy()).is_file() => said("unreadable", None),
        _ => said("invalid", None),
    }
}

const TRUST_E_NOSIGNATURE_CODE: i32 = TRUST_E_NOSIGNATURE.0;

/// The name in the first certificate of the first signer.
fn signer(data: &WINTRUST_DATA) -> Option<String> {
    // SAFETY: the state is open between the two calls in `of_file`; each pointer is checked before it is followed, and what it
    // points to belongs to the state.
    unsafe {
        let provider = WTHelperProvDataFromStateData(data.hWVTStateData);
        if provider.is_null() {
            return None;
        }
        let signer = WTHelperGetProvSignerFromChain(provider, 0, false, 0).as_ref()?;
        if signer.csCertChain == 0 {
            return None;
        }
        let certificate = signer.pasCertChain.as_ref()?;
        let mut name = [0_u16; 256];
        let length = CertGetNameStringW(
            certificate.pCert,
            CERT_NAME_SIMPLE_DISPLAY_TYPE,
            0,
            None,
            Some(&mut name),
        );
        let letters = name.get(..(length as usize).saturating_sub(1))?;
        Some(String::from_utf16_lossy(letters))
    }
}
