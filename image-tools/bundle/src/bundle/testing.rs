//! A stick in a folder, for the tests of this crate.

use std::path::{Path, PathBuf};

use gobag_format::{
    Silent,
    ids::{BundleId, OrgId},
    keyslot::KdfCost,
    limits::{HEADER_SLOT_STRIDE, HEADER_SLOTS},
    sign::VerifyingKey,
};

use super::{Bundle, OpenError};
use crate::{
    Ambient, Secret,
    medium::{BUNDLE_FOLDER, FileRef},
    provision::{Provision, ProvisionError, provision},
};

/// As cheap as a passphrase may be.
pub(crate) const CHEAP: KdfCost = KdfCost {
    memory_kib: 64 << 10,
    passes: 1,
    lanes: 2,
};

/// A bundle of alice's, who knows its passphrase, `correct horse`.
pub(crate) struct Stick {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) identity: age::x25519::Identity,
}

impl Stick {
    pub(crate) fn new() -> Self {
        let stick = Self {
            folder: tempfile::tempdir().unwrap(),
            identity: age::x25519::Identity::generate(),
        };
        stick.provision(false).unwrap();
        stick
    }

    pub(crate) fn provision(&self, replace: bool) -> Result<BundleId, ProvisionError> {
        let recipient = self.identity.to_public();
        let spec = Provision {
            org: OrgId([1; 16]),
            org_name: "Example".into(),
            publisher: VerifyingKey([2; 32]),
            user: "alice".into(),
            images: Vec::new(),
            home_bytes: 1 << 20,
            system_space_bytes: 0,
            initial_home: None,
            passphrase: b"correct horse",
            cost: CHEAP,
            segment_len: 128 << 10,
            escrow: vec![&recipient],
        };
        provision(self.path(), &spec, replace, &Ambient::system(), &Silent).map(|made| made.bundle)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, file: FileRef) -> PathBuf {
        self.path().join(BUNDLE_FOLDER).join(file.path())
    }

    pub(crate) fn open(&self, passphrase: &str) -> Result<Bundle, OpenError> {
        Bundle::open(
            self.path(),
            &Secret::Passphrase(passphrase.as_bytes()),
            true,
            Ambient::system(),
        )
    }

    pub(crate) fn refusal(&self, passphrase: &str) -> &'static str {
        self.open(passphrase)
            .err()
            .expect("the bundle must not open")
            .code()
    }

    pub(crate) fn slots(&self) -> Vec<(PathBuf, u64)> {
        let files = [self.file(FileRef::Header(0)), self.file(FileRef::Header(1))];
        let places =
            |file: PathBuf| (0..HEADER_SLOTS as u64).map(move |n| (file.clone(), n * HEADER_SLOT_STRIDE));
        files.into_iter().flat_map(places).collect()
    }
}
