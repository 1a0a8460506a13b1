//! Restored copies that IT lets in: the right one, once.

use gobag_bundle::memory::{Admitted, Refused, Witness};
use gobag_format::{
    crypto::Key,
    ids::{BundleId, OrgId},
    memory::Remember,
    sign::SigningKey,
    token::{RestoreRequest, RestoreToken},
};
use gobag_tests::rng::Rng;

use super::{
    SIZES,
    remembered::{Files, Notes, Opening, day, unlocked},
};
use crate::{
    damage::stick::{files, put, truth},
    stick::{PASSPHRASE, Stick},
};

/// A remembered stick that was put back whole.
struct Restored {
    stick: Stick,
    notes: Notes,
    earlier: Files,
    truth: Vec<Vec<u8>>,
    /// What the refusal tells IT.
    code: String,
    id: BundleId,
}

impl Restored {
    fn new(seed: u64) -> Self {
        let (stick, notes) = (Stick::remembered(seed, SIZES, Remember::Token), Notes::default());
        let mut rng = Rng::new(seed);
        let truth = day(&stick, &notes, &mut rng, 150);
        let earlier = files(stick.path());
        day(&stick, &notes, &mut rng, 300);
        put(stick.path(), &earlier);
        let (code, id) = (told(&stick, &notes), gobag_bundle::Bundle::identify(stick.path()));
        Self {
            stick,
            notes,
            earlier,
            truth,
            code,
            id: id.unwrap(),
        }
    }

    /// What IT makes of the code.
    fn token(&self, number: u64) -> RestoreToken {
        RestoreToken {
            org: self.stick.secrets.org,
            bundle: self.id,
            request: RestoreRequest::parse(&self.code, self.id).unwrap(),
            number,
        }
    }

    fn signed(&self, number: u64) -> String {
        self.token(number).sign(&self.stick.secrets.signing_key())
    }
}

/// The code of a refusal.
fn told(stick: &Stick, notes: &Notes) -> String {
    match Opening::default().open(stick, notes).map(drop) {
        Err(refused) => match *refused {
            Refused::SetBack { code, .. } | Refused::Token { code, .. } => code,
            other => panic!("{other}"),
        },
        Ok(()) => panic!("it opens"),
    }
}

fn with(token: String) -> Opening {
    Opening {
        token: Some(token),
        ..Opening::default()
    }
}

#[test]
fn the_copy_that_it_agreed_to_is_let_in_once() {
    let restored = Restored::new(60);
    let (stick, notes) = (&restored.stick, &restored.notes);
    let token = restored.signed(100);
    let mut open = with(token.clone()).open(stick, notes).unwrap();
    assert_eq!(open.witness.admitted(), Admitted::ByToken);
    assert!(truth(&open.session) == restored.truth);
    open.session.close().unwrap();
    drop(open);
    // From now on it is the newest, and needs no token; one that is given all the same is not asked for.
    assert_eq!(Opening::default().code(stick, notes), "ok");
    let open = with(token.clone()).open(stick, notes).unwrap();
    assert_eq!(open.witness.admitted(), Admitted::Right);
    drop(open);
    // Somebody puts the same copy back a second time.
    day(stick, notes, &mut Rng::new(6), 20);
    put(stick.path(), &restored.earlier);
    assert_eq!(with(token).code(stick, notes), "token.used");
    assert_eq!(with(restored.signed(99)).code(stick, notes), "token.used");
    // A new one for it does.
    assert_eq!(with(restored.signed(101)).code(stick, notes), "ok");
}

#[test]
fn no_other_copy_and_nothing_later_than_it_knew() {
    let restored = Restored::new(61);
    let (stick, notes) = (&restored.stick, &restored.notes);
    let token = restored.signed(100);
    // A second computer on which the stick went on after the one that refused.
    let second = Notes::default();
    day(stick, &second, &mut Rng::new(7), 600);
    put(stick.path(), &restored.earlier);
    assert_eq!(with(token.clone()).code(stick, &second), "token.too-early");
    // Another state than the one that was agreed to: the copy went on meanwhile, elsewhere.
    day(stick, &Notes::default(), &mut Rng::new(8), 5);
    assert_eq!(with(token.clone()).code(stick, notes), "token.other-moment");
    // Without a place to write its use down it does not count.
    put(stick.path(), &restored.earlier);
    notes.pages().is_full = true;
    assert_eq!(with(token.clone()).code(stick, notes), "memory.not-written");
    notes.pages().is_full = false;
    assert_eq!(with(token).code(stick, notes), "ok");
}

#[test]
fn a_token_counts_only_where_its_use_is_remembered() {
    let restored = Restored::new(62);
    for mode in [
        gobag_bundle::store::StoreMode::ReadOnly,
        gobag_bundle::store::StoreMode::Throwaway,
    ] {
        let opening = Opening {
            mode,
            ..with(restored.signed(100))
        };
        assert_eq!(
            opening.code(&restored.stick, &restored.notes),
            "memory.earlier-state"
        );
    }
}

#[test]
fn what_is_not_it_s_word_on_this_stick_is_called_by_name() {
    let restored = Restored::new(63);
    let bundle = unlocked(&restored.stick, PASSPHRASE);
    let code = |text: &str| {
        let mut witness = Witness::new(&bundle, Box::new(restored.notes.clone()));
        witness.take_token(&bundle, text.as_bytes()).unwrap_err().code()
    };
    let ours = restored.stick.secrets.signing_key();
    let forger = SigningKey::from_seed(&Key::from_bytes([1; 32]));
    assert_eq!(code(&restored.token(1).sign(&forger)), "token.bad-signature");
    let altered = restored.signed(1).replace("number: 1\n", "number: 2\n");
    assert_eq!(code(&altered), "token.bad-signature");
    let foreign = RestoreToken {
        org: OrgId([9; 16]),
        ..restored.token(1)
    };
    assert_eq!(code(&foreign.sign(&ours)), "token.other-org");
    let other = RestoreToken {
        bundle: BundleId([9; 16]),
        ..restored.token(1)
    };
    assert_eq!(code(&other.sign(&ours)), "token.other-bundle");
    assert_eq!(code("please"), "token.malformed");
    // A code read from another stick.
    assert!(RestoreRequest::parse(&restored.code, BundleId([9; 16])).is_err());
}
