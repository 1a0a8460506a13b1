//! The ledger on a real folder: kept, torn, lost, made anew.

#![expect(clippy::disallowed_methods, reason = "the tests damage files on purpose")]

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicUsize, Ordering},
};

use gobag_format::{Silent, ledger::KeptResult};

use super::*;
use crate::bundle::testing::Stick;

fn result(about: &str, made_s: u64) -> KeptResult {
    KeptResult {
        made_s,
        expires_s: made_s + 1,
        about: about.to_owned(),
        envelope: "{}".to_owned(),
    }
}

fn abouts(bundle: &Bundle) -> Vec<String> {
    let record = bundle.ledger().unwrap();
    record.results().iter().map(|kept| kept.about.clone()).collect()
}

fn key(bundle: &Bundle) -> StickKeys {
    bundle.ledger().unwrap().public_keys()
}

fn scratch(stick: &Stick, file: u8) {
    let file = OpenOptions::new()
        .write(true)
        .open(stick.file(FileRef::Ledger(file)))
        .unwrap();
    file.write_all_at(&[0x55; 512], LEDGER_SLOT_AT + 4096).unwrap();
}

#[test]
fn a_new_stick_has_a_key_of_its_own_and_keeps_what_is_given_to_it() {
    let stick = Stick::new();
    let bundle = stick.open("correct horse").unwrap();
    let first = key(&bundle);
    assert_eq!(abouts(&bundle), [""; 0]);
    bundle
        .change_ledger(|record| record.keep(result("a", 1)))
        .unwrap();
    bundle
        .change_ledger(|record| record.keep(result("b", 2)))
        .unwrap();
    drop(bundle);
    let bundle = stick.open("correct horse").unwrap();
    assert_eq!(abouts(&bundle), ["a", "b"]);
    assert_eq!(key(&bundle), first);
    assert_ne!(key(&Stick::new().open("correct horse").unwrap()), first);
}

#[test]
fn one_damaged_file_loses_nothing_and_is_put_right() {
    for damaged in [0, 1] {
        let stick = Stick::new();
        let bundle = stick.open("correct horse").unwrap();
        bundle
            .change_ledger(|record| record.keep(result("a", 1)))
            .unwrap();
        let first = key(&bundle);
        scratch(&stick, damaged);
        assert_eq!(abouts(&bundle), ["a"]);
        assert_eq!(bundle.read_ledger().unwrap().stale.len(), 1);
        // Also by its being missing, which only IT mends.
        std::fs::remove_file(stick.file(FileRef::Ledger(damaged))).unwrap();
        drop(bundle);
        let bundle = stick.open("correct horse").unwrap();
        assert_eq!(bundle.ensure_ledger(&Silent).unwrap(), first);
        assert_eq!(bundle.read_ledger().unwrap().stale.len(), 0);
        assert_eq!(abouts(&bundle), ["a"]);
    }
}

#[test]
fn a_write_that_ended_between_the_files_counts() {
    let stick = Stick::new();
    let bundle = stick.open("correct horse").unwrap();
    let before = std::fs::read(stick.file(FileRef::Ledger(1))).unwrap();
    bundle
        .change_ledger(|record| record.keep(result("a", 1)))
        .unwrap();
    std::fs::write(stick.file(FileRef::Ledger(1)), &before).unwrap();
    assert_eq!(abouts(&bundle), ["a"]);
    assert_eq!(bundle.read_ledger().unwrap().stale.len(), 1);
    bundle
        .change_ledger(|record| record.keep(result("b", 2)))
        .unwrap();
    assert_eq!(abouts(&bundle), ["a", "b"]);
    assert_eq!(bundle.read_ledger().unwrap().stale.len(), 0);
}

#[test]
fn a_stick_without_a_ledger_works_and_gets_one_from_it() {
    let stick = Stick::new();
    std::fs::remove_dir_all(stick.file(FileRef::Ledger(0)).parent().unwrap()).unwrap();
    let bundle = stick.open("correct horse").unwrap();
    assert_eq!(bundle.ledger().err().unwrap().code(), "ledger.none");
    let refused = bundle.change_ledger(|record| record.keep(result("a", 1)));
    assert_eq!(refused.unwrap_err().code(), "ledger.none");
    let made = bundle.ensure_ledger(&Silent).unwrap();
    assert_eq!(key(&bundle), made);
    bundle
        .change_ledger(|record| record.keep(result("a", 1)))
        .unwrap();
    assert_eq!(abouts(&bundle), ["a"]);
}

#[test]
fn one_that_is_lost_begins_anew_with_another_key() {
    let stick = Stick::new();
    let bundle = stick.open("correct horse").unwrap();
    let lost = key(&bundle);
    scratch(&stick, 0);
    scratch(&stick, 1);
    assert_eq!(bundle.ledger().err().unwrap().code(), "ledger.damaged");
    assert!(bundle.change_ledger(|_| ()).is_err());
    assert_ne!(bundle.ensure_ledger(&Silent).unwrap(), lost);
    assert_eq!(abouts(&bundle), [""; 0]);
}

