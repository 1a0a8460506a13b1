//! What of both roots is left out, and what follows from it when that changes: the base forgets what it knew there, and nothing is deleted.

use std::collections::BTreeMap;

use gobag_files::{Filter, Found, Root, Scan};
use gobag_reconcile::{Item, Merged, RelPath, Seen, Unknown};

use crate::{
    PairError, Told,
    base::{Base, Change},
    right::Right,
};

/// What the base knew and a filter leaves out.
#[derive(Default)]
pub(crate) struct Forgotten {
    paths: Vec<RelPath>,
    files: u64,
}

impl Forgotten {
    /// Whether nothing has to be compared at `path`, for it is left out wherever there is something.
    pub(crate) fn is_left_out(&mut self, path: &RelPath, found: [Option<&Found>; 2], is_known: bool) -> bool {
        if let Some(Found::Filtered(files)) = found
            .into_iter()
            .flatten()
            .find(|found| matches!(found, Found::Filtered(_)))
        {
            self.paths.push(path.clone());
            self.files += files;
        }
        found.into_iter().all(|found| match found {
            Some(found) => is_out(found),
            None => !is_known,
        })
    }

    /// Makes the base forget them, and know the filter.
    pub(crate) fn note(&self, filter: &Filter, base: &mut Base) -> Result<(), PairError> {
        if !self.paths.is_empty() {
            let forget = |path: &RelPath| Change::Gone(path.clone());
            base.change(&self.paths.iter().map(forget).collect::<Vec<_>>())?;
        }
        match base.filter()? == Some(filter.digest()) {
            true => Ok(()),
            false => {
                // The workspace's point was looked at with the one before.
                base.set_point_in_step(None)?;
                base.set_filter(filter.digest())
            }
        }
    }

    /// What people are to know of it: lines that are no patterns, and a filter that is not what it was.
    pub(crate) fn told(&self, filter: &Filter, base: &Base) -> Result<Vec<Told>, PairError> {
        let mut told: Vec<Told> = filter.bad().iter().map(Told::of_pattern).collect();
        let was = base.filter()?;
        if self.files > 0 || was.is_some_and(|was| was != filter.digest()) {
            told.push(Told::Filter {
                left_alone: self.files,
            });
        }
        Ok(told)
    }
}

fn is_out(found: &Found) -> bool {
    matches!(found, Found::Filtered(_) | Found::Unknown(Unknown::Filtered))
}

/// A folder that one side has no more, and that has something left out in it on the other, stays there: adds that to what is compared.
pub(crate) fn keep_folders(
    (left, right): (&Root, &Right),
    filter: &Filter,
    scans: &[Scan; 2],
    base: &Base,
    merged: &mut Merged,
) -> Result<(), PairError> {
    for (has, lost) in [(0, 1), (1, 0)] {
        let of = |side: usize| -> &BTreeMap<RelPath, Found> { &scans[side].found };
        for (path, found) in of(lost) {
            let is_lost = match found {
                Found::Gone => true,
                Found::Item(item, _) => !item.is_folder(),
                _ => false,
            };
            if !is_lost || of(has).contains_key(path) {
                continue;
            }
            if base.get(path)?.is_none_or(|known| known.item != Item::Folder) {
                continue;
            }
            let left_out = match has {
                0 => filter.left_out_in(left, path),
                _ => right.left_out_in(filter, path)?,
            };
            if let Some(name) = left_out {
                let seen = [Seen::Unknown(Unknown::Filtered), Seen::Gone];
                let [left, right] = if has == 0 {
                    seen
                } else {
                    [seen[1].clone(), seen[0].clone()]
                };
                merged.add(&path.join(&name), None, left, right);
            }
        }
    }
    Ok(())
}
