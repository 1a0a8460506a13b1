//! Slots that want a share: opening them, and going from one way of unlocking to another.

use std::path::Path;

use gobag_format::{
    crypto::Key,
    ids::BundleId,
    keyslot::{KeySlot, KeySlotError, PassphraseSlot, Root, Share, ShareName, SharedSlot},
    lease::UnlockMode,
    limits::MAX_KEY_SLOTS,
    sign::{SigningKey, VerifyingKey},
};

use super::{Headers, UnlockError, Unlocked, Wrapping};
use crate::{ChangeError, OpenError, medium::StickMedium};

/// The user's slot.
const USER: usize = 0;

/// A passphrase that was paid for, and is not in force yet.
pub struct NewPassphrase {
    pub(crate) root: Root,
    pub(crate) bundle: BundleId,
}

impl NewPassphrase {
    /// What [`crate::Bundle::proof_key`] is when it is in force.
    pub fn proof_key(&self) -> VerifyingKey {
        self.root.proof_key(self.bundle).verifying_key()
    }

    /// By what somebody proves to know it.
    pub fn prover(&self) -> SigningKey {
        self.root.proof_key(self.bundle)
    }
}

/// What the user's slot shall want besides the passphrase.
#[derive(Clone)]
pub(crate) enum Wanted {
    /// Nothing.
    Passphrase,
    /// A share of this name.
    Share {
        share: Share,
        /// None if the company cannot give it for the passphrase that is in force now.
        name: Option<ShareName>,
        /// Whether it lies on the stick.
        keep: bool,
    },
}

/// What these key slots want besides the passphrase.
pub(crate) fn mode_of(slots: &[KeySlot]) -> UnlockMode {
    let is_shared = matches!(slots.get(USER), Some(KeySlot::Shared(_)));
    match (is_shared, slots.iter().any(|slot| kept(slot).is_some())) {
        (false, _) => UnlockMode::Offline,
        (true, true) => UnlockMode::Leased,
        (true, false) => UnlockMode::Online,
    }
}

/// What the company calls the share that these key slots want.
pub(crate) fn name_of(slots: &[KeySlot]) -> Option<ShareName> {
    slots.iter().find_map(|slot| match slot {
        KeySlot::ShareName(name) => Some(*name),
        _ => None,
    })
}

/// The share that lies in a slot.
pub(super) fn kept(slot: &KeySlot) -> Option<&Share> {
    match slot {
        KeySlot::Share(share) => Some(share),
        _ => None,
    }
}

/// Opens a slot, by a share where it wants one.
pub(super) fn open(
    slot: &KeySlot,
    bundle: BundleId,
    number: u8,
    passphrase: &[u8],
    share: Option<&Share>,
) -> Result<(Key, Root), KeySlotError> {
    match (slot, share) {
        (KeySlot::Passphrase(slot), _) => {
            let root = slot.harden(passphrase)?;
            Ok((slot.open_under(bundle, number, &root)?, root))
        }
        (KeySlot::Shared(slot), Some(share)) => {
            let root = slot.harden(passphrase)?;
            Ok((slot.open(bundle, number, &root, share)?, root))
        }
        _ => Err(KeySlotError::WrongPassphrase),
    }
}

/// Puts the user's slot under the passphrase and what else is wanted; in memory.
pub(crate) fn wrap(unlocked: &Unlocked, wrapping: &mut Wrapping, wanted: Wanted) -> Result<(), ChangeError> {
    let root = wrapping.root.as_ref().ok_or(ChangeError::NotByPassphrase)?;
    let (bundle, number, key) = (unlocked.bundle, USER as u8, &unlocked.key);
    let (slot, share, name, keep) = match wanted {
        Wanted::Passphrase => {
            let slot = PassphraseSlot::under(bundle, number, key, root);
            (KeySlot::Passphrase(slot), None, None, false)
        }
        Wanted::Share { share, name, keep } => {
            let slot = SharedSlot::create(bundle, number, key, root, &share);
            (KeySlot::Shared(slot), Some(share), name, keep)
        }
    };
    let slots = &mut wrapping.key_slots;
    slots.resize(MAX_KEY_SLOTS, KeySlot::Empty);
    slots[USER] = slot;
    keep_share(slots, share.as_ref().filter(|_| keep));
    clear(slots, |slot| matches!(slot, KeySlot::ShareName(_)));
    if let Some(name) = name {
        put(slots, KeySlot::ShareName(name));
    }
    wrapping.share = share;
    Ok(())
}

/// Leaves this share, or none, beside the slots.
pub(crate) fn keep_share(slots: &mut [KeySlot], share: Option<&Share>) {
    clear(slots, |slot| kept(slot).is_some());
    if let Some(share) = share {
        put(slots, KeySlot::Share(share.clone()));
    }
}

fn clear(slots: &mut [KeySlot], is_old: impl Fn(&KeySlot) -> bool) {
    slots
        .iter_mut()
        .filter(|slot| is_old(slot))
        .for_each(|slot| *slot = KeySlot::Empty);
}

/// Into the first free place behind the user's. What later versions put into others stays.
fn put(slots: &mut [KeySlot], slot: KeySlot) {
    let mut places = slots.iter_mut().skip(USER + 1);
    if let Some(place) = places.find(|place| matches!(place, KeySlot::Empty)) {
        *place = slot;
    }
}

/// What somebody who typed a stick's passphrase asks the company with for its share.
pub struct ShareProof {
    /// The stick; not authenticated.
    pub bundle: BundleId,
    /// Signs the company's question. Whether the passphrase is right nobody here can tell: the company can, which knows the public half
    /// (`Bundle::proof_key`).
    pub key: SigningKey,
    /// Which share is wanted; none on a stick that the company cannot help.
    pub name: Option<ShareName>,
}

/// What to ask the company with for the share that a stick wants; `None` where it wants none. Costs as much as opening.
pub fn share_proof(stick: &Path, passphrase: &[u8]) -> Result<Option<ShareProof>, OpenError> {
    let headers = Headers::read(&StickMedium::peek(stick))?;
    let slots = headers.newest_first().map_err(UnlockError::Header)?;
    match slots[0].key_slots.get(USER) {
        Some(KeySlot::Shared(slot)) => {
            let root = slot.harden(passphrase).map_err(UnlockError::KeySlot)?;
            Ok(Some(ShareProof {
                bundle: slots[0].bundle,
                key: root.proof_key(slots[0].bundle),
                name: name_of(&slots[0].key_slots),
            }))
        }
        _ => Ok(None),
    }
}
