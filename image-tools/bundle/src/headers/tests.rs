//! Unlock modes, and re-wrapping that is cut at every write.

#![expect(clippy::disallowed_methods, reason = "the tests leave files as a cut would")]

use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, MutexGuard},
};

use gobag_format::{
    keyslot::{SHARE_NAME_LEN, ShareName},
    lease::UnlockMode,
    limits::HEADER_FILE_LEN,
};

use super::*;
use crate::{
    Ambient, Bundle, ChangeError,
    bundle::testing::{CHEAP, Stick},
};

const PASSPHRASE: &[u8] = b"correct horse";

/// Header files in memory. The write of number `cut` reaches the medium in part, and is the last.
struct Cut {
    files: Mutex<BTreeMap<FileRef, Vec<u8>>>,
    left: Mutex<Option<(usize, usize)>>,
    /// A place that the flash gave up.
    dead: Option<(FileRef, u64)>,
}

impl Cut {
    fn of(stick: &Stick) -> Self {
        let files = (0..FILES).map(FileRef::Header);
        let files = files.map(|file| (file, std::fs::read(stick.file(file)).unwrap()));
        Self {
            files: Mutex::new(files.collect()),
            left: Mutex::new(None),
            dead: None,
        }
    }

    /// A copy whose next writes are whole, then one of these bytes, then none.
    fn cut_after(&self, writes: usize, bytes: usize) -> Self {
        Self {
            files: Mutex::new(self.files().clone()),
            left: Mutex::new(Some((writes, bytes))),
            dead: None,
        }
    }

    /// A copy of which one place cannot be written.
    fn with_dead(&self, place: (FileRef, u64)) -> Self {
        Self {
            files: Mutex::new(self.files().clone()),
            left: Mutex::new(None),
            dead: Some(place),
        }
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<FileRef, Vec<u8>>> {
        self.files.lock().unwrap()
    }
}

impl Medium for Cut {
    fn len(&self, file: FileRef) -> io::Result<u64> {
        let files = self.files();
        let found = files.get(&file).ok_or(io::ErrorKind::NotFound)?;
        Ok(found.len() as u64)
    }

    fn read_at(&self, file: FileRef, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let files = self.files();
        let found = files.get(&file).ok_or(io::ErrorKind::NotFound)?;
        buffer.copy_from_slice(&found[offset as usize..][..buffer.len()]);
        Ok(())
    }

    fn write_at(&self, file: FileRef, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.dead == Some((file, offset)) {
            return Err(io::ErrorKind::Other.into());
        }
        let mut left = self.left.lock().unwrap();
        let len = match &mut *left {
            None => data.len(),
            Some((0, bytes)) => std::mem::take(bytes),
            Some((writes, _)) => {
                *writes -= 1;
                data.len()
            }
        };
        let mut files = self.files();
        let found = files.get_mut(&file).ok_or(io::ErrorKind::NotFound)?;
        found[offset as usize..][..len].copy_from_slice(&data[..len]);
        match len == data.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&self, _: FileRef) -> io::Result<()> {
        Ok(())
    }

