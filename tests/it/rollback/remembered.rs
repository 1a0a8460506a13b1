//! What is seen by somebody who remembers the stick, and what is not held against it.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use gobag_bundle::{
    Bundle, Secret, Session, SessionError, SessionOptions,
    medium::FileRef,
    memory::{Admitted, MemoryPlace, Refused, Witness},
    store::StoreMode,
    verify::verify_before,
};
use gobag_format::{
    Silent,
    memory::{MEMORY_LEN, MemoryName, Remember},
};
use gobag_tests::rng::{FixedRandom, Rng};

use super::{NEW, SIZES};
use crate::{
    damage::stick::{files, put, truth},
    reader::work,
    stick::{CHEAP, PASSPHRASE, Stick, ambient, unlock},
};

/// A notebook that remembers sticks, and can be lost, torn and full.
#[derive(Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Pages>>);

#[derive(Default)]
pub(super) struct Pages {
    pub(super) written: BTreeMap<String, Vec<u8>>,
    pub(super) is_full: bool,
    pub(super) is_torn: bool,
}

impl Notes {
    pub(super) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap()
    }

    /// The only page.
    pub(super) fn page(&self) -> Option<Vec<u8>> {
        let pages = self.pages();
        assert!(pages.written.len() <= 1);
        pages.written.values().next().cloned()
    }

    pub(super) fn rewrite(&self, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.pages().written.values_mut().next().unwrap());
    }
}

impl MemoryPlace for Notes {
    fn load(&self, name: &MemoryName) -> io::Result<Option<Vec<u8>>> {
        let pages = self.pages();
        match pages.is_torn {
            true => Err(io::Error::other("torn")),
            false => Ok(pages.written.get(&name.to_string()).cloned()),
        }
    }

    fn store(&self, name: &MemoryName, bytes: &[u8]) -> io::Result<()> {
        let mut pages = self.pages();
        if pages.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        assert_eq!(bytes.len(), MEMORY_LEN);
        pages.written.insert(name.to_string(), bytes.to_vec());
        Ok(())
    }

    fn forget(&self, name: &MemoryName) -> io::Result<()> {
        self.pages().written.remove(&name.to_string());
        Ok(())
    }
}

/// Everything that is on a stick.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// How a stick is opened.
#[derive(Clone)]
pub(super) struct Opening {
    pub(super) passphrase: &'static [u8],
    pub(super) mode: StoreMode,
    pub(super) accept_earlier: bool,
    pub(super) token: Option<String>,
    /// The first when none is named.
    pub(super) image: Option<String>,
}

impl Default for Opening {
    fn default() -> Self {
        Self {
            passphrase: PASSPHRASE,
            mode: StoreMode::Keep,
            accept_earlier: false,
            token: None,
            image: None,
        }
    }
}

/// An open stick, and who remembers it.
pub(super) struct Open {
    pub(super) session: Session,
    pub(super) witness: Arc<Witness>,
}

pub(super) fn unlocked(stick: &Stick, passphrase: &[u8]) -> Bundle {
    let random = ambient(Arc::new(FixedRandom::new(999)));
    unlock(stick.path(), &Secret::Passphrase(passphrase), true, random).unwrap()
}

impl Opening {
    pub(super) fn open(&self, stick: &Stick, notes: &Notes) -> Result<Open, Box<Refused>> {
        // Other salts for every opening of a test, as there are in life.
        static OPENINGS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1_000);
        let seed = OPENINGS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let random = ambient(Arc::new(FixedRandom::new(seed)));
        let bundle = unlock(stick.path(), &Secret::Passphrase(self.passphrase), true, random).unwrap();
        let mut witness = Witness::new(&bundle, Box::new(notes.clone()));
        if let Some(token) = &self.token {
            witness.take_token(&bundle, token.as_bytes()).unwrap();
        }
        let witness = Arc::new(witness);
        let options = SessionOptions {
            image: self.image.clone(),
            mode: self.mode,
            accept_earlier: self.accept_earlier,
            ..SessionOptions::default()
        };
        match Session::open_before(Arc::new(bundle), &options, Some(witness.clone())) {
            Ok(session) => Ok(Open { session, witness }),
            Err(SessionError::Refused(refused)) => Err(refused),
            Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
        }
    }

    pub(super) fn code(&self, stick: &Stick, notes: &Notes) -> &'static str {
        match self.open(stick, notes) {
            Ok(_) => "ok",
            Err(refused) => refused.code(),
        }
    }
}

/// Opens, works, and closes in order.
pub(super) fn day(stick: &Stick, notes: &Notes, rng: &mut Rng, operations: u64) -> Vec<Vec<u8>> {
    let mut open = Opening::default().open(stick, notes).unwrap();
    work(&open.session, rng, operations);
    let truth = truth(&open.session);
    open.session.close().unwrap();
    truth
}

