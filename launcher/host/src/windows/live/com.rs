//! COM on this thread, and functions of libraries that may be missing.

use windows::Win32::Foundation::{FARPROC, HMODULE};
use windows::Win32::System::Com::{
    CLSCTX_ALL, COINIT_MULTITHREADED, CoCreateInstance, CoInitializeEx, CoUninitialize,
};
use windows::Win32::System::LibraryLoader::{GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW};
use windows::core::{GUID, HSTRING, Interface, PCSTR};

use super::{Refused, Result};

/// COM is ready on this thread as long as this lives.
pub(super) struct Com {
    ours: bool,
}

impl Com {
    pub(super) fn start() -> Self {
        // SAFETY: it may be called any number of times on a thread; each success is balanced in `drop`.
        let result = unsafe { CoInitializeEx(None, COINIT_MULTITHREADED) };
        Self { ours: result.is_ok() }
    }

    /// A new object of a class.
    pub(super) fn create<T: Interface>(&self, class: &GUID) -> Result<T> {
        // SAFETY: COM is ready on this thread while `self` lives, and `T` says which interface is asked for.
        unsafe { CoCreateInstance(class, None, CLSCTX_ALL) }.map_err(Refused::from)
    }
}

impl Drop for Com {
    fn drop(&mut self) {
        if self.ours {
            // SAFETY: balances the one successful call in `start`, on the same thread.
            unsafe { CoUninitialize() };
        }
    }
}

/// A library out of the system's own folder. It stays loaded: the launcher asks once, and ends.
pub(super) fn library(name: &str) -> Result<HMODULE> {
    // SAFETY: the name lives through the call, and only Windows' own folder is searched.
    unsafe { LoadLibraryExW(&HSTRING::from(name), None, LOAD_LIBRARY_SEARCH_SYSTEM32) }
        .map_err(|_| Refused::missing(name))
}

/// A function of a library, to be turned into its real type by the caller. `name` ends with a zero byte.
pub(super) fn function(library: HMODULE, name: &'static [u8]) -> Result<FARPROC> {
    debug_assert!(name.ends_with(&[0]));
    // SAFETY: the library is loaded, and the name ends with a zero byte.
    match unsafe { GetProcAddress(library, PCSTR(name.as_ptr())) } {
        None => Err(Refused::missing(&String::from_utf8_lossy(name))),
        found => Ok(found),
    }
}