    fn forget_cached(&self, _: FileRef) -> io::Result<()> {
        Ok(())
    }
}

fn opened(medium: &Cut, secret: &Secret<'_>) -> Result<Unlocked, UnlockError> {
    let found = Headers::read(medium)?.unlock(medium, secret)?;
    found.forgotten.map_or(Ok(found.unlocked), Err)
}

fn share(seed: u8) -> Share {
    Share::from_bytes([seed; 32])
}

/// The name of a share of this number.
fn name(number: u8) -> ShareName {
    ShareName([!number; SHARE_NAME_LEN])
}

/// Goes on from `unlocked` to another mode.
fn change(medium: &Cut, unlocked: &Unlocked, to: Option<Share>, keep: bool) -> Result<(), ChangeError> {
    let wanted = match to {
        Some(share) => Wanted::Share {
            name: Some(name(share.expose()[0])),
            share,
            keep,
        },
        None => Wanted::Passphrase,
    };
    let random = Ambient::system().random;
    replace_all(medium, unlocked, &random, |wrapping| {
        wrap(unlocked, wrapping, wanted)
    })
}

fn forget(medium: &Cut, unlocked: &Unlocked) -> Result<(), ReplaceError> {
    replace_all(medium, unlocked, &Ambient::system().random, |wrapping| {
        keep_share(&mut wrapping.key_slots, None);
        Ok(())
    })
}

#[test]
fn l10_cut_in_the_middle_of_a_rewrap_the_old_slot_or_the_new_one_opens() {
    let stick = Stick::new();
    let start = Cut::of(&stick);
    let by_passphrase = Secret::Passphrase(PASSPHRASE);
    let first = opened(&start, &by_passphrase).unwrap();
    change(&start, &first, Some(share(1)), true).unwrap();
    let key = opened(&start, &by_passphrase).unwrap().key;
    let writes = usize::from(FILES) * HEADER_SLOTS;
    // From a leased share to the next, to an online share, and back to none.
    for (to, keep) in [(Some(share(2)), true), (Some(share(2)), false), (None, false)] {
        for cut in 0..writes {
            // The first write decides; of the others one way of tearing is enough.
            let torn = match cut {
                0 => &[0, 512, HEADER_SLOT_LEN / 2, HEADER_SLOT_LEN - 512][..],
                _ => &[HEADER_SLOT_LEN / 2],
            };
            for bytes in torn {
                let medium = start.cut_after(cut, *bytes);
                let unlocked = opened(&medium, &by_passphrase).unwrap();
                let before = unlocked.generation();
                assert!(change(&medium, &unlocked, to.clone(), keep).is_err());
                assert!(unlocked.wrapping().stale_slots > 0);
                let is_online = !keep && to.is_some();
                let again = match is_online && cut > 0 {
                    true => {
                        let refused = opened(&medium, &by_passphrase).err().unwrap();
                        assert_eq!(refused.code(), "unlock.share-needed");
                        opened(
                            &medium,
                            &Secret::Shared {
                                passphrase: PASSPHRASE,
                                share: &share(2),
                            },
                        )
                    }
                    false => opened(&medium, &by_passphrase),
                };
                let again = again.unwrap_or_else(|error| panic!("cut {cut} after {bytes}: {error}"));
                assert!(again.key.expose() == key.expose());
                assert_eq!(
                    again.generation() > before,
                    cut > 0,
                    "the first write decides, whole or not at all"
                );
                let wants = match (cut, &to) {
                    (0, _) => Some(name(1)),
                    (_, Some(share)) => Some(name(share.expose()[0])),
                    (_, None) => None,
                };
                assert_eq!(
                    name_of(&again.wrapping().key_slots),
                    wants,
                    "the name is of the share that is wanted"
                );
                // Whatever was left of it, it can be made again.
                let whole = medium.cut_after(writes + 1, 0);
                change(&whole, &again, to.clone(), keep).unwrap();
            }
        }
    }
}

/// A share that is taken off counts as off from the first copy of the header on, however many copies still have it; and the next who
/// opens the stick goes on with it.
#[test]
fn cut_in_the_middle_of_forgetting_a_share_it_is_forgotten_or_not_begun() {
    let stick = Stick::new();
    let start = Cut::of(&stick);
    let by_passphrase = Secret::Passphrase(PASSPHRASE);
    let first = opened(&start, &by_passphrase).unwrap();
    change(&start, &first, Some(share(1)), true).unwrap();
    let company = share(1);
    let by_company = Secret::Shared {
        passphrase: PASSPHRASE,
        share: &company,
    };
    let other = share(9);
    let by_other = Secret::Shared {
        passphrase: PASSPHRASE,
        share: &other,
    };
    for cut in 0..usize::from(FILES) * HEADER_SLOTS {
        for bytes in [0, HEADER_SLOT_LEN / 2] {
            let medium = start.cut_after(cut, bytes);
            let unlocked = opened(&medium, &by_passphrase).unwrap();
            let before = unlocked.generation();
            assert!(forget(&medium, &unlocked).is_err());
            let after = |secret| opened(&medium, secret);
            if cut == 0 {
                assert_eq!(after(&by_passphrase).unwrap().generation(), before);
                continue;
            }
            let refused = |secret| after(secret).err().unwrap().code();
            assert_eq!(
                refused(&by_passphrase),
                "unlock.share-needed",
                "cut {cut} after {bytes}"
            );
            assert_eq!(refused(&by_other), "unlock.wrong-share");
            assert_eq!(after(&by_company).unwrap().generation(), before + 1);
        }
    }
}

#[test]
fn a_place_that_cannot_be_written_keeps_no_other_from_losing_the_share() {
    let stick = Stick::new();
    let start = Cut::of(&stick);
    let by_passphrase = Secret::Passphrase(PASSPHRASE);
    let first = opened(&start, &by_passphrase).unwrap();
    change(&start, &first, Some(share(0xc5)), true).unwrap();
    for dead in places() {
        let medium = start.with_dead(dead);
        let unlocked = opened(&medium, &by_passphrase).unwrap();
        let refused = forget(&medium, &unlocked).unwrap_err();
        assert_eq!(refused.code(), "header.write", "it is said");
        assert_eq!(unlocked.wrapping().stale_slots, 1);
        for place @ (file, offset) in places() {
            let mut slot = vec![0; HEADER_SLOT_LEN];
            medium.read_at(file, offset, &mut slot).unwrap();
            let holds = slot.windows(32).any(|bytes| bytes == [0xc5; 32]);
            assert_eq!(holds, place == dead);
        }
        let refused = opened(&medium, &by_passphrase).err().unwrap();
        assert_eq!(refused.code(), "unlock.share-needed");
    }
}

/// What a stick that is cut off does goes by what its header is, so that has to be true.
#[test]
fn a_header_of_which_no_copy_was_written_is_the_one_of_before() {
    let stick = Stick::new();
    let medium = Cut::of(&stick).cut_after(0, HEADER_SLOT_LEN / 2);
    let unlocked = opened(&medium, &Secret::Passphrase(PASSPHRASE)).unwrap();
    let before = unlocked.generation();
    assert!(change(&medium, &unlocked, Some(share(1)), false).is_err());
    assert_eq!(mode_of(&unlocked.wrapping().key_slots), UnlockMode::Offline);
    assert!(unlocked.wrapping().share.is_none());
    assert!(unlocked.generation() > before, "some of it may be there");
    assert_eq!(unlocked.wrapping().stale_slots, COPIES);
}

#[test]
fn forgetting_that_was_cut_goes_on_with_the_next_who_opens_the_stick() {
    let stick = Stick::new();
    let bundle = stick.open("correct horse").unwrap();
    bundle.rewrap(share(0xc5), name(197), true).unwrap();
    drop(bundle);
    // The first copy is written, the others are as they were.
    let medium = Cut::of(&stick).cut_after(1, 0);
    let unlocked = opened(&medium, &Secret::Passphrase(PASSPHRASE)).unwrap();
    assert!(forget(&medium, &unlocked).is_err());
    for (file, content) in medium.files().iter() {
        std::fs::write(stick.file(*file), content).unwrap();
    }
    let holds = || {
        (0..FILES).map(FileRef::Header).any(|file| {
            let content = std::fs::read(stick.file(file)).unwrap();
            content.windows(32).any(|bytes| bytes == [0xc5; 32])
        })
    };
    assert!(holds());
    let secret = Secret::Passphrase(PASSPHRASE);
    let look = |writable| {
        Bundle::open(stick.path(), &secret, writable, Ambient::system())
            .err()
            .unwrap()
            .code()
    };
    assert_eq!(look(false), "unlock.share-needed");
    assert!(holds(), "who only looks changes nothing");
    assert_eq!(look(true), "unlock.share-needed");
    assert!(!holds());
    let company = share(0xc5);
    let secret = Secret::Shared {
        passphrase: PASSPHRASE,
        share: &company,
    };
    let bundle = Bundle::open(stick.path(), &secret, true, Ambient::system()).unwrap();
    assert_eq!(
        (bundle.unlock_mode(), bundle.stale_header_slots()),
        (UnlockMode::Online, 0)
    );
}

fn refusal(stick: &Stick, secret: &Secret<'_>) -> &'static str {
    Bundle::open(stick.path(), secret, true, Ambient::system())
        .err()
        .unwrap()
        .code()
}

#[test]
fn a_leased_share_opens_offline_until_it_is_taken_away_and_then_the_company_gives_it_back() {
    let stick = Stick::new();
    let bundle = stick.open("correct horse").unwrap();
    assert_eq!(bundle.unlock_mode(), UnlockMode::Offline);
    assert!(share_proof(stick.path(), PASSPHRASE).unwrap().is_none());
    bundle.rewrap(share(1), name(1), true).unwrap();
    bundle.rewrap(share(2), name(2), true).unwrap();
    let proof = bundle.proof_key().unwrap();
    drop(bundle);
    assert_eq!(stick.refusal("wrong"), "unlock.wrong-passphrase");
    let bundle = stick.open("correct horse").unwrap();
    assert_eq!(bundle.unlock_mode(), UnlockMode::Leased);
    bundle.forget_share().unwrap();
    drop(bundle);
    assert_eq!(stick.refusal("correct horse"), "unlock.share-needed");
    let passphrase = PASSPHRASE;
    for old in [share(1), share(3)] {
        let secret = Secret::Shared {
            passphrase,
            share: &old,
        };
        assert_eq!(refusal(&stick, &secret), "unlock.wrong-share");
    }
    let asked = |passphrase| share_proof(stick.path(), passphrase).unwrap().unwrap();
    assert_eq!(asked(passphrase).key.verifying_key(), proof);
    assert_eq!(
        (asked(passphrase).name, asked(passphrase).bundle),
        (Some(name(2)), Bundle::identify(stick.path()).unwrap())
    );
    assert_ne!(asked(b"wrong").key.verifying_key(), proof);
    let share = share(2);
    let secret = Secret::Shared {
        passphrase,
        share: &share,
    };
    let bundle = Bundle::open(stick.path(), &secret, true, Ambient::system()).unwrap();
    bundle.wrap_offline().unwrap();
    drop(bundle);
    assert_eq!(
        stick.open("correct horse").unwrap().unlock_mode(),
        UnlockMode::Offline
    );
}

#[test]
fn no_file_of_an_online_stick_holds_its_share_and_a_new_passphrase_keeps_the_mode() {
    let stick = Stick::new();
    let mut bundle = stick.open("correct horse").unwrap();
    bundle.rewrap(share(0xc5), name(197), true).unwrap();
    bundle.rewrap(share(0x5c), name(92), false).unwrap();
    let proof = bundle.proof_key();
    let refused = bundle.set_passphrase(b"battery staple", CHEAP).unwrap_err();
    assert_eq!(refused.code(), "header.share-needed");
    assert_eq!(bundle.proof_key(), proof);
    let new = bundle.new_passphrase(b"battery staple", CHEAP).unwrap();
    let promised = new.proof_key();
    bundle
        .change_passphrase(new, share(0x5d), name(0x5d), false)
        .unwrap();
    assert_ne!(bundle.proof_key(), proof, "the company has to hear of it");
    assert_eq!(
        (bundle.proof_key(), bundle.share_name()),
        (Some(promised), Some(name(0x5d)))
    );
    drop(bundle);
    let holds = |file: Vec<u8>, byte: u8| file.windows(32).any(|bytes| bytes == [byte; 32]);
    for file in (0..FILES).map(FileRef::Header) {
        let file = std::fs::read(stick.file(file)).unwrap();
        assert_eq!(file.len() as u64, HEADER_FILE_LEN);
        assert!(!holds(file.clone(), 0xc5) && !holds(file, 0x5d));
    }
    assert_eq!(stick.refusal("battery staple"), "unlock.share-needed");
    let share = share(0x5d);
    let secret = |passphrase| Secret::Shared {
        passphrase,
        share: &share,
    };
    assert_eq!(refusal(&stick, &secret(PASSPHRASE)), "unlock.wrong-share");
    assert!(Bundle::open(stick.path(), &secret(b"battery staple"), true, Ambient::system()).is_ok());
}

#[test]
fn a_new_passphrase_offline_keeps_the_share_and_says_that_the_company_does_not_know_it() {
    let stick = Stick::new();
    let mut bundle = stick.open("correct horse").unwrap();
    bundle.rewrap(share(1), name(1), true).unwrap();
    bundle.set_passphrase(b"battery staple", CHEAP).unwrap();
    drop(bundle);
    assert_eq!(stick.refusal("correct horse"), "unlock.wrong-passphrase");
    let bundle = stick.open("battery staple").unwrap();
    assert_eq!(
        (bundle.unlock_mode(), bundle.share_name()),
        (UnlockMode::Leased, None)
    );
    assert!(
        share_proof(stick.path(), b"battery staple")
            .unwrap()
            .unwrap()
            .name
            .is_none()
    );
    // Without its name nobody can give it back.
    bundle.forget_share().unwrap();
    drop(bundle);
    assert_eq!(stick.refusal("battery staple"), "unlock.share-needed");
}

#[test]
fn the_escrow_opens_in_every_mode_and_rescues() {
    for keep in [true, false] {
        let stick = Stick::new();
        let bundle = stick.open("correct horse").unwrap();
        bundle.rewrap(share(1), name(1), keep).unwrap();
        drop(bundle);
        let secret = Secret::Escrow(&stick.identity);
        let mut bundle = Bundle::open(stick.path(), &secret, true, Ambient::system()).unwrap();
        assert_eq!(
            bundle.rewrap(share(2), name(2), keep).unwrap_err().code(),
            "header.not-by-passphrase"
        );
        assert_eq!(bundle.proof_key(), None);
        bundle.cut_off().unwrap();
        bundle.set_passphrase(b"rescued", CHEAP).unwrap();
        drop(bundle);
        let mut bundle = stick.open("rescued").unwrap();
        assert_eq!(bundle.unlock_mode(), UnlockMode::Offline);
        assert!(!bundle.ledger().unwrap().revoked, "or it would erase itself");
        // Whoever only knows the passphrase does not take that back.
        bundle.cut_off().unwrap();
        bundle.set_passphrase(b"rescued", CHEAP).unwrap();
        assert!(bundle.ledger().unwrap().revoked);
        bundle.rewrap(share(3), name(3), keep).unwrap();
    }
}

#[test]
fn a_program_of_before_shares_refuses_by_name() {
    let stick = Stick::new();
    stick
        .open("correct horse")
        .unwrap()
        .rewrap(share(1), name(1), true)
        .unwrap();
    let medium = Cut::of(&stick);
    let mut bytes = vec![0; HEADER_SLOT_LEN];
    medium.read_at(FileRef::Header(0), 0, &mut bytes).unwrap();
    // That program knows no incompatible feature: any bit here makes it refuse.
    assert_eq!(bytes[16..24], gobag_format::header::SHARES.to_le_bytes());
    stick.open("correct horse").unwrap().wrap_offline().unwrap();
    let medium = Cut::of(&stick);
    medium.read_at(FileRef::Header(0), 0, &mut bytes).unwrap();
    assert_eq!(bytes[16..24], [0; 8]);
}