/// A remembered stick at two moments, the later with a new passphrase.
struct Moments {
    stick: Stick,
    notes: Notes,
    earlier: Files,
    later: Files,
    truth: Vec<Vec<u8>>,
}

impl Moments {
    fn new(seed: u64, rule: Remember) -> Self {
        let (stick, notes) = (Stick::remembered(seed, SIZES, rule), Notes::default());
        let mut rng = Rng::new(seed);
        day(&stick, &notes, &mut rng, 150);
        let earlier = files(stick.path());
        let truth = day(&stick, &notes, &mut rng, 1500);
        set_passphrase(&stick, PASSPHRASE, NEW, &notes);
        let later = files(stick.path());
        Self {
            stick,
            notes,
            earlier,
            later,
            truth,
        }
    }

    fn go_back(&self, folders: &[&str]) {
        put(self.stick.path(), &self.later);
        let old = self
            .earlier
            .iter()
            .filter(|(name, _)| folders.iter().any(|folder| name.starts_with(folder)));
        put(self.stick.path(), old);
    }
}

#[test]
fn header_log_and_whole_stick_put_back_are_seen_by_who_remembers() {
    /// What is put back, what opens it, what is said, and whether header and log are called earlier.
    type Case = (&'static [&'static str], &'static [u8], &'static str, (bool, bool));
    let cases: [Case; 5] = [
        (&[], NEW, "ok", (false, false)),
        (&["CKPT/C0.GBC", "A"], NEW, "ok", (false, false)),
        (&["A", "B"], PASSPHRASE, "memory.earlier-state", (true, false)),
        (&["LOG", "CKPT"], NEW, "memory.earlier-state", (false, true)),
        (
            &["A", "B", "LOG", "CKPT", "KEYS", "IMAGES", "PACKS"],
            PASSPHRASE,
            "memory.earlier-state",
            (true, true),
        ),
    ];
    for seed in 20..22 {
        let moments = Moments::new(seed, Remember::Token);
        let page = moments.notes.page();
        for (folders, passphrase, expected, (header, log)) in cases {
            moments.go_back(folders);
            let before = files(moments.stick.path());
            for mode in [StoreMode::ReadOnly, StoreMode::Throwaway, StoreMode::Keep] {
                let opening = Opening {
                    passphrase,
                    mode,
                    ..Opening::default()
                };
                let opened = opening.open(&moments.stick, &moments.notes);
                let code = opened.as_ref().map_or_else(|refused| refused.code(), |_| "ok");
                assert_eq!(code, expected, "{folders:?} {mode:?}");
                if let Err(Refused::SetBack { set_back, .. }) = opened.map(drop).map_err(|refused| *refused) {
                    let (seen, found) = set_back.moments();
                    assert_eq!(found.generation < seen.generation, header, "{folders:?}");
                    assert_eq!(found.sequence < seen.sequence, log, "{folders:?}");
                }
            }
            let bundle = unlocked(&moments.stick, passphrase);
            let witness = Witness::new(&bundle, Box::new(moments.notes.clone()));
            let found = verify_before(&bundle, Some(&witness), &Silent).unwrap().findings;
            let found: Vec<&str> = found.iter().map(|finding| finding.code).collect();
            assert_eq!(found.contains(&expected), expected != "ok", "{found:?}");
            assert_eq!(bundle.judge(&witness).is_ok(), expected == "ok");
            drop(bundle);
            if expected != "ok" {
                // Refused before anything was changed, on the stick and in the memory.
                assert!(
                    files(moments.stick.path()) == before,
                    "{folders:?}: the stick was changed"
                );
                assert_eq!(moments.notes.page(), page, "{folders:?}");
            }
        }
        // The newest is still right afterwards.
        moments.go_back(&[]);
        let opening = Opening {
            passphrase: NEW,
            ..Opening::default()
        };
        let open = opening.open(&moments.stick, &moments.notes).unwrap();
        assert_eq!(open.witness.admitted(), Admitted::Right);
        assert!(truth(&open.session) == moments.truth);
    }
}

#[test]
fn another_history_of_the_same_length_is_seen() {
    let (stick, notes) = (Stick::remembered(30, SIZES, Remember::Token), Notes::default());
    day(&stick, &notes, &mut Rng::new(1), 50);
    let parting = files(stick.path());
    let one = |byte: u8, notes: &Notes| {
        let mut open = Opening::default().open(&stick, notes).unwrap();
        let home = &open.session.volumes()[1].volume;
        home.write_at(0, &[byte; 4096]).unwrap();
        home.flush().unwrap();
        open.session.close().unwrap();
    };
    one(1, &notes);
    put(stick.path(), &parting);
    // Somewhere that knows nothing of it.
    one(2, &Notes::default());
    assert_eq!(Opening::default().code(&stick, &notes), "memory.other-history");
}

