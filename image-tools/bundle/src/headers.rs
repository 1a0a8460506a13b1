//! The eight header slots of a bundle: reading, unlocking, replacing.
//!
//! Replacing writes a slot of the first file, flushes, reads it back, and only then goes on to the second
//! file: at every moment one whole, newest slot is on the medium. Slots lie 4 MiB apart in two files in
//! different folders, so that no single erase block holds them all.

mod share;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use age::Identity;
use gobag_format::{
    crypto::{Key, Random},
    escrow::{self, EscrowError},
    header::{HeaderError, HeaderRecord, HeaderSlot},
    ids::BundleId,
    keyslot::{KdfCost, KeySlot, KeySlotError, Root, Share},
    lease::UnlockMode,
    limits::{HEADER_SLOT_LEN, HEADER_SLOT_STRIDE, HEADER_SLOTS, MAX_ESCROW_LEN},
};
use thiserror::Error;

pub use share::{NewPassphrase, ShareProof, share_proof};
pub(crate) use share::{Wanted, keep_share, mode_of, name_of, wrap};

use crate::medium::{FileRef, Medium, settle, write_kept};

const FILES: u8 = 2;
/// Copies of a header.
const COPIES: u8 = FILES * HEADER_SLOTS as u8;
/// Distinct passphrase slots tried for one passphrase: what a forged header can make a person wait for.
const MAX_ATTEMPTS: usize = 8;

