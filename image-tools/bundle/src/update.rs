//! Bringing a stick to a newer version of its images, while its home volume stays.
//!
//! Order, and why a cut anywhere leaves a stick that starts:
//!
//! 1. An update that was cut while it switched is completed first: the header in force is written into all its copies, so
//!    no copy names anything that the next steps delete or use anew.
//! 2. Files that no image of the header needs, nor the new one, are deleted: an abandoned update left them.
//! 3. What the new version needs is written beside the old, flushed and read back; a pack that is there already is hashed
//!    and kept. Nothing names these files yet. Where a file of the old version is damaged, only its wrong pieces are
//!    overwritten, with what belongs there.
//! 4. The new version is opened from the stick as the launcher will: signature, maps.
//! 5. The log forgets every volume number but those in use ([`crate::store`], `volumes`), so that one can be taken anew.
//! 6. **One header record** names the new image and, in the same record, gives its system volume a new number: with that,
//!    the changes to the old base are gone, and those to `home` stay. Before the first copy of this record is whole,
//!    the old version is in force; afterwards the new one.
//! 7. When all copies of the header are written, files that no image needs any more are deleted.
//!
//! Run again after an interruption, it keeps what is there.

mod error;
mod home;
mod install;
mod plan;
mod switch;
#[cfg(test)]
mod tests;
mod unused;

use gobag_format::{Monitor, header::HeaderRecord};
use serde::Serialize;

use crate::{
    Bundle,
    headers::{replace_all, unchanged},
    repository::{Repository, StoredImage},
    session::{SessionOptions, open_store},
    stick::content::Item,
    store::StoreMode,
};

pub use error::UpdateError;

/// What an update of one stick will do; known before anything is written.
pub struct UpdatePlan {
    summary: UpdateSummary,
    /// All files of the new versions.
    items: Vec<Item>,
    /// The header record that switches; `None` when every image is the newest already.
    record: Option<HeaderRecord>,
}

/// The figures of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateSummary {
    /// Images that get a newer version.
    pub images: Vec<ImageChange>,
    /// Files that the stick lacks.
    pub missing_files: u64,
    /// Their length, as far as it is not on the stick.
    pub missing_bytes: u64,
    /// Files that the new versions share with what is on the stick.
    pub shared_files: u64,
    /// Their length.
    pub shared_bytes: u64,
    /// Files of abandoned updates, which are deleted first.
    pub unused_files: u64,
    /// Their length.
    pub unused_bytes: u64,
    /// Changes to the systems of these images; they belong to the old versions and are given up.
    pub given_up_bytes: u64,
    /// There are such changes, and no guest ever mounted the home volume: users' files are in all likelihood among them.
    pub home_unused: bool,
    /// Room on the stick.
    pub free_bytes: u64,
}

/// An image and its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageChange {
    /// Its name.
    pub name: String,
    /// The version on the stick.
    pub from: u64,
    /// The version that comes.
    pub to: u64,
}

/// What was done to one stick.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UpdateReport {
    /// Images that were updated.
    pub images: Vec<ImageChange>,
    /// Files that were written or mended, and read back.
    pub written_files: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Bytes that were on the stick already.
    pub kept_bytes: u64,
    /// Files that no image needs any more, deleted.
    pub removed_files: u64,
    /// Files that should have been deleted and are still there; the next update tries again.
    pub left_files: u64,
    /// An earlier update or new passphrase had been cut while it was written into all copies of the header; completed.
    pub header_completed: bool,
}

impl UpdatePlan {
    /// Its figures.
    pub fn summary(&self) -> &UpdateSummary {
        &self.summary
    }

    /// Whether every image is the newest already; carrying the plan out only tidies up.
    pub fn is_current(&self) -> bool {
        self.record.is_none()
    }

    /// Bytes to read and write, for a bar that several sticks share.
    pub fn work_bytes(&self) -> u64 {
        if self.is_current() {
            return 0;
        }
        self.summary.shared_bytes + 2 * self.summary.missing_bytes
    }
}

/// Says what bringing the images of `bundle` to `images` takes. Refuses what can be refused before anything is written:
/// images that are not on the stick, older versions, a log that does not open, too little room.
pub fn plan(
    bundle: &Bundle,
    repository: &Repository,
    images: &[StoredImage],
) -> Result<UpdatePlan, UpdateError> {
    plan::plan(bundle, repository, images)
}

/// Carries out a plan of the same bundle. On an error the old versions work as before, unless it says that the header
/// could not be written: then one of the two works. Run again, it goes on with what is there.
pub fn update(
    bundle: &mut Bundle,
    plan: &UpdatePlan,
    monitor: &dyn Monitor,
) -> Result<UpdateReport, UpdateError> {
    is_in_place(bundle)?;
    let header_completed = bundle.stale_header_slots() > 0;
    if header_completed {
        replace(bundle, None)?;
    }
    let abandoned = unused::find(bundle, bundle.record(), &plan.items)?;
    let mut report = UpdateReport {
        header_completed,
        ..UpdateReport::default()
    };
    unused::delete(&abandoned, &mut report)?;
    let Some(record) = &plan.record else {
        return Ok(report);
    };
    install::install(bundle, &plan.items, monitor, &mut report)?;
    monitor.phase("switching", None);
    switch::check(bundle, record)?;
    let options = SessionOptions::default();
    let store = open_store(bundle, StoreMode::Keep, &options)?;
    store.forget_others()?;
    store.close()?;
    drop(store);
    if monitor.is_cancelled() {
        return Err(UpdateError::Cancelled);
    }
    replace(bundle, Some(record))?;
    report.images.clone_from(&plan.summary.images);
    // The update is complete; what cannot be tidied up is told, and no error.
    match is_in_place(bundle).and_then(|()| unused::find(bundle, bundle.record(), &[])) {
        Ok(unused) => unused::delete(&unused, &mut report).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot tidy up");
        }),
        Err(error) => tracing::warn!(%error, "cannot look for unused files"),
    }
    Ok(report)
}

/// Packs and maps are found by their paths, and a person may have changed sticks while a question waited.
fn is_in_place(bundle: &Bundle) -> Result<(), UpdateError> {
    let folder = bundle.medium.folder();
    let stick = folder.parent().unwrap_or(&folder);
    match Bundle::identify(stick) {
        Ok(id) if id == bundle.id() => Ok(()),
        _ => Err(UpdateError::Moved {
            stick: stick.to_owned(),
        }),
    }
}

/// Writes the header anew into all its copies, with another record if one is given.
fn replace(bundle: &mut Bundle, record: Option<&HeaderRecord>) -> Result<(), UpdateError> {
    if let Some(record) = record {
        bundle.unlocked.record = record.clone();
    }
    Ok(replace_all(
        &*bundle.medium,
        &bundle.unlocked,
        &bundle.ambient.random,
        unchanged,
    )?)
}
