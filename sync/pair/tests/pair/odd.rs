//! A file system that is unlike Linux's own in what it makes of names: capitals are the same as small letters, accents are kept apart from their letters, a colon
//! is refused and a dot at the end is dropped. And one that fails when it is told to.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use fuser::Errno;
use unicode_normalization::UnicodeNormalization as _;

use crate::memory_fs::{Lists, Rules, mount};

/// It, mounted.
pub(crate) struct Odd {
    fails: Arc<AtomicBool>,
    _session: fuser::BackgroundSession,
}

impl Odd {
    /// None where FUSE is missing, which `GOBAG_REQUIRE=fuse` makes a failure.
    pub(crate) fn mount(folder: &Path) -> Option<Self> {
        let fails = Arc::default();
        let rules = Odds(Arc::clone(&fails));
        let _session = mount(rules, folder)?;
        Some(Self { fails, _session })
    }

    /// From now on folders named `half` cannot be listed to their end, those named `closed` not at all, and the list of those named `patchy` leaves
    /// out what comes first in it.
    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }
}

struct Odds(Arc<AtomicBool>);

impl Rules for Odds {
    fn name(&self, name: &OsStr) -> Result<(String, String), Errno> {
        let text = std::str::from_utf8(name.as_bytes()).map_err(|_| Errno::EILSEQ)?;
        if text.contains(':') {
            return Err(Errno::EINVAL);
        }
        let listed: String = text.trim_end_matches('.').nfd().collect();
        Ok((listed.to_lowercase(), listed))
    }

    fn is_rich(&self) -> bool {
        false
    }

    fn lists(&self, name: &str) -> Lists {
        match name {
            "half" if self.0.load(Ordering::Relaxed) => Lists::Half,
            "closed" if self.0.load(Ordering::Relaxed) => Lists::Nothing,
            "patchy" if self.0.load(Ordering::Relaxed) => Lists::Patchy,
            _ => Lists::All,
        }
    }
}
