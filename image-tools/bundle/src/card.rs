//! The card by which a locked stick finds its company, beside both header files (`gobag_format::card`).
//!
//! A stick has none until it is about to want a share for the first time; then its two files are made, once, and later overwritten in place. One is
//! written, flushed and read back before the other is touched, so that a whole one is there whatever is cut. When the company's server becomes another, one
//! file goes on saying where the header's own share is, until the header wants one of the other's.

use std::{io, path::Path};

use gobag_format::{
    card::{Card, CardError},
    limits::CARD_LEN,
};
use thiserror::Error;

use crate::{
    Bundle,
    files::{self, FileError},
    medium::{FileRef, Medium, StickMedium, write_kept},
};

/// Why the card cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CardAccessError {
    /// The stick has none: it was never in a mode that needs one.
    #[error("this stick does not say where its company is")]
    None,
    /// The stick may only be read.
    #[error("this stick may only be read")]
    ReadOnly,
    /// The medium failed.
    #[error("cannot use {file}")]
    Medium {
        /// The file.
        file: FileRef,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// What was read back is not what was written.
    #[error("{file} did not keep what was written to it")]
    NotKept {
        /// The file.
        file: FileRef,
    },
    /// A file of it could not be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no card, or cannot be one.
    #[error(transparent)]
    Card(#[from] CardError),
}

impl CardAccessError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::None => "card.none",
            Self::ReadOnly => "card.read-only",
            Self::Medium { .. } => "card.medium",
            Self::NotKept { .. } => "card.not-kept",
            Self::File(error) => error.code(),
            Self::Card(error) => error.code(),
        }
    }
}

/// Where a stick says that its company is: one card, or two while it goes over to another server; not authenticated.
pub fn read(stick: &Path) -> Result<Vec<Card>, CardAccessError> {
    let medium = StickMedium::peek(stick);
    let (mut cards, mut refused) = (Vec::new(), CardAccessError::None);
    for file in files() {
        match load(&medium, file) {
            Ok(Some(bytes)) => match Card::decode(&bytes) {
                Ok(card) => cards.push(card),
                Err(error) => refused = error.into(),
            },
            Ok(None) => {}
            Err(source) => refused = CardAccessError::Medium { file, source },
        }
    }
    cards.dedup();
    match cards.is_empty() {
        true => Err(refused),
        false => Ok(cards),
    }
}

impl Bundle {
    /// Sees to it that the stick says this, too: in every file but for one that says something else, by which the header of now may be opened.
    pub fn begin_card(&self, card: &Card) -> Result<(), CardAccessError> {
        let says_other = |file: &FileRef| {
            let there = load(&self.medium, *file).ok().flatten();
            there.is_some_and(|bytes| Card::decode(&bytes).is_ok_and(|there| there != *card))
        };
        let kept = files().filter(says_other).last();
        self.put_cards(card, files().filter(|file| Some(*file) != kept))
    }

    /// Sees to it that both files say this. Creates them where they are not there.
    pub fn keep_card(&self, card: &Card) -> Result<(), CardAccessError> {
        self.put_cards(card, files())
    }

    fn put_cards(
        &self,
        card: &Card,
        mut files: impl Iterator<Item = FileRef>,
    ) -> Result<(), CardAccessError> {
        if !self.writable {
            return Err(CardAccessError::ReadOnly);
        }
        let bytes = card.encode()?;
        files.try_for_each(|file| self.put_card(file, &bytes))
    }

    fn put_card(&self, file: FileRef, bytes: &[u8]) -> Result<(), CardAccessError> {
        let medium = &*self.medium;
        let failed = |source| CardAccessError::Medium { file, source };
        let kept = match load(medium, file).map_err(failed)? {
            Some(there) if there == bytes => true,
            Some(_) => write_kept(medium, file, 0, bytes).map_err(failed)?,
            None => {
                medium.close(file);
                files::replace(&medium.folder().join(file.path()), bytes)?;
                medium.forget_cached(file).map_err(failed)?;
                load(medium, file).map_err(failed)?.as_deref() == Some(bytes)
            }
        };
        match kept {
            true => Ok(()),
            false => Err(CardAccessError::NotKept { file }),
        }
    }
}

/// A file as it is; `None` where it is not there, or of another length.
fn load(medium: &StickMedium, file: FileRef) -> io::Result<Option<Vec<u8>>> {
    match medium.len(file) {
        Ok(len) if len == CARD_LEN as u64 => {
            let mut bytes = vec![0; CARD_LEN];
            medium.read_at(file, 0, &mut bytes)?;
            Ok(Some(bytes))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn files() -> impl Iterator<Item = FileRef> {
    (0..2).map(FileRef::Card)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the tests damage files")]

    use super::*;
    use crate::bundle::testing::Stick;

    fn card(server: &str) -> Card {
        Card {
            servers: vec![server.to_owned()],
            ca: "a certificate".to_owned(),
            tenant: "acme".to_owned(),
        }
    }

    #[test]
    fn either_file_is_enough_and_both_are_put_right() {
        let stick = Stick::new();
        assert!(matches!(read(stick.path()), Err(CardAccessError::None)));
        let bundle = stick.open("correct horse").unwrap();
        bundle.keep_card(&card("first:1")).unwrap();
        bundle.keep_card(&card("second:2")).unwrap();
        for damaged in files() {
            let path = stick.file(damaged);
            let whole = std::fs::read(&path).unwrap();
            for other in [&whole[..CARD_LEN / 2], &[0; CARD_LEN], &[]] {
                std::fs::write(&path, other).unwrap();
                assert_eq!(read(stick.path()).unwrap(), [card("second:2")], "{damaged}");
            }
            std::fs::remove_file(&path).unwrap();
            assert_eq!(read(stick.path()).unwrap(), [card("second:2")], "{damaged}");
            drop(std::fs::write(&path, &whole));
        }
        drop(bundle);
        let both = files().map(|file| stick.file(file));
        both.for_each(|path| std::fs::write(path, [1; CARD_LEN]).unwrap());
        assert_eq!(read(stick.path()).unwrap_err().code(), "card.damaged");
        let bundle = stick.open("correct horse").unwrap();
        bundle.keep_card(&card("third:3")).unwrap();
        for file in files() {
            let bytes = std::fs::read(stick.file(file)).unwrap();
            assert_eq!(Card::decode(&bytes).unwrap(), card("third:3"));
        }
    }

    #[test]
    fn while_it_goes_over_to_another_server_it_says_where_both_are() {
        let stick = Stick::new();
        let bundle = stick.open("correct horse").unwrap();
        let (old, new) = (card("old:1"), card("new:2"));
        bundle.begin_card(&old).unwrap();
        files().for_each(|file| assert!(stick.file(file).exists()));
        // However often, and whichever of the old ones is damaged.
        for damaged in [None, Some(FileRef::Card(0)), Some(FileRef::Card(1))] {
            bundle.keep_card(&old).unwrap();
            if let Some(file) = damaged {
                std::fs::write(stick.file(file), [1; CARD_LEN]).unwrap();
            }
            for _ in 0..2 {
                bundle.begin_card(&new).unwrap();
                let cards = read(stick.path()).unwrap();
                assert!(
                    cards.len() == 2 && cards.contains(&old) && cards.contains(&new),
                    "{damaged:?}"
                );
            }
            bundle.keep_card(&new).unwrap();
            assert_eq!(read(stick.path()).unwrap(), std::slice::from_ref(&new));
        }
    }
}
