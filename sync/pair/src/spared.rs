//! What was renamed to a name that the other side cannot have: it is deleted there by nobody.

use std::collections::{HashMap, HashSet};

use gobag_files::{content_of, files_below};
use gobag_reconcile::{Content, Item, Notice, Operation, Plan, RelPath, Side, Unknown};

use crate::{Pair, PairError, base::at};

impl Pair {
    /// Takes from the plan the removals of files whose content the other side has in something that was left alone for its name. They go once that is gone, too.
    pub(crate) fn spare(&self, plan: &mut Plan) -> Result<(), PairError> {
        for on in [Side::Left, Side::Right] {
            let removed = removed(plan, on);
            if removed.is_empty() {
                continue;
            }
            let there = self.left_for_its_name(plan, on.other(), &removed)?;
            if !there.is_empty() {
                spare(plan, on, &there);
            }
        }
        Ok(())
    }

    /// Which of these contents `on` has in something that was left alone for its name.
    fn left_for_its_name(
        &self,
        plan: &Plan,
        on: Side,
        removed: &HashMap<u64, HashSet<Content>>,
    ) -> Result<HashSet<Content>, PairError> {
        let mut there = HashSet::new();
        for notice in &plan.notices {
            let Notice::Left {
                path,
                on: is_on,
                why: Unknown::Name | Unknown::NameClash,
            } = notice
            else {
                continue;
            };
            if *is_on != on {
                continue;
            }
            for (path, len) in self.below(on, path)? {
                let Some(wanted) = removed.get(&len) else {
                    continue;
                };
                // What cannot be read now is seen with the next pass, which comes to the same.
                if let Some(content) = self.content(on, &path)?
                    && wanted.contains(&content)
                {
                    there.insert(content);
                }
            }
        }
        Ok(there)
    }

    fn below(&self, on: Side, path: &RelPath) -> Result<Vec<(RelPath, u64)>, PairError> {
        match (on, self.right.folder()) {
            (Side::Left, _) => Ok(files_below(&self.left, path)),
            (Side::Right, Some(root)) => Ok(files_below(root, path)),
            (Side::Right, None) => self.right.files_below(path),
        }
    }

    fn content(&self, on: Side, path: &RelPath) -> Result<Option<Content>, PairError> {
        let root = match (on, self.right.folder()) {
            (Side::Left, _) => &self.left,
            (Side::Right, Some(root)) => root,
            (Side::Right, None) => return self.right.content(path),
        };
        Ok(content_of(root, path).ok().map(|(file, _)| file.content))
    }
}

/// The contents of files that are to go, by their lengths.
fn removed(plan: &Plan, on: Side) -> HashMap<u64, HashSet<Content>> {
    let mut removed: HashMap<u64, HashSet<Content>> = HashMap::new();
    for operation in &plan.operations {
        if let Operation::Remove {
            on: is_on,
            item: Item::File(file),
            ..
        } = operation
            && *is_on == on
            && file.len > 0
        {
            removed.entry(file.len).or_default().insert(file.content);
        }
    }
    removed
}

/// Takes them from the plan, with the removal of the folders that they are in.
fn spare(plan: &mut Plan, on: Side, there: &HashSet<Content>) {
    let comes = plan.operations.iter().filter_map(|operation| match operation {
        Operation::Put { to, path, .. } if *to == on => Some(path.clone()),
        _ => None,
    });
    let comes: HashSet<RelPath> = comes.collect();
    let gives_way = |path: &RelPath| {
        std::iter::successors(Some(path.clone()), RelPath::parent).any(|above| comes.contains(&above))
    };
    let mut spared = Vec::new();
    plan.operations.retain(|operation| match operation {
        Operation::Remove {
            on: is_on,
            path,
            item: Item::File(file),
        } if *is_on == on && there.contains(&file.content) && !gives_way(path) => {
            spared.push(path.clone());
            false
        }
        _ => true,
    });
    if !spared.is_empty() {
        // The other side has not lost all.
        let gone = &mut plan.gone_at_top[at(on.other())];
        *gone = gone.saturating_sub(1);
    }
    let stays = |folder: &RelPath| spared.iter().any(|path| path.is_within(folder));
    plan.operations.retain(|operation| match operation {
        Operation::RemoveFolder { on: is_on, path } => *is_on != on || !stays(path),
        _ => true,
    });
    plan.notices.extend(spared.into_iter().map(|path| Notice::Left {
        path,
        on,
        why: Unknown::Name,
    }));
}
