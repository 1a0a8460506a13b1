//! UEFI for guests, as distributions install it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Code, and a template of its variables.
const PLACES: [(&str, &str); 6] = [
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    (
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
    (
        "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
        "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd",
    ),
    (
        "/usr/share/qemu/ovmf-x86_64-code.bin",
        "/usr/share/qemu/ovmf-x86_64-vars.bin",
    ),
];

/// Why a guest gets no UEFI.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UefiError {
    /// This computer has none.
    #[error("this computer has no UEFI for virtual machines, which this image needs")]
    Missing,
    /// Its variables need a file of their own.
    #[error("cannot copy {template} to {to}", to = .to.display())]
    Copy {
        /// What was to be copied.
        template: &'static str,
        /// Where to.
        to: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl UefiError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "engine.uefi-missing",
            Self::Copy { .. } => "engine.uefi-vars",
        }
    }
}

/// [`super::Boot::Uefi`] with the code of this computer, and fresh variables in `folder`.
pub fn uefi(folder: &Path) -> Result<super::Boot, UefiError> {
    let exists = |path: &&str| fs::exists(path).unwrap_or(false);
    let installed = PLACES.iter().find(|(code, vars)| exists(code) && exists(vars));
    let (code, template) = installed.ok_or(UefiError::Missing)?;
    let vars = folder.join("uefi-vars.fd");
    fs::copy(template, &vars).map_err(|source| UefiError::Copy {
        template,
        to: vars.clone(),
        source,
    })?;
    Ok(super::Boot::Uefi {
        code: code.into(),
        vars,
    })
}
