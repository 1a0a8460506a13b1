//! Where things lie in a repository.

use std::path::{Path, PathBuf};

use gobag_format::ids::{BundleId, ImageId, PackId};

/// Extension of a pack.
pub(crate) const PACK_EXTENSION: &str = "gbp";

/// Paths below a repository's folder.
#[derive(Clone)]
pub(crate) struct Layout(PathBuf);

impl Layout {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn folders(&self) -> [PathBuf; 4] {
        [self.packs(), self.images(), self.sticks(), self.work()]
    }

    pub(crate) fn repository_file(&self) -> PathBuf {
        self.0.join("repository.json")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub(crate) fn build_lock(&self) -> PathBuf {
        self.0.join("build.lock")
    }

    pub(crate) fn packs(&self) -> PathBuf {
        self.0.join("packs")
    }

    pub(crate) fn pack(&self, id: PackId) -> PathBuf {
        let name = id.to_string();
        self.packs()
            .join(&name[..2])
            .join(format!("{name}.{PACK_EXTENSION}"))
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    pub(crate) fn image(&self, name: &str) -> PathBuf {
        self.images().join(name)
    }

    pub(crate) fn floor(&self, name: &str) -> PathBuf {
        self.image(name).join("floor.json")
    }

    pub(crate) fn version(&self, name: &str, version: u64) -> PathBuf {
        self.image(name).join(version.to_string())
    }

    pub(crate) fn sticks(&self) -> PathBuf {
        self.0.join("sticks")
    }

    pub(crate) fn stick(&self, bundle: BundleId) -> PathBuf {
        self.sticks().join(format!("{bundle}.json"))
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    pub(crate) fn import(&self) -> PathBuf {
        self.0.join("import")
    }

    pub(crate) fn unfinished_image(&self, image: ImageId) -> PathBuf {
        self.work().join(image.to_string())
    }

    pub(crate) fn unfinished_pack(&self, pack: PackId) -> PathBuf {
        self.work().join(format!("{pack}.{PACK_EXTENSION}"))
    }
}

/// The manifest in an image version's folder.
pub(crate) fn manifest(version_folder: &Path) -> PathBuf {
    version_folder.join("manifest.gbm")
}

/// The sealed image key in an image version's folder.
pub(crate) fn image_key(version_folder: &Path) -> PathBuf {
    version_folder.join("image.key")
}

/// The map of the `volume`-th volume in an image version's folder.
pub(crate) fn map(version_folder: &Path, volume: u8) -> PathBuf {
    version_folder.join(format!("{volume}.gbx"))
}
