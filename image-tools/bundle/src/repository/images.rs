//! Image versions in a repository.

use std::path::{Path, PathBuf};

use gobag_format::crypto::Key;
use gobag_format::digest::Digest;
use gobag_format::ids::ImageId;
use gobag_format::limits::MAX_MANIFEST_LEN;
use gobag_format::manifest::{
    self, IMAGE_KEY_FILE_LEN, Manifest, ManifestError, OpenedManifest, Trust, open_image_key,
};
use gobag_format::org::OrgSecrets;
use serde::{Deserialize, Serialize};

use super::{MAX_JSON_LEN, Repository, RepositoryError, layout};
use crate::files;

/// What is known of an image version without a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageSummary {
    /// Name of the image.
    pub name: String,
    /// Version.
    pub version: u64,
}

/// An image version of the repository, opened and verified.
pub struct StoredImage {
    /// Opens its manifest and maps.
    pub key: Key,
    /// What it says.
    pub manifest: Manifest,
    /// Digest of the manifest file.
    pub manifest_digest: Digest,
    pub(crate) folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Floor {
    highest_removed: u64,
}

impl Repository {
    /// All image versions, by name and version.
    pub fn images(&self) -> Result<Vec<ImageSummary>, RepositoryError> {
        let mut images = Vec::new();
        for name in files::names_in(&self.layout().images())? {
            if manifest::is_name(&name) {
                let versions = self.versions(&name)?;
                images.extend(versions.into_iter().map(|version| ImageSummary {
                    name: name.clone(),
                    version,
                }));
            }
        }
        Ok(images)
    }

    /// Versions of the image `name`, rising.
    pub fn versions(&self, name: &str) -> Result<Vec<u64>, RepositoryError> {
        let names = files::names_in(&self.layout().image(name))?;
        let mut versions: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// Finds `NAME` (its newest version) or `NAME@VERSION`.
    pub fn find(&self, image: &str) -> Result<ImageSummary, RepositoryError> {
        let missing = || RepositoryError::NoSuchImage {
            image: image.to_owned(),
        };
        let (name, wanted) = match image.split_once('@') {
            None => (image, None),
            Some((name, version)) => (name, Some(version.parse::<u64>().map_err(|_| missing())?)),
        };
        if !manifest::is_name(name) {
            return Err(missing());
        }
        let versions = self.versions(name)?;
        let version = match wanted {
            None => versions.last(),
            Some(wanted) => versions.iter().find(|version| **version == wanted),
        };
        version
            .map(|version| ImageSummary {
                name: name.to_owned(),
                version: *version,
            })
            .ok_or_else(missing)
    }

    /// Opens an image version and checks that the organisation signed it.
    pub fn open_image(
        &self,
        image: &ImageSummary,
        secrets: &OrgSecrets,
    ) -> Result<StoredImage, RepositoryError> {
        let folder = self.layout().version(&image.name, image.version);
        let label = format!("{}@{}", image.name, image.version);
        let refused = |source| RepositoryError::Image {
            image: label.clone(),
            source,
        };
        let (id, key) = read_image_key(&folder, &secrets.repository_key, &refused)?;
        let path = layout::manifest(&folder);
        let bytes = files::read_limited(&path, MAX_MANIFEST_LEN)?;
        let bytes = bytes.ok_or(RepositoryError::Foreign { path })?;
        let publisher = secrets.signing_key().verifying_key();
        let trust = Trust {
            image: id,
            publisher,
            min_version: image.version,
            digest: None,
        };
        let OpenedManifest { manifest, digest } = manifest::open(&bytes, &key, &trust).map_err(refused)?;
        // The folder's name is what people asked for; it must not call one version another.
        if (manifest.name.as_str(), manifest.version) != (image.name.as_str(), image.version) {
            let reason = format!("it is `{}@{}`", manifest.name, manifest.version);
            return Err(refused(ManifestError::Invalid { reason }));
        }
        Ok(StoredImage {
            key,
            manifest,
            manifest_digest: digest,
            folder,
        })
    }

    /// The lowest number a new version of `name` may have.
    pub(crate) fn next_version(&self, name: &str) -> Result<u64, RepositoryError> {
        let newest = self.versions(name)?.last().copied().unwrap_or(0);
        Ok(newest.max(self.highest_removed(name)?).saturating_add(1))
    }

    pub(crate) fn highest_removed(&self, name: &str) -> Result<u64, RepositoryError> {
        let path = self.layout().floor(name);
        if !path.exists() {
            return Ok(0);
        }
        let json = files::read_limited(&path, MAX_JSON_LEN)?;
        let floor = json.and_then(|json| serde_json::from_slice::<Floor>(&json).ok());
        floor
            .map(|floor| floor.highest_removed)
            .ok_or(RepositoryError::Foreign { path })
    }

    pub(crate) fn record_removed(&self, name: &str, version: u64) -> Result<(), RepositoryError> {
        let highest_removed = self.highest_removed(name)?.max(version);
        let json = serde_json::to_vec(&Floor { highest_removed }).expect("plain fields always serialise");
        Ok(files::replace(&self.layout().floor(name), &json)?)
    }
}

fn read_image_key(
    folder: &Path,
    repository_key: &Key,
    refused: &impl Fn(ManifestError) -> RepositoryError,
) -> Result<(ImageId, Key), RepositoryError> {
    let path = layout::image_key(folder);
    let file = files::read_limited(&path, IMAGE_KEY_FILE_LEN)?;
    open_image_key(repository_key, &file.ok_or(RepositoryError::Foreign { path })?).map_err(refused)
}

impl StoredImage {
    /// `NAME@VERSION`.
    pub fn label(&self) -> String {
        format!("{}@{}", self.manifest.name, self.manifest.version)
    }

    pub(crate) fn manifest_path(&self) -> PathBuf {
        layout::manifest(&self.folder)
    }

    pub(crate) fn map_path(&self, volume: u8) -> PathBuf {
        layout::map(&self.folder, volume)
    }
}
