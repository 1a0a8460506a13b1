//! Slots that want a share: opening them, and going from one way of unlocking to another.

use std::path::Path;

use gobag_format::{
    crypto::Key,
    ids::BundleId,
    keyslot::{KeySlot, KeySlotError, PassphraseSlot, Root, Share, SharedSlot},
    lease::UnlockMode,
    limits::MAX_KEY_SLOTS,
    sign::SigningKey,
};

use super::{Headers, UnlockError, Unlocked};
use crate::{OpenError, medium::StickMedium};

/// The user's slot.
const USER: usize = 0;

/// The bundle was not opened by its passphrase, so nothing can be wrapped under it.
pub(crate) struct NoRoot;

/// What these key slots want besides the passphrase.
pub(crate) fn mode_of(slots: &[KeySlot]) -> UnlockMode {
    let is_shared = matches!(slots.get(USER), Some(KeySlot::Shared(_)));
    match (is_shared, slots.iter().any(|slot| kept(slot).is_some())) {
        (false, _) => UnlockMode::Offline,
        (true, true) => UnlockMode::Leased,
        (true, false) => UnlockMode::Online,
    }
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

/// Puts the user's slot under `share`, or under the passphrase alone, and keeps the share on the stick or takes it away; in memory.
pub(crate) fn set_mode(unlocked: &mut Unlocked, share: Option<Share>, keep: bool) -> Result<(), NoRoot> {
    let root = unlocked.root.as_ref().ok_or(NoRoot)?;
    let (bundle, number, key) = (unlocked.bundle, USER as u8, &unlocked.key);
    let slot = match &share {
        Some(share) => KeySlot::Shared(SharedSlot::create(bundle, number, key, root, share)),
        None => KeySlot::Passphrase(PassphraseSlot::under(bundle, number, key, root)),
    };
    let slots = &mut unlocked.key_slots;
    slots.resize(MAX_KEY_SLOTS, KeySlot::Empty);
    slots[USER] = slot;
    keep_share(slots, share.as_ref().filter(|_| keep));
    unlocked.share = share;
    Ok(())
}

/// Leaves this share, or none, beside the slots. What later versions put into others stays.
pub(crate) fn keep_share(slots: &mut [KeySlot], share: Option<&Share>) {
    slots
        .iter_mut()
        .filter(|slot| kept(slot).is_some())
        .for_each(|slot| *slot = KeySlot::Empty);
    let place = slots
        .iter_mut()
        .skip(USER + 1)
        .find(|slot| matches!(slot, KeySlot::Empty));
    if let (Some(place), Some(share)) = (place, share) {
        *place = KeySlot::Share(share.clone());
    }
}

/// The key by which somebody who knows the stick's passphrase asks the company for its share; `None` where the stick wants no share. Whether the passphrase
/// is right nobody here can tell: the company can, which knows the public half (`Bundle::proof_key`).
pub fn share_proof(stick: &Path, passphrase: &[u8]) -> Result<Option<SigningKey>, OpenError> {
    let headers = Headers::read(&StickMedium::peek(stick))?;
    let slots = headers.newest_first().map_err(UnlockError::Header)?;
    match slots[0].key_slots.get(USER) {
        Some(KeySlot::Shared(slot)) => {
            let root = slot.harden(passphrase).map_err(UnlockError::KeySlot)?;
            Ok(Some(root.proof_key(slots[0].bundle)))
        }
        _ => Ok(None),
    }
}