/// A stick that was given back with something else in the place of a file.
#[test]
fn links_and_pipes_in_its_place_are_neither_followed_nor_waited_for() {
    let stick = Stick::new();
    let precious = stick.folder.path().join("precious");
    std::fs::write(&precious, "IT's own").unwrap();
    let place = stick.file(FileRef::Ledger(0));
    let make: [&dyn Fn(); 2] = [
        &|| std::os::unix::fs::symlink(&precious, &place).unwrap(),
        &|| rustix::fs::mkfifoat(rustix::fs::CWD, &place, rustix::fs::Mode::RWXU).unwrap(),
    ];
    for make in make {
        std::fs::remove_file(&place).unwrap();
        make();
        // The other file says all there is.
        let bundle = stick.open("correct horse").unwrap();
        assert!(bundle.ledger().is_ok());
        assert!(bundle.change_ledger(|_| ()).is_err());
        assert!(bundle.ensure_ledger(&Silent).is_err());
        assert_eq!(std::fs::read(&precious).unwrap(), b"IT's own");
    }
    // Nor where nothing else is left of it.
    std::fs::remove_file(&place).unwrap();
    std::os::unix::fs::symlink(&precious, &place).unwrap();
    scratch(&stick, 1);
    let bundle = stick.open("correct horse").unwrap();
    assert_eq!(bundle.ensure_ledger(&Silent).unwrap_err().code(), "ledger.medium");
    drop(bundle);
    stick.provision(true).unwrap_err();
    assert_eq!(std::fs::read(&precious).unwrap(), b"IT's own");
}

#[test]
fn a_file_that_was_begun_and_not_finished_is_none() {
    let stick = Stick::new();
    for file in [0, 1] {
        std::fs::write(stick.file(FileRef::Ledger(file)), [7; 4096]).unwrap();
    }
    let bundle = stick.open("correct horse").unwrap();
    assert_eq!(bundle.ledger().err().unwrap().code(), "ledger.none");
    bundle.ensure_ledger(&Silent).unwrap();
    assert_eq!(bundle.read_ledger().unwrap().stale.len(), 0);
}

/// A stick that is gone after so many operations; the write it goes in is there in part.
struct Cut<'a> {
    stick: &'a dyn Medium,
    left: AtomicUsize,
    /// How much of the last write arrives.
    kept: usize,
}

impl Cut<'_> {
    /// Whether this operation still works, and whether it is the one that is cut.
    fn step(&self) -> (bool, bool) {
        let before = self.left.load(Ordering::Relaxed);
        self.left.store(before.saturating_sub(1), Ordering::Relaxed);
        (before > 0, before == 1)
    }

    fn gone<T>(&self, done: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.step() {
            (true, false) => done(),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Medium for Cut<'_> {
    fn len(&self, file: FileRef) -> io::Result<u64> {
        self.gone(|| self.stick.len(file))
    }

    fn read_at(&self, file: FileRef, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.gone(|| self.stick.read_at(file, offset, buffer))
    }

    fn write_at(&self, file: FileRef, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.step() {
            (true, true) => {
                self.stick
                    .write_at(file, offset, &data[..self.kept.min(data.len())])?;
                Err(io::ErrorKind::NotConnected.into())
            }
            (true, false) => self.stick.write_at(file, offset, data),
            (false, _) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&self, file: FileRef) -> io::Result<()> {
        self.gone(|| self.stick.flush(file))
    }

    fn forget_cached(&self, file: FileRef) -> io::Result<()> {
        self.gone(|| self.stick.forget_cached(file))
    }
}

/// Twice in a row, so that the second cut meets what the first one left.
#[test]
fn a_stick_pulled_at_any_two_steps_holds_the_ledger_before_or_the_new_one() {
    let stick = Stick::new();
    let bundle = stick.open("correct horse").unwrap();
    let (keys, random) = (bundle.ledger_keys(), &*bundle.ambient.random);
    // One change of the ledger that is cut after `left` operations; whether it was acknowledged.
    let change = |left: usize, kept: usize| {
        let before = bundle.read_ledger().unwrap();
        let (order, held) = (before.order(), before.newest.clone());
        let mut next = before.next();
        next.record.keep(result("a", next.generation));
        let cut = Cut {
            stick: &*bundle.medium,
            left: AtomicUsize::new(left),
            kept,
        };
        let written = order
            .into_iter()
            .try_for_each(|file| put(&cut, file, &keys, &next, random));
        let found = bundle.read_ledger().unwrap().newest;
        let is = |ledger: &Ledger| {
            (found.generation, found.record.results()) == (ledger.generation, ledger.record.results())
        };
        match written {
            Ok(()) => assert!(is(&next), "step {left}: acknowledged and gone"),
            Err(_) => assert!(is(&held) || is(&next), "step {left}, {kept} bytes: neither"),
        }
        written.is_ok()
    };
    let steps = (1..).find(|left| change(*left, 0)).unwrap();
    assert_eq!(steps, 9, "four operations a file, and none left over");
    for first in 1..steps {
        for second in 1..steps {
            for kept in [512, LEDGER_SLOT_LEN / 2] {
                change(first, kept);
                change(second, kept);
                assert!(change(steps, 0));
            }
        }
    }
}

#[test]
fn threads_that_change_the_ledger_at_once_lose_nothing() {
    let stick = Stick::new();
    let bundle = stick.open("correct horse").unwrap();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let bundle = &bundle;
            scope.spawn(move || {
                bundle
                    .change_ledger(|record| record.keep(result(name, 1)))
                    .unwrap()
            });
        }
    });
    let mut kept = abouts(&bundle);
    kept.sort_unstable();
    assert_eq!(kept, ["a", "b", "c", "d"]);
}
