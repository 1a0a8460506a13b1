//! A stick that the company cut off: what unlocks it is overwritten.
//!
//! 1. The ledger notes that the stick was cut off ([`Bundle::cut_off`]): from here on no start goes by it, however the rest ends.
//! 2. Every slot of both header files is overwritten with noise, flushed and read back ([`Bundle::erase`]): with them go all key slots and
//!    the record that says where everything else is.
//!
//! Cut before 1, nothing has changed, and the company says it again. Cut after it, the copies that are left open the stick once more, and
//! whoever opens it finds 1 and goes on with 2. An escrow file stays; it is of use to IT alone.
//!
//! A stick that wants a share has no such note: the share is taken off it instead, and the company can give it again. Whoever brings a stick into the
//! mode in which it would go by one takes it off first.
//!
//! Flash may keep old blocks that nobody can reach by the file system: what is erased is what can be reached.

use gobag_format::{
    crypto::Random,
    header::CUT_OFF,
    limits::{HEADER_SLOT_LEN, HEADER_SLOT_STRIDE, HEADER_SLOTS},
};

use crate::{
    Bundle, ReplaceError,
    ledger::LedgerAccessError,
    medium::{FileRef, Medium, write_kept},
};

impl Bundle {
    /// Notes that the company cut the stick off.
    pub fn cut_off(&self) -> Result<(), LedgerAccessError> {
        self.change_ledger(|ledger| ledger.revoked = true)
    }

    /// Notes that the company takes that back. A ledger that cannot be read says nothing.
    pub fn take_back(&self) -> Result<(), LedgerAccessError> {
        match self.ledger() {
            Ok(ledger) if ledger.revoked => self.change_ledger(|ledger| ledger.revoked = false),
            _ => Ok(()),
        }
    }

    /// Overwrites every copy of the header; nothing opens the stick afterwards. On an error some may be left: call it again.
    pub fn erase(&self) -> Result<(), ReplaceError> {
        let erased = slots().map(|(file, offset)| erase(&*self.medium, file, offset, &*self.ambient.random));
        // Each of them, whatever becomes of the others.
        erased.fold(Ok(()), Result::and)
    }
}

fn slots() -> impl Iterator<Item = (FileRef, u64)> {
    let files = [FileRef::Header(0), FileRef::Header(1)].into_iter();
    files.flat_map(|file| (0..HEADER_SLOTS as u64).map(move |nth| (file, nth * HEADER_SLOT_STRIDE)))
}

fn erase(medium: &dyn Medium, file: FileRef, offset: u64, random: &dyn Random) -> Result<(), ReplaceError> {
    let mut noise = vec![0; HEADER_SLOT_LEN];
    random.fill(&mut noise);
    noise[..CUT_OFF.len()].copy_from_slice(CUT_OFF);
    match write_kept(medium, file, offset, &noise) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ReplaceError::NotKept { file }),
        Err(source) => Err(ReplaceError::Medium { file, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OpenError, bundle::testing::Stick};

    #[test]
    fn an_erased_stick_opens_for_nobody() {
        let stick = Stick::new();
        let before: Vec<Vec<u8>> = headers(&stick);
        let bundle = stick.open("correct horse").unwrap();
        bundle.cut_off().unwrap();
        bundle.erase().unwrap();
        drop(bundle);
        assert_eq!(stick.refusal("correct horse"), "header.cut-off");
        let secret = crate::Secret::Escrow(&stick.identity);
        let opened = crate::Bundle::open(stick.path(), &secret, true, crate::Ambient::system());
        assert!(matches!(opened, Err(OpenError::Unlock(_))));
        // Not a sector of any slot is left.
        for (before, after) in before.iter().zip(headers(&stick)) {
            for nth in 0..HEADER_SLOTS {
                let at = nth * HEADER_SLOT_STRIDE as usize;
                let slots = [before, &after].map(|file| &file[at..at + HEADER_SLOT_LEN]);
                let [before, after] = slots.map(|slot| slot.chunks_exact(512));
                assert!(
                    before.zip(after).all(|(before, after)| before != after),
                    "slot {nth}"
                );
            }
        }
    }

    #[test]
    fn cut_anywhere_it_is_erased_or_known_to_be_cut_off() {
        for erased in 0..=2 * HEADER_SLOTS {
            let stick = Stick::new();
            let bundle = stick.open("correct horse").unwrap();
            bundle.cut_off().unwrap();
            for (file, offset) in slots().take(erased) {
                erase(&*bundle.medium, file, offset, &*bundle.ambient.random).unwrap();
            }
            drop(bundle);
            match stick.open("correct horse") {
                Ok(bundle) => {
                    assert!(erased < 2 * HEADER_SLOTS);
                    assert!(bundle.ledger().unwrap().revoked, "{erased} slots");
                    bundle.erase().unwrap();
                }
                Err(_) => assert_eq!(erased, 2 * HEADER_SLOTS),
            }
            assert_eq!(stick.refusal("correct horse"), "header.cut-off");
        }
    }

    fn headers(stick: &Stick) -> Vec<Vec<u8>> {
        let files = [0, 1].map(|file| std::fs::read(stick.file(FileRef::Header(file))).unwrap());
        files.into()
    }
}
