//! The register of sticks: who got what, when. Plain JSON, for it must be readable on a bad day.

use gobag_format::agree::AgreementPublic;
use gobag_format::ids::{BundleId, ImageId};
use gobag_format::sign::VerifyingKey;
use serde::{Deserialize, Serialize};

use super::{MAX_JSON_LEN, Repository, RepositoryError};
use crate::files;

/// One stick that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StickEntry {
    /// The bundle on it.
    pub bundle: BundleId,
    /// Whom it was made for.
    pub user: String,
    /// Name of the image.
    pub image: String,
    /// Version of the image.
    pub version: u64,
    /// Id of that version.
    pub image_id: ImageId,
    /// When it was written, seconds since 1970.
    pub written_s: u64,
    /// What it signs with; sticks of earlier versions have no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<VerifyingKey>,
    /// What it agrees with officers' keys by; sticks of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_key: Option<AgreementPublic>,
}

impl Repository {
    /// Enters a stick, or replaces its entry.
    pub fn register_stick(&self, entry: &StickEntry) -> Result<(), RepositoryError> {
        let path = self.layout().stick(entry.bundle);
        let mut json = serde_json::to_vec_pretty(entry).expect("plain fields always serialise");
        json.push(b'\n');
        Ok(files::replace(&path, &json)?)
    }

    /// All sticks, in the order they were written.
    pub fn sticks(&self) -> Result<Vec<StickEntry>, RepositoryError> {
        let folder = self.layout().sticks();
        let mut sticks: Vec<StickEntry> = Vec::new();
        for name in files::names_in(&folder)? {
            // Temporary files of an interrupted entry begin with a dot.
            if name.starts_with('.') {
                continue;
            }
            let path = folder.join(name);
            let json = files::read_limited(&path, MAX_JSON_LEN)?;
            let entry = json.and_then(|json| serde_json::from_slice(&json).ok());
            sticks.push(entry.ok_or(RepositoryError::Foreign { path })?);
        }
        sticks.sort_by_key(|stick| stick.written_s);
        Ok(sticks)
    }
}
