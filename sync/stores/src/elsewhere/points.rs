//! Heads: finding them, and steps 3 and 4 of making one.

use std::sync::{MutexGuard, PoisonError};

use gobag_format::digest::Digest;
use gobag_workspace::{NewHead, StoreError, StoredHead, StoredPoint};

use super::Elsewhere;
use crate::{
    ElsewhereError, Mode,
    calls::Created,
    claim,
    heads::{self, HEADS, HeadName},
    limits,
};

impl Elsewhere {
    fn listed(&self, group: &str) -> Result<Vec<HeadName>, ElsewhereError> {
        Ok(heads::names(&self.calls.list(group)?))
    }

    /// What a head's name promises; none: there is no such head, or not all of it.
    fn read_head(&self, name: &HeadName) -> Result<Option<Vec<u8>>, ElsewhereError> {
        let head = self.calls.read(&name.path(), limits::HEAD)?;
        Ok(head.filter(|head| name.digest.is_none_or(|digest| digest == Digest::of(head))))
    }

    /// The whole heads of a generation.
    pub(super) fn heads_of(&self, generation: u64) -> Result<Vec<Vec<u8>>, ElsewhereError> {
        let conditional = HeadName {
            generation,
            digest: None,
        };
        let names = match self.mode {
            Mode::Conditional => vec![conditional],
            Mode::SingleWriter => self.listed(&heads::group(generation))?,
        };
        let names = names.iter().filter(|name| name.generation == generation);
        let heads = names
            .take(limits::SAME_HEADS)
            .map(|name| self.read_head(name))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(heads.into_iter().flatten().collect())
    }

    pub(super) fn find_newest(&self) -> Result<Option<StoredHead>, ElsewhereError> {
        let mut newest = None;
        'groups: for group in heads::groups(&self.calls.list(HEADS)?) {
            let names = self.listed(&group)?;
            for name in names.iter().filter(|name| self.is_of_mode(name)) {
                if let Some(head) = self.read_head(name)? {
                    let generation = name.generation;
                    newest = Some(StoredHead { generation, head });
                    break 'groups;
                }
            }
        }
        // A listing may be behind; what is read is not. A place that goes on for ever is none that anybody keeps files at.
        let listed = newest.as_ref().map_or(0, |newest| newest.generation);
        while self.mode == Mode::Conditional
            && let Some(generation) = newest
                .as_ref()
                .map_or(0, |newest| newest.generation)
                .checked_add(1)
            && let Some(head) = self.heads_of(generation)?.pop()
        {
            if generation - listed > limits::BEHIND {
                return Err(ElsewhereError::Altered);
            }
            newest = Some(StoredHead { generation, head });
        }
        Ok(newest)
    }

    /// Some of the points of generations before this one, the newest first.
    pub(super) fn points_before(&self, before: Option<u64>) -> Result<Vec<StoredPoint>, ElsewhereError> {
        let is_before = |generation| before.is_none_or(|before| generation < before);
        for group in heads::groups(&self.calls.list(HEADS)?) {
            let mut names = self.listed(&group)?;
            names.retain(|name| self.is_of_mode(name) && is_before(name.generation));
            names.dedup_by_key(|name| name.generation);
            let told = names.iter().map(|name| {
                let made_s = self.calls.modified_s(&name.path())?;
                let generation = name.generation;
                Ok(StoredPoint { generation, made_s })
            });
            if !names.is_empty() {
                return told.collect();
            }
        }
        Ok(Vec::new())
    }

    fn is_of_mode(&self, name: &HeadName) -> bool {
        name.digest.is_none() == (self.mode == Mode::Conditional)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Option<(u64, Digest)>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Steps 3 and 4 under conditions.
    pub(super) fn publish_conditional(&self, new: &NewHead) -> Result<(), StoreError> {
        let name = HeadName {
            generation: new.generation,
            digest: None,
        };
        let path = name.path();
        let made = self.calls.create(&path, &new.head);
        let there = self.read_head(&name)?;
        match (made, there) {
            // Also where the answer to the first of several tries got lost.
            (_, Some(there)) if there == new.head => Ok(()),
            (Ok(Created::Already), Some(_)) => Err(StoreError::Raced),
            (Ok(Created::Yes), Some(there)) => {
                // Cut short it is nobody's; anything else may be another member's, who was told that it counts.
                if new.head.starts_with(&there) {
                    let _ = self.calls.delete(&path);
                }
                Err(ElsewhereError::Altered.into())
            }
            (Ok(_), None) => Err(ElsewhereError::Altered.into()),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Steps 3 and 4 where one member writes.
    pub(super) fn publish_alone(&self, new: &NewHead) -> Result<(), StoreError> {
        claim::check(&self.calls, &self.me)?;
        let before = self.heads_of(new.generation)?;
        if before.contains(&new.head) {
            return Ok(());
        }
        if !before.is_empty() {
            return Err(StoreError::Raced);
        }
        let path = HeadName {
            generation: new.generation,
            digest: Some(Digest::of(&new.head)),
        }
        .path();
        self.put_whole(&path, &new.head)?;
        let alone = claim::check(&self.calls, &self.me).map_err(StoreError::from);
        let alone = alone.and_then(|()| match &self.heads_of(new.generation)?[..] {
            [head] if *head == new.head => Ok(()),
            _ => Err(StoreError::Raced),
        });
        if matches!(alone, Err(StoreError::Raced | StoreError::Refused(_))) {
            let _ = self.calls.delete(&path);
        }
        alone
    }
}