#[test]
fn who_may_let_an_earlier_state_in_is_it_s_choice_and_the_stick_cannot_change_it() {
    for (rule, expected) in [(Remember::Token, "memory.earlier-state"), (Remember::Ask, "ok")] {
        let moments = Moments::new(40, rule);
        moments.go_back(&["LOG", "CKPT"]);
        let plain = Opening {
            passphrase: NEW,
            ..Opening::default()
        };
        assert_eq!(plain.code(&moments.stick, &moments.notes), "memory.earlier-state");
        let accepting = Opening {
            accept_earlier: true,
            ..plain.clone()
        };
        let opened = accepting.open(&moments.stick, &moments.notes);
        let code = opened.as_ref().map_or_else(|refused| refused.code(), |_| "ok");
        assert_eq!(code, expected);
        if let Ok(open) = opened {
            assert_eq!(open.witness.admitted(), Admitted::ByUser);
            drop(open);
            // Asked once.
            assert_eq!(plain.code(&moments.stick, &moments.notes), "ok");
        }
    }
}

#[test]
fn where_it_asks_for_nothing_nothing_is_kept() {
    let (stick, notes) = (Stick::new(50, SIZES), Notes::default());
    day(&stick, &notes, &mut Rng::new(2), 50);
    assert_eq!(notes.page(), None);
    // What is remembered of a stick whose next image asks for nothing goes: the twins differ in their policy alone.
    let [wanted, unwanted] = [Remember::Ask, Remember::Off].map(|rule| Stick::remembered(51, SIZES, rule));
    drop(Opening::default().open(&wanted, &notes).unwrap());
    assert!(notes.page().is_some());
    let open = Opening::default().open(&unwanted, &notes).unwrap();
    assert_eq!(open.witness.admitted(), Admitted::Right);
    assert_eq!(notes.page(), None);
}

/// Who may let an earlier state in by what is remembered.
fn remembered_rule(stick: &Stick, passphrase: &[u8], notes: &Notes) -> Option<Remember> {
    let bundle = unlocked(stick, passphrase);
    let known = Witness::new(&bundle, Box::new(notes.clone())).known();
    known.map(|known| known.rule)
}

/// Sets the passphrase as `gobag passwd` does.
pub(super) fn set_passphrase(stick: &Stick, old: &[u8], new: &[u8], notes: &Notes) {
    let mut bundle = unlocked(stick, old);
    let witness = Witness::new(&bundle, Box::new(notes.clone()));
    bundle.judge(&witness).unwrap();
    bundle.set_passphrase(new, CHEAP).unwrap();
    bundle.remember_header(&witness);
}

/// A thief cannot write a manifest, but can damage one. What is remembered stays, and as strict as it was, whatever is done
/// with the stick that needs no such image.
#[test]
fn a_damaged_manifest_makes_nobody_forget_and_loosens_nothing() {
    for other in [Remember::Off, Remember::Ask] {
        let rules = [Remember::Token, other];
        let (stick, notes) = (Stick::remembered_by(55, SIZES, &rules), Notes::default());
        let mut rng = Rng::new(5);
        day(&stick, &notes, &mut rng, 50);
        let earlier = files(stick.path());
        day(&stick, &notes, &mut rng, 50);
        let manifest = FileRef::Manifest(unlocked(&stick, PASSPHRASE).record().images[0].id).path();
        let mut damaged = earlier[&manifest].clone();
        damaged[20] ^= 1;
        let harm = Files::from([(manifest.clone(), damaged)]);
        let heal = Files::from([(manifest.clone(), earlier[&manifest].clone())]);
        put(stick.path(), &harm);
        set_passphrase(&stick, PASSPHRASE, NEW, &notes);
        assert_eq!(
            remembered_rule(&stick, NEW, &notes),
            Some(Remember::Token),
            "passwd"
        );
        let lab = Opening {
            passphrase: NEW,
            image: Some("lab".to_owned()),
            ..Opening::default()
        };
        let mut open = lab.open(&stick, &notes).unwrap();
        assert_eq!(open.witness.rule(), Remember::Token);
        work(&open.session, &mut rng, 50);
        open.session.close().unwrap();
        drop(open);
        assert_eq!(remembered_rule(&stick, NEW, &notes), Some(Remember::Token), "lab");
        let newest = files(stick.path());
        for accept_earlier in [false, true] {
            put(stick.path(), &earlier);
            put(stick.path(), &harm);
            let opening = Opening {
                passphrase: PASSPHRASE,
                accept_earlier,
                ..lab.clone()
            };
            assert_eq!(opening.code(&stick, &notes), "memory.earlier-state");
        }
        // A computer that knows nothing of it goes by those it can ask, until it can ask all.
        let elsewhere = Notes::default();
        for (state, expected) in [(&harm, other), (&heal, Remember::Token)] {
            put(stick.path(), &newest);
            put(stick.path(), state);
            drop(lab.open(&stick, &elsewhere).unwrap());
            let expected = Some(expected).filter(|rule| *rule != Remember::Off);
            assert_eq!(remembered_rule(&stick, NEW, &elsewhere), expected);
        }
    }
}

