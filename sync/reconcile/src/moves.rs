//! What was deleted at one path and made at another with the same content has been moved.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{Content, Item, Operation, RelPath, Side, plan::Turn};

/// Of the files with one content on one side: those that go, and those that come.
#[derive(Default)]
struct Matches {
    removed: Vec<usize>,
    put: Vec<usize>,
}

/// Turns pairs of [`Operation::Remove`] and [`Operation::Put`] into [`Operation::Move`], where there is no doubt which belong together: one goes and one comes,
/// or one of each goes by the same name. In doubt nothing is lost but the saving.
pub(crate) fn find(turns: &mut Vec<(Turn, Operation)>) {
    let mut found: BTreeMap<(Side, Content), Matches> = BTreeMap::new();
    for (at, (turn, operation)) in turns.iter().enumerate() {
        if let Operation::Remove {
            on,
            item: Item::File(file),
            ..
        } = operation
            && *turn == Turn::Remove
            && file.len > 0
        {
            found.entry((*on, file.content)).or_default().removed.push(at);
        }
    }
    // Of what comes only that is kept which may have gone elsewhere.
    for (at, (_, operation)) in turns.iter().enumerate() {
        if let Operation::Put {
            to,
            expect: None,
            item: Item::File(file),
            ..
        } = operation
            && let Some(matches) = found.get_mut(&(*to, file.content))
        {
            matches.put.push(at);
        }
    }
    let mut gone = vec![false; turns.len()];
    for matches in found.into_values() {
        for (removed, put) in pairs(matches, turns) {
            let (
                Operation::Remove {
                    on,
                    path: from,
                    item: was,
                },
                Operation::Put { path: to, item, .. },
            ) = (turns[removed].1.clone(), turns[put].1.clone())
            else {
                continue;
            };
            let is_same = was == item;
            turns[removed] = (
                Turn::Move,
                Operation::Move {
                    on,
                    from,
                    to,
                    item: was.clone(),
                },
            );
            match is_same {
                true => gone[put] = true,
                // Who may run it changed as well; nothing is sent for that.
                false => {
                    if let Operation::Put { expect, .. } = &mut turns[put].1 {
                        *expect = Some(was);
                    }
                }
            }
        }
    }
    let mut at = 0;
    turns.retain(|_| {
        at += 1;
        !gone[at - 1]
    });
}

fn pairs(matches: Matches, turns: &[(Turn, Operation)]) -> Vec<(usize, usize)> {
    if let ([removed], [put]) = (&matches.removed[..], &matches.put[..]) {
        return vec![(*removed, *put)];
    }
    let path = |at: usize| turns[at].1.path();
    let removed = by_name(&matches.removed, &path);
    let put = by_name(&matches.put, &path);
    let pair = |(name, removed): (&Vec<u8>, &Option<usize>)| Some(((*removed)?, (*put.get(name)?)?));
    removed.iter().filter_map(pair).collect()
}

/// The only one of each name.
fn by_name<'a>(of: &[usize], path: &dyn Fn(usize) -> &'a RelPath) -> BTreeMap<Vec<u8>, Option<usize>> {
    let mut named = BTreeMap::new();
    for at in of {
        match named.entry(path(*at).name().unwrap_or_default().to_vec()) {
            Entry::Vacant(vacant) => drop(vacant.insert(Some(*at))),
            Entry::Occupied(mut occupied) => drop(occupied.insert(None)),
        }
    }
    named
}