/// What opens a bundle.
pub enum Secret<'a> {
    /// The user's passphrase.
    Passphrase(&'a [u8]),
    /// The user's passphrase, and a share that the company gave for it.
    Shared {
        /// The passphrase.
        passphrase: &'a [u8],
        /// The share; where it does not fit, one that lies on the stick is tried.
        share: &'a Share,
    },
    /// An age identity of IT, for the escrow file.
    Escrow(&'a dyn Identity),
}

/// Why a bundle could not be unlocked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// The header cannot be read from the medium.
    #[error("cannot read {file}")]
    Medium {
        /// The file.
        file: FileRef,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// No header slot is usable.
    #[error("the bundle's header cannot be used")]
    Header(#[from] HeaderError),
    /// No passphrase slot opens.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The passphrase opens only an old copy of the header.
    #[error("this passphrase was replaced by a newer one")]
    PassphraseReplaced,
    /// The passphrase alone opens nothing, and no share is on the stick.
    #[error("this stick opens only together with a share of the company")]
    ShareNeeded,
    /// Wrong passphrase, or a share that does not belong to this stick, or not any more.
    #[error("wrong passphrase, or the company's share is of another time")]
    WrongShare,
    /// A passphrase slot is unusable.
    #[error("the bundle's key slot cannot be used")]
    KeySlot(#[from] KeySlotError),
    /// The bundle has no escrow file, or it was not found.
    #[error("the bundle has no escrow file")]
    NoEscrow,
    /// The escrow file does not open.
    #[error("the bundle's escrow file cannot be used")]
    Escrow(#[from] EscrowError),
}

impl UnlockError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Medium { .. } => "unlock.medium",
            Self::Header(error) => error.code(),
            Self::WrongPassphrase => "unlock.wrong-passphrase",
            Self::PassphraseReplaced => "unlock.passphrase-replaced",
            Self::ShareNeeded => "unlock.share-needed",
            Self::WrongShare => "unlock.wrong-share",
            Self::KeySlot(error) => error.code(),
            Self::NoEscrow => "unlock.no-escrow",
            Self::Escrow(error) => error.code(),
        }
    }
}

/// The header of an unlocked bundle.
pub(crate) struct Unlocked {
    pub(crate) bundle: BundleId,
    pub(crate) key: Key,
    pub(crate) record: HeaderRecord,
    /// Whether the bundle uses features that this program may only read.
    pub(crate) read_only: bool,
    wrapping: Mutex<Wrapping>,
}

/// What of a header changes while others use the bundle.
#[derive(Clone)]
pub(crate) struct Wrapping {
    pub(crate) generation: u64,
    pub(crate) key_slots: Vec<KeySlot>,
    /// What the passphrase came to, if it opened the bundle.
    pub(crate) root: Option<Arc<Root>>,
    /// The share that opened it together with the passphrase.
    pub(crate) share: Option<Share>,
    /// Slots that do not hold this header: torn, damaged, outdated or foreign.
    pub(crate) stale_slots: u8,
}

impl Unlocked {
    /// A bundle in the making, whose header comes to be with the first [`replace_all`].
    pub(crate) fn first(bundle: BundleId, key: Key, record: HeaderRecord, key_slots: Vec<KeySlot>) -> Self {
        let wrapping = Wrapping {
            generation: 0,
            key_slots,
            root: None,
            share: None,
            stale_slots: COPIES,
        };
        Self {
            bundle,
            key,
            record,
            read_only: false,
            wrapping: Mutex::new(wrapping),
        }
    }

    /// What changes, for as long as one looks at it.
    pub(crate) fn wrapping(&self) -> MutexGuard<'_, Wrapping> {
        self.wrapping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of this header.
    pub(crate) fn generation(&self) -> u64 {
        self.wrapping().generation
    }
}

/// All slots as they were read.
pub(crate) struct Headers(Vec<Result<HeaderSlot, HeaderError>>);

impl Headers {
    pub(crate) fn read(medium: &dyn Medium) -> Result<Self, UnlockError> {
        let (mut slots, mut failed) = (Vec::new(), None);
        for (file, offset) in places() {
            let mut bytes = vec![0; HEADER_SLOT_LEN];
            match medium.read_at(file, offset, &mut bytes) {
                Ok(()) => slots.push(HeaderSlot::decode(&bytes)),
                // A block that the flash gave up is one copy less; the others are there for that.
                Err(source) => {
                    slots.push(Err(HeaderError::Damaged));
                    if !is_damage(&source) {
                        failed = Some(UnlockError::Medium { file, source });
                    }
                }
            }
        }
        match failed {
            Some(failed) if slots.iter().all(Result::is_err) => Err(failed),
            _ => Ok(Self(slots)),
        }
    }

    /// The bundle that the newest whole slot names; not authenticated.
    pub(crate) fn bundle(&self) -> Result<BundleId, HeaderError> {
        self.newest_first().map(|slots| slots[0].bundle)
    }

    /// Finds the bundle key and the newest header that it vouches for; also by a share alone that was taken off the stick, which the result says.
    pub(crate) fn unlock(&self, medium: &dyn Medium, secret: &Secret<'_>) -> Result<Found, UnlockError> {
        let slots = self.newest_first()?;
        let (key, used) = match secret {
            Secret::Passphrase(passphrase) => by_passphrase(&slots, passphrase, None)?,
            Secret::Shared { passphrase, share } => by_passphrase(&slots, passphrase, Some(share))?,
            Secret::Escrow(identity) => (by_escrow(medium, slots[0].bundle, *identity)?, None),
        };
        let newest = slots
            .iter()
            .find(|slot| slot.authenticates(&key))
            .ok_or(HeaderError::NotAuthentic)?;
        if let Some(used) = &used
            && newest.key_slots.get(used.number) != Some(&used.slot)
        {
            return Err(match (mode_of(&newest.key_slots), secret) {
                // An older copy has a share; the newest wants one of the company's.
                (UnlockMode::Online, Secret::Shared { .. }) => UnlockError::WrongShare,
                (UnlockMode::Online, _) => UnlockError::ShareNeeded,
                _ => UnlockError::PassphraseReplaced,
            });
        }
        let current = |slot: &&HeaderSlot| slot.generation == newest.generation && slot.authenticates(&key);
        let current = slots.iter().copied().filter(current).count();
        let (root, share) = used.map_or((None, None), |used| (Some(Arc::new(used.root)), used.share));
        let forgotten = forgotten(secret, share.as_ref(), newest);
        let wrapping = Wrapping {
            generation: newest.generation,
            key_slots: newest.key_slots.clone(),
            root,
            share,
            stale_slots: (self.0.len() - current) as u8,
        };
        let unlocked = Unlocked {
            bundle: newest.bundle,
            record: newest.open(&key)?,
            read_only: newest.features.ro_compat != 0,
            key,
            wrapping: Mutex::new(wrapping),
        };
        Ok(Found { unlocked, forgotten })
    }

    /// Whether somebody else has replaced this header since.
    pub(crate) fn are_later(&self, unlocked: &Unlocked) -> bool {
        let known = unlocked.generation();
        let mut slots = self.0.iter().flatten();
        slots.any(|slot| slot.generation > known && slot.authenticates(&unlocked.key))
    }

    /// The generation that is still there when any one of the files is lost: the lower of their newest.
    fn held_by_each_file(&self, key: &Key) -> Option<u64> {
        let files = self.0.chunks(HEADER_SLOTS);
        let newest = files.filter_map(|slots| {
            let authentic = slots.iter().flatten().filter(|slot| slot.authenticates(key));
            authentic.map(|slot| slot.generation).max()
        });
        newest.min()
    }

    /// Whole slots, newest first. A slot of a newer format decides: this program must not fall back to an
    /// older copy of a header that a newer one has rewritten.
    fn newest_first(&self) -> Result<Vec<&HeaderSlot>, HeaderError> {
        let newer = |error: &&HeaderError| {
            matches!(
                error,
                HeaderError::NewerFormat { .. } | HeaderError::UnknownFeatures { .. }
            )
        };
        if let Some(error) = self.0.iter().filter_map(|slot| slot.as_ref().err()).find(newer) {
            return Err(error.clone());
        }
        let mut slots: Vec<_> = self.0.iter().filter_map(|slot| slot.as_ref().ok()).collect();
        if slots.is_empty() {
            let found = [HeaderError::CutOff, HeaderError::Damaged].into_iter();
            let mut found =
                found.filter(|error| self.0.iter().any(|slot| slot.as_ref().err() == Some(error)));
            return Err(found.next().unwrap_or(HeaderError::NotAHeader));
        }
        slots.sort_by_key(|slot| std::cmp::Reverse(slot.generation));
        Ok(slots)
    }
}

/// What a secret opens.
pub(crate) struct Found {
    pub(crate) unlocked: Unlocked,
    /// Why it opens nothing all the same: an older copy of the header still has a share that was being taken off the stick.
    pub(crate) forgotten: Option<UnlockError>,
}

/// Whether this share was found on the stick, in a copy of the header that is older than one without it.
fn forgotten(secret: &Secret<'_>, share: Option<&Share>, newest: &HeaderSlot) -> Option<UnlockError> {
    let used = share?.expose();
    let given = match secret {
        Secret::Shared { share, .. } => Some(share.expose()),
        Secret::Passphrase(_) | Secret::Escrow(_) => None,
    };
    let kept = newest.key_slots.iter().find_map(share::kept).map(Share::expose);
    match (given, kept) {
        (Some(given), _) if given == used => None,
        (_, Some(kept)) if kept == used => None,
        (Some(_), _) => Some(UnlockError::WrongShare),
        (None, _) => Some(UnlockError::ShareNeeded),
    }
}

/// The slot that a passphrase opened.
struct Used {
    number: usize,
    slot: KeySlot,
    root: Root,
    share: Option<Share>,
}

fn by_passphrase(
    slots: &[&HeaderSlot],
    passphrase: &[u8],
    given: Option<&Share>,
) -> Result<(Key, Option<Used>), UnlockError> {
    let mut tried = HashSet::new();
    let mut refused = UnlockError::WrongPassphrase;
    for slot in slots {
        let kept = slot.key_slots.iter().find_map(share::kept);
        for (number, key_slot) in slot.key_slots.iter().enumerate() {
            let shares: Vec<Option<&Share>> = match key_slot {
                KeySlot::Passphrase(_) => vec![None],
                KeySlot::Shared(_) => given.into_iter().chain(kept).map(Some).collect(),
                _ => continue,
            };
            if shares.is_empty() {
                // Not a word on the passphrase: without a share nobody can tell.
                refused = UnlockError::ShareNeeded;
            }
            for share in shares {
                if !tried.insert((number, key_slot.encode(), share.map(Share::expose))) {
                    continue;
                }
                if tried.len() > MAX_ATTEMPTS {
                    return Err(refused);
                }
                match share::open(key_slot, slot.bundle, number as u8, passphrase, share) {
                    Ok((key, root)) => {
                        let (slot, share) = (key_slot.clone(), share.cloned());
                        let used = Used {
                            number,
                            slot,
                            root,
                            share,
                        };
                        return Ok((key, Some(used)));
                    }
                    Err(KeySlotError::WrongPassphrase) if share.is_some() && kept.is_none() => {
                        refused = UnlockError::WrongShare;
                    }
                    Err(KeySlotError::WrongPassphrase) => {}
                    Err(error) => refused = UnlockError::KeySlot(error),
                }
            }
        }
    }
    Err(refused)
}

/// The escrow file's number is in the sealed record, so every file there may be is tried.
fn by_escrow(medium: &dyn Medium, bundle: BundleId, identity: &dyn Identity) -> Result<Key, UnlockError> {
    let mut refused = UnlockError::NoEscrow;
    for number in 0..ESCROW_FILES {
        let opened = match read_escrow(medium, number) {
            Ok(None) => continue,
            Ok(Some(file)) => escrow::open(bundle, &file, identity).map_err(UnlockError::from),
            Err(error) => Err(error),
        };
        match opened {
            Ok(key) => return Ok(key),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Escrow files alternate between these numbers.
pub(crate) const ESCROW_FILES: u32 = 2;

/// An escrow file; `None` when there is none of this number.
pub(crate) fn read_escrow(medium: &dyn Medium, number: u32) -> Result<Option<Vec<u8>>, UnlockError> {
    let file = FileRef::Escrow(number);
    let failed = |source| UnlockError::Medium { file, source };
    let len = match medium.len(file) {
        Ok(len) => usize::try_from(len).unwrap_or(usize::MAX),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    if len > MAX_ESCROW_LEN {
        return Err(EscrowError::TooLarge { len }.into());
    }
    let mut bytes = vec![0; len];
    medium.read_at(file, 0, &mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Why a header could not be replaced; the one before is still in force, or the new one already is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// The medium failed.
    #[error("cannot write {file}")]
    Medium {
        /// The file.
        file: FileRef,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// What was read back is not what was written.
    #[error("{file} did not keep what was written to it")]
    NotKept {
        /// The file.
        file: FileRef,
    },
    /// The record does not fit.
    #[error("the header cannot be written")]
    Header(#[from] HeaderError),
}

impl ReplaceError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Medium { .. } => "header.write",
            Self::NotKept { .. } => "header.not-kept",
            Self::Header(error) => error.code(),
        }
    }
}

/// Writes the next generation of the header, with what `change` makes of it, into every slot, alternating between the files, so that no copy with an
/// older key slot stays behind.
///
/// A place that cannot be written is one copy less, and no reason to leave what others hold: all are tried, and the first error is returned. But the
/// first copy decides: where it gets into neither file, nothing else is touched, and the header is what it was.
pub(crate) fn replace_all<E: From<ReplaceError>>(
    medium: &dyn Medium,
    unlocked: &Unlocked,
    random: &Arc<dyn Random>,
    change: impl FnOnce(&mut Wrapping) -> Result<(), E>,
) -> Result<(), E> {
    let mut wrapping = unlocked.wrapping();
    let mut next = wrapping.clone();
    change(&mut next)?;
    next.generation += 1;
    // What could not be read back may be there all the same: its number is not used again.
    wrapping.generation = next.generation;
    // Until all hold it, however this ends.
    wrapping.stale_slots = COPIES;
    let mut failed = Vec::new();
    for (nth, (file, offset)) in (1..).zip(places_in_turn()) {
        failed.extend(write(medium, file, offset, unlocked, &next, random).err());
        if nth == usize::from(FILES) && failed.len() == nth {
            return Err(failed.swap_remove(0).into());
        }
    }
    next.stale_slots = failed.len() as u8;
    *wrapping = next;
    failed
        .into_iter()
        .next()
        .map_or(Ok(()), |first| Err(first.into()))
}

/// What changes nothing but the header's number.
pub(crate) fn unchanged(_: &mut Wrapping) -> Result<(), ReplaceError> {
    Ok(())
}

fn write(
    medium: &dyn Medium,
    file: FileRef,
    offset: u64,
    unlocked: &Unlocked,
    wrapping: &Wrapping,
    random: &Arc<dyn Random>,
) -> Result<(), ReplaceError> {
    let slot = HeaderSlot::encode(
        unlocked.bundle,
        wrapping.generation,
        &wrapping.key_slots,
        &unlocked.record,
        &unlocked.key,
        &**random,
    )?;
    match write_kept(medium, file, offset, &slot) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ReplaceError::NotKept { file }),
        Err(source) => Err(ReplaceError::Medium { file, source }),
    }
}

/// Makes sure that the header that is read is on the medium: what is written under it would be lost with it.
pub(crate) fn settle_all(medium: &dyn Medium) -> Result<(), UnlockError> {
    let settled = (0..FILES).map(FileRef::Header).map(|file| {
        let settled = settle(medium, file);
        settled.map_err(|source| UnlockError::Medium { file, source })
    });
    // Each of them, whatever becomes of the others.
    settled.fold(Ok(()), Result::and)
}

/// The newest generation that this key vouches for in each of the files, and that is on the medium, not only in the
/// system's cache. A file that holds none does not count.
pub(crate) fn durable_generation(medium: &dyn Medium, unlocked: &Unlocked) -> Result<u64, UnlockError> {
    settle_all(medium)?;
    let headers = Headers::read(medium)?;
    headers.newest_first()?;
    let held = headers.held_by_each_file(&unlocked.key);
    Ok(held.ok_or(HeaderError::NotAuthentic)?)
}

/// A first passphrase slot for `key`.
pub(crate) fn passphrase_slots(
    bundle: BundleId,
    key: &Key,
    passphrase: &[u8],
    cost: KdfCost,
    random: &Arc<dyn Random>,
) -> Result<Vec<KeySlot>, KeySlotError> {
    use gobag_format::keyslot::PassphraseSlot;
    PassphraseSlot::create(bundle, 0, key, passphrase, cost, &**random)
        .map(|slot| vec![KeySlot::Passphrase(slot)])
}

/// The same in the order in which they are written.
fn places_in_turn() -> impl Iterator<Item = (FileRef, u64)> {
    (0..HEADER_SLOTS as u64)
        .flat_map(|nth| (0..FILES).map(move |file| (FileRef::Header(file), nth * HEADER_SLOT_STRIDE)))
}

fn places() -> impl Iterator<Item = (FileRef, u64)> {
    (0..FILES).flat_map(|file| {
        (0..HEADER_SLOTS as u64).map(move |nth| (FileRef::Header(file), nth * HEADER_SLOT_STRIDE))
    })
}

fn is_damage(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::NotFound
    )
}
