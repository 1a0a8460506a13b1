//! What differs on the two sides, laid over what both had last.

use std::collections::BTreeMap;

use gobag_files::{Base as _, Filter, Found, Scan};
use gobag_reconcile::{Item, Merged, Name, RelPath, Seen, Side, Unknown};

use crate::{
    Pair, PairError,
    apply::Marks,
    base::{Both, at},
    filters::{Forgotten, keep_folders},
    side::Mark,
};

impl Pair {
    /// Lays both over the base, and gives the stamps of what is there where something differs.
    pub(crate) fn merge(
        &self,
        scans: &[Scan; 2],
        filter: &Filter,
    ) -> Result<(Merged, Marks, Forgotten), PairError> {
        // One moment of the base, and no lock for each question.
        let _reading = self.base.reading()?;
        let mut merged = Merged::default();
        let mut marks = BTreeMap::new();
        let mut forgotten = Forgotten::default();
        let [left, right] = [&scans[0].found, &scans[1].found];
        for path in left
            .keys()
            .chain(right.keys().filter(|path| !left.contains_key(*path)))
        {
            let base = self.base.get(path)?;
            if forgotten.is_left_out(path, [left.get(path), right.get(path)], base.is_some()) {
                continue;
            }
            let (mut is, mut its) = (seen(left.get(path)), seen(right.get(path)));
            if base.is_none() {
                agree_on_running(&mut is, &mut its, [self.left.has_modes(), self.right.has_modes()]);
            }
            let its_marks =
                [Side::Left, Side::Right].map(|side| mark(&scans[at(side)], path, base.as_ref(), side));
            marks.insert(path.clone(), its_marks);
            if (&is, &its) != (&Seen::AsBase, &Seen::AsBase) {
                merged.add(path, base.map(|base| base.item), is, its);
            }
        }
        keep_folders((&self.left, &self.right), filter, scans, &self.base, &mut merged)?;
        if self.left.folds_names() || self.right.folds_names() {
            let is_one = |one: &Name, other: &Name| {
                self.left.is_one_name(one, other).unwrap_or(false) || self.right.is_one_name(one, other)
            };
            let in_base = |folder: &RelPath| -> Result<Vec<Name>, PairError> {
                Ok(self.base.side(Side::Left).children(folder)?.into_keys().collect())
            };
            merged.fold(&is_one, &in_base)?;
        }
        Ok((merged, marks, forgotten))
    }
}

fn seen(found: Option<&Found>) -> Seen {
    match found {
        None | Some(Found::Same(_)) => Seen::AsBase,
        Some(Found::Gone) => Seen::Gone,
        Some(Found::Item(item, _)) => Seen::Item(item.clone()),
        Some(Found::Unknown(why)) => Seen::Unknown(*why),
        Some(Found::Filtered(_)) => Seen::Unknown(Unknown::Filtered),
    }
}

/// Of two files with the same content, one on a file system that does not know who may run it, the other's word counts.
fn agree_on_running(left: &mut Seen, right: &mut Seen, know: [bool; 2]) {
    let (Seen::Item(Item::File(left)), Seen::Item(Item::File(right))) = (left, right) else {
        return;
    };
    match know {
        [true, false] if left.content == right.content => right.executable = left.executable,
        [false, true] if left.content == right.content => left.executable = right.executable,
        _ => {}
    }
}

/// The stamp of the file that a side has at `path`, if it has one.
fn mark(scan: &Scan, path: &RelPath, base: Option<&Both>, side: Side) -> Option<Mark> {
    match scan.found.get(path) {
        Some(Found::Same(stamp) | Found::Item(Item::File(_), stamp)) => {
            let lasts = scan.lasting(stamp).is_some();
            Some(Mark { stamp: *stamp, lasts })
        }
        Some(_) => None,
        None => base?.stamps[at(side)].map(|stamp| Mark { stamp, lasts: true }),
    }
}