/// The header is remembered before anything of the log is.
#[test]
fn a_passphrase_changed_before_the_first_start_refuses_nobody() {
    let (stick, notes) = (Stick::remembered(56, SIZES, Remember::Token), Notes::default());
    set_passphrase(&stick, PASSPHRASE, NEW, &notes);
    assert!(notes.page().is_some());
    let opening = Opening {
        passphrase: NEW,
        ..Opening::default()
    };
    assert_eq!(opening.code(&stick, &notes), "ok");
}

#[test]
fn sessions_that_keep_nothing_leave_no_memory() {
    let (stick, notes) = (Stick::remembered(51, SIZES, Remember::Token), Notes::default());
    for mode in [StoreMode::ReadOnly, StoreMode::Throwaway] {
        let opening = Opening {
            mode,
            ..Opening::default()
        };
        let mut open = opening.open(&stick, &notes).unwrap();
        if mode == StoreMode::Throwaway {
            open.session.volumes()[1].volume.write_at(0, &[1; 4096]).unwrap();
            open.session.volumes()[1].volume.flush().unwrap();
        }
        open.session.remember();
        open.session.remember();
        open.session.close().unwrap();
        assert_eq!(notes.page(), None, "{mode:?}");
    }
}

#[test]
fn a_memory_that_cannot_be_used_is_said_to_be_and_refuses_nothing() {
    type Harm = fn(&Notes);
    let cases: [(&str, bool, Harm); 6] = [
        ("memory.damaged", true, |notes| {
            notes.rewrite(|page| page[60] ^= 1)
        }),
        ("memory.damaged", true, |notes| {
            notes.rewrite(|page| page.truncate(200))
        }),
        ("memory.damaged", true, |notes| {
            notes.rewrite(|page| page.resize(1 << 20, 0))
        }),
        ("memory.not-a-memory", true, |notes| {
            notes.rewrite(|page| *page = b"x".to_vec())
        }),
        ("memory.newer-format", false, |notes| {
            notes.rewrite(|page| page[8] = 2)
        }),
        ("memory.unreadable", false, |notes| notes.pages().is_torn = true),
    ];
    for (expected, is_replaced, harm) in cases {
        let (stick, notes) = (Stick::remembered(52, SIZES, Remember::Token), Notes::default());
        day(&stick, &notes, &mut Rng::new(3), 50);
        harm(&notes);
        let harmed = notes.page();
        let mut open = Opening::default().open(&stick, &notes).unwrap();
        let codes: Vec<_> = open
            .witness
            .take_troubles()
            .iter()
            .map(|trouble| trouble.code())
            .collect();
        assert_eq!(codes, [expected]);
        assert_eq!(open.witness.admitted(), Admitted::Unknown);
        open.session.close().unwrap();
        drop(open);
        notes.pages().is_torn = false;
        if is_replaced {
            let open = Opening::default().open(&stick, &notes).unwrap();
            assert_eq!(open.witness.admitted(), Admitted::Right, "{expected}");
        } else if expected == "memory.newer-format" {
            assert_eq!(notes.page(), harmed, "a newer program's memory was touched");
        }
    }
    // Nobody is kept from work because nothing can be written down.
    let (stick, notes) = (Stick::remembered(53, SIZES, Remember::Token), Notes::default());
    notes.pages().is_full = true;
    let open = Opening::default().open(&stick, &notes).unwrap();
    assert_eq!(open.witness.take_troubles()[0].code(), "memory.not-written");
}

#[test]
fn the_same_stick_twice_at_once_does_not_set_the_memory_back() {
    let (stick, notes) = (Stick::remembered(54, SIZES, Remember::Token), Notes::default());
    let mut rng = Rng::new(4);
    day(&stick, &notes, &mut rng, 50);
    let copy = files(stick.path());
    let mut slow = Opening::default().open(&stick, &notes).unwrap();
    // Meanwhile the copy, which is another folder in life, goes on much further.
    let other = Stick::remembered(54, SIZES, Remember::Token);
    put(other.path(), &copy);
    day(&other, &notes, &mut rng, 300);
    let page = notes.page();
    slow.session.volumes()[1].volume.write_at(0, &[1; 4096]).unwrap();
    slow.session.close().unwrap();
    let codes: Vec<_> = slow
        .witness
        .take_troubles()
        .iter()
        .map(|trouble| trouble.code())
        .collect();
    assert_eq!((codes, notes.page()), (vec!["memory.other-copy"], page));
}
