//! New passphrases and new escrow files, cut at any write of the real driver.
//!
//! Whatever is cut, the stick opens with the passphrase in force, or with the one that was about to be; an escrow file that
//! was there opens it too; and what it holds is untouched. The escrow file is replaced by writing another and deleting
//! the old one, so the file system may want a repair; the bundle has to be whole after it.

use std::{fs::File, path::Path, sync::Arc};

use gobag_bundle::{OpenError, Secret, Session, SessionOptions, UnlockError, store::StoreMode};
use gobag_tests::{
    ask,
    rng::{FixedRandom, Rng},
};
use tempfile::TempDir;

use super::{
    Job, Plan, SIZES, VOLUMES, boot,
    cuts::{about, at_writes},
    fat,
    guest::mark,
    kernel,
    peers::repaired,
};
use crate::{
    reader::work as fill,
    stick::{CHEAP, PASSPHRASE, Stick, ambient, content, unlock},
};

/// Changes: a passphrase, an escrow file, a passphrase, …
const CHANGES: u64 = 8;
const POINTS: u64 = 40;

/// The passphrase after so many changes of it.
fn passphrase(number: u64) -> Vec<u8> {
    match number {
        0 => PASSPHRASE.to_vec(),
        number => format!("passphrase number {number}").into_bytes(),
    }
}

/// The guest's side.
pub(super) fn work(plan: &Plan, stick: &Path) {
    let recipient: age::x25519::Recipient = plan.word.parse().unwrap();
    mark(0);
    for change in 0..plan.operations {
        let now = passphrase(change.div_ceil(2));
        let ambient = ambient(Arc::new(FixedRandom::new(2000 + change)));
        let mut bundle = unlock(stick, &Secret::Passphrase(&now), true, ambient).unwrap();
        if change % 2 == 0 {
            bundle.set_passphrase(&passphrase(change / 2 + 1), CHEAP).unwrap();
        } else {
            bundle.set_escrow(&[&recipient]).unwrap();
        }
        drop(bundle);
        mark(change as usize + 1);
    }
}

#[test]
fn guest_changes_passphrases_and_escrow_and_is_cut_at_any_write() {
    let Some(kernel) = kernel() else { return };
    let identity = age::x25519::Identity::generate();
    let mut plan = Plan::new(ask::seed().unwrap_or(7), CHANGES, Job::Rekey);
    plan.word = identity.to_public().to_string();
    let stick = Stick::new(plan.seed, SIZES);
    let mut session = stick.open(true);
    fill(&session, &mut Rng::new(plan.seed), 60);
    session.close().unwrap();
    drop(session);
    let session = stick.open(false);
    let truth: Vec<Vec<u8>> = VOLUMES.iter().map(|name| content(&session, name)).collect();
    drop(session);
    let folder = TempDir::new().unwrap();
    let written =
        boot::run(&kernel, &plan, stick.path(), folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let (mut looked, mut repairs) = (0, 0);
    let mut rng = Rng::new(plan.seed);
    let chosen = about(ask::seeds(POINTS));
    let (candidates, confirmed) = at_writes(&written, folder.path(), &mut rng, chosen, |cut| {
        let place = &cut.place;
        let image = repaired(cut.image, folder.path(), &mut repairs);
        let copy = tempfile::tempdir_in(folder.path()).unwrap();
        fat::extract(&File::open(&image).unwrap(), copy.path())
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        check(copy.path(), cut.confirmed as u64, &identity, &truth, place);
        looked += 1;
    });
    assert_eq!(confirmed as u64, CHANGES, "the guest did not come to its end");
    eprintln!(
        "{CHANGES} changes, {candidates} writes, {looked} cuts: all open; the file system wanted {repairs} repairs"
    );
}

/// A stick that was cut after `confirmed` changes, or in the next one.
fn check(stick: &Path, confirmed: u64, identity: &age::x25519::Identity, truth: &[Vec<u8>], place: &str) {
    let open = |secret: &Secret<'_>| unlock(stick, secret, false, ambient(Arc::new(FixedRandom::new(5))));
    let now = confirmed.div_ceil(2);
    // A change of the passphrase that had begun may be in force, then the one before is not.
    let bundle = match open(&Secret::Passphrase(&passphrase(now))) {
        Err(OpenError::Unlock(UnlockError::PassphraseReplaced | UnlockError::WrongPassphrase))
            if confirmed.is_multiple_of(2) =>
        {
            open(&Secret::Passphrase(&passphrase(now + 1)))
        }
        opened => opened,
    };
    let bundle = bundle.unwrap_or_else(|error| panic!("{place}: {error}"));
    let options = SessionOptions {
        mode: StoreMode::ReadOnly,
        ..SessionOptions::default()
    };
    let session =
        Session::open(Arc::new(bundle), &options).unwrap_or_else(|error| panic!("{place}: {error}"));
    for (name, truth) in VOLUMES.iter().zip(truth) {
        assert!(content(&session, name) == *truth, "{place}: {name} changed");
    }
    drop(session);
    if now > 0 {
        let before = open(&Secret::Passphrase(&passphrase(now - 1)));
        assert!(before.is_err(), "{place}: a replaced passphrase opens");
    }
    if confirmed >= 2 {
        let escrow = open(&Secret::Escrow(identity));
        assert!(
            escrow.is_ok(),
            "{place}: the escrow does not open: {:?}",
            escrow.err()
        );
    }
}
