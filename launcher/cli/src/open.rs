//! An unlocked stick at work: its volumes, and the way back to it when it was pulled out.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gobag_bundle::{
    Bundle, ReplaceError, Session, SessionError, SessionOptions, SessionVolume, VolumePurpose,
    memory::{Admitted, Witness},
    store::StoreError,
};
use gobag_format::{ids::BundleId, keyslot::ShareName, manifest::ContainerEntry};
use gobag_mount::Export;
use gobag_term::Ui;

use crate::{environment::Environment, find, host_memory};

/// An open image on a stick that may come and go.
pub(crate) struct Work {
    id: BundleId,
    session: Session,
    /// Which share of the company's the header wanted when it was opened.
    share: Option<ShareName>,
    witness: Arc<Witness>,
    /// Where the stick is, or was last seen.
    place: Mutex<PathBuf>,
    is_cut_off: AtomicBool,
    /// What became of what unlocks it then.
    fate: Mutex<Fate>,
}

/// What became of what unlocks a stick that the company cut off.
#[derive(Debug, Default)]
pub(crate) enum Fate {
    /// It is erased: nothing opens the stick any more.
    #[default]
    Erased,
    /// The company has a part of it, and can give that again.
    Kept,
    /// A part of it is gone that the company has not: IT's escrow opens it.
    Escrow,
    /// Not all of it could be overwritten.
    Left(ReplaceError),
}

/// The stick was found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// In the state in which it went; work can go on.
    Back(PathBuf),
    /// But used elsewhere since.
    Changed(PathBuf),
}

impl Work {
    /// Opens an image of `bundle`, which lies in `stick`, if it is in the state that the witness remembers.
    pub(crate) fn open(
        bundle: Bundle,
        stick: &Path,
        options: &SessionOptions,
        witness: Arc<Witness>,
    ) -> Result<Self, SessionError> {
        Ok(Self {
            id: bundle.id(),
            share: bundle.share_name(),
            session: Session::open_before(Arc::new(bundle), options, Some(Arc::clone(&witness)))?,
            witness,
            place: Mutex::new(stick.to_owned()),
            is_cut_off: AtomicBool::new(false),
            fate: Mutex::default(),
        })
    }

    /// The open image.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Whether the header wanted this share of the company's when it was opened: so it has been on the medium since before.
    pub(crate) fn opened_with(&self, share: &ShareName) -> bool {
        self.share.as_ref() == Some(share)
    }

    /// How it came to be let in.
    pub(crate) fn admitted(&self) -> Admitted {
        self.witness.admitted()
    }

    /// Lets this computer remember how far the log is.
    pub(crate) fn remember(&self, ui: &Ui) {
        self.session.remember();
        self.tell(ui);
    }

    /// Says what is wrong with this computer's memory.
    pub(crate) fn tell(&self, ui: &Ui) {
        host_memory::tell(&self.witness, ui);
    }

    /// Says what stays on this computer.
    pub(crate) fn announce(&self, environment: &Environment, ui: &Ui) {
        host_memory::announce(&self.witness, environment, ui);
    }

    /// Id of the bundle.
    pub(crate) fn id(&self) -> BundleId {
        self.id
    }

    /// The company cut the stick off, and what unlocks it is being erased or taken away.
    pub(crate) fn note_cut_off(&self) {
        self.is_cut_off.store(true, Ordering::SeqCst);
    }

    /// What became of it.
    pub(crate) fn note_fate(&self, fate: Fate) {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner) = fate;
    }

    /// The same, for the last word.
    pub(crate) fn take_fate(&self) -> Fate {
        std::mem::take(&mut self.fate.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the company cut the stick off while it was at work.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::SeqCst)
    }

    /// Where the stick is, or was last seen.
    pub(crate) fn place(&self) -> PathBuf {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks for the stick once: where it was, then everywhere.
    pub(crate) fn look(&self) -> Option<Found> {
        let mut changed = None;
        let places = std::iter::once(self.place()).chain(find::plugged_in());
        for place in places.filter(|place| Bundle::identify(place).is_ok_and(|id| id == self.id)) {
            match self.session.reattach(&place) {
                Ok(()) => {
                    self.place
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone_from(&place);
                    return Some(Found::Back(place));
                }
                Err(SessionError::Store(StoreError::OtherState)) => changed = Some(Found::Changed(place)),
                Err(error) => {
                    tracing::info!(place = %place.display(), code = error.code(), %error, "the stick is not usable yet");
                }
            }
        }
        changed
    }

    /// Writes everything down. On an error nothing is lost yet.
    pub(crate) fn close(&mut self) -> Result<(), SessionError> {
        self.session.close()
    }

    /// The volume for this purpose.
    pub(crate) fn volume(&self, purpose: VolumePurpose) -> Option<&SessionVolume> {
        self.session
            .volumes()
            .iter()
            .find(|volume| volume.purpose == purpose)
    }

    /// Every volume as a file.
    pub(crate) fn exports(&self) -> Vec<Export> {
        let export = |volume: &SessionVolume| Export {
            name: file_name(volume),
            volume: Arc::clone(&volume.volume),
            // Nothing personal is in a blob, and QEMU maps them into memory.
            cached: volume.purpose == VolumePurpose::Blob,
        };
        self.session.volumes().iter().map(export).collect()
    }

    /// The disks alone, for whoever gets the blobs another way.
    pub(crate) fn disks(&self) -> Vec<Export> {
        let purposes = self.session.volumes().iter().map(|volume| volume.purpose);
        let exports = self.exports().into_iter().zip(purposes);
        exports
            .filter(|(_, purpose)| *purpose != VolumePurpose::Blob)
            .map(|(export, _)| export)
            .collect()
    }

    /// The same for a container: of the disk it is entered in only the place that its file system has.
    pub(crate) fn exports_for(&self, container: &ContainerEntry) -> Vec<Export> {
        let (offset, len) = (
            container.file_system_offset_bytes,
            match container.file_system_size_bytes {
                0 => u64::MAX,
                len => len,
            },
        );
        let mut exports = self.exports();
        for (export, volume) in exports.iter_mut().zip(self.session.volumes()) {
            if volume.name == container.volume {
                *export = Export::part(&*export.name, Arc::clone(&export.volume), offset, len);
            }
        }
        exports
    }
}

/// The file a volume is served as.
pub(crate) fn file_name(volume: &SessionVolume) -> String {
    match volume.purpose {
        VolumePurpose::Blob => volume.name.clone(),
        VolumePurpose::System | VolumePurpose::Home => format!("{}.img", volume.name),
    }
}
