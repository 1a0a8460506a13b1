//! Parts of a stick, or all of it, put back to an earlier copy: what is refused, what is healed, and what cannot be seen from
//! the stick alone. `docs/reliability.md` has this as a table; a change here is a change there. What somebody sees who
//! remembers the stick is in [`remembered`], [`tokens`] and [`behind`].

mod behind;
mod remembered;
mod tokens;

use std::{path::PathBuf, sync::Arc};

use gobag_bundle::{OpenError, Secret, UnlockError};
use gobag_tests::rng::{FixedRandom, Rng};

use crate::{
    damage::stick::{files, is_whole, look, put, truth},
    reader::work,
    stick::{CHEAP, PASSPHRASE, Sizes, Stick, ambient, unlock},
};

const SIZES: Sizes = Sizes {
    base_chunks: 4,
    home: 1 << 20,
    system_space: 2 << 20,
    segment: 128 << 10,
};
const NEW: &[u8] = b"a second passphrase, chosen later";

/// A stick with two moments: an earlier one, and one after more work and a change of the passphrase.
struct Moments {
    stick: Stick,
    earlier_files: std::collections::BTreeMap<PathBuf, Vec<u8>>,
    later_files: std::collections::BTreeMap<PathBuf, Vec<u8>>,
    earlier: Vec<Vec<u8>>,
    later: Vec<Vec<u8>>,
}

impl Moments {
    fn new(seed: u64) -> Self {
        let stick = Stick::new(seed, SIZES);
        let mut rng = Rng::new(seed);
        let mut session = stick.open(true);
        work(&session, &mut rng, 150);
        let earlier = truth(&session);
        session.close().unwrap();
        drop(session);
        let earlier_files = files(stick.path());
        let mut session = stick.open(true);
        // So much that every segment is used for something else.
        work(&session, &mut rng, 1500);
        let later = truth(&session);
        session.close().unwrap();
        drop(session);
        let random = ambient(Arc::new(FixedRandom::new(seed + 100)));
        let mut bundle = unlock(stick.path(), &Secret::Passphrase(PASSPHRASE), true, random).unwrap();
        bundle.set_passphrase(NEW, CHEAP).unwrap();
        drop(bundle);
        let later_files = files(stick.path());
        assert!(earlier != later);
        Self {
            stick,
            earlier_files,
            later_files,
            earlier,
            later,
        }
    }

    /// Puts the files of these folders back to the earlier moment, and all others to the later one.
    fn go_back(&self, folders: &[&str]) {
        put(self.stick.path(), &self.later_files);
        let old = self
            .earlier_files
            .iter()
            .filter(|(name, _)| folders.iter().any(|folder| name.starts_with(folder)));
        put(self.stick.path(), old);
    }

    fn refusal(&self, passphrase: &[u8]) -> UnlockError {
        let random = ambient(Arc::new(FixedRandom::new(1)));
        match unlock(self.stick.path(), &Secret::Passphrase(passphrase), false, random) {
            Err(OpenError::Unlock(error)) => error,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("the bundle opens"),
        }
    }
}

#[test]
fn an_earlier_log_is_refused() {
    for seed in 0..3 {
        let moments = Moments::new(seed);
        moments.go_back(&["LOG"]);
        let whole = is_whole(look(moments.stick.path(), NEW), &moments.later, "log of earlier");
        assert!(!whole, "seed {seed}: nobody noticed");
    }
}

#[test]
fn earlier_checkpoints_are_healed_or_refused() {
    for seed in 0..3 {
        let moments = Moments::new(seed);
        moments.go_back(&["CKPT"]);
        let whole = is_whole(
            look(moments.stick.path(), NEW),
            &moments.later,
            "checkpoints of earlier",
        );
        // So much was written since that the way from there is overwritten.
        assert!(!whole, "seed {seed}: nobody noticed");
        // A single area of earlier is what every session leaves.
        moments.go_back(&["CKPT/C0.GBC"]);
        assert!(is_whole(
            look(moments.stick.path(), NEW),
            &moments.later,
            "one area of earlier"
        ));
    }
}

#[test]
fn one_earlier_header_file_is_outvoted_and_its_passphrase_refused() {
    let moments = Moments::new(4);
    for folder in ["A", "B"] {
        moments.go_back(&[folder]);
        assert!(is_whole(look(moments.stick.path(), NEW), &moments.later, folder));
        assert!(
            matches!(moments.refusal(PASSPHRASE), UnlockError::PassphraseReplaced),
            "{folder}"
        );
    }
}

/// What DESIGN says of the whole stick holds for these too: nothing outside of them remembers.
#[test]
fn what_cannot_be_seen_from_the_stick_alone_is_at_least_a_moment_that_was() {
    let moments = Moments::new(5);
    // Both header files: the replaced passphrase is in force again. The work is not older.
    moments.go_back(&["A", "B"]);
    assert!(is_whole(
        look(moments.stick.path(), PASSPHRASE),
        &moments.later,
        "header of earlier"
    ));
    assert!(matches!(moments.refusal(NEW), UnlockError::WrongPassphrase));
    // Log and checkpoints together: exactly the earlier moment.
    moments.go_back(&["LOG", "CKPT"]);
    assert!(is_whole(
        look(moments.stick.path(), NEW),
        &moments.earlier,
        "log and checkpoints of earlier"
    ));
    // The whole stick.
    moments.go_back(&["A", "B", "LOG", "CKPT", "KEYS"]);
    assert!(is_whole(
        look(moments.stick.path(), PASSPHRASE),
        &moments.earlier,
        "stick of earlier"
    ));
}
