//! Names that a file system takes for one: `Case` and `case`, or a letter with its accent and without a place of its own for it.
//!
//! Where a side takes two names for one and has what the base has by the other, it was given another name: so it is on the other side, too, and in the base,
//! before anything is compared. Where neither was in the base, both are one, by the company's name. A side that can have both of them at once may have more
//! than the other can: then the one that the base knows is kept the same, else the one that both have, else the first in order; the others are left alone.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization as _;

use crate::{
    Item, Merged, Name, Operation, RelPath, Seen, Side, Unknown,
    merge::{Node, is_there},
};

/// What is the same of names that any file system takes for one; of others it can be, too.
pub fn fold_key(name: &Name) -> Vec<u8> {
    match std::str::from_utf8(name.as_bytes()) {
        Ok(text) if text.is_ascii() => text.to_ascii_lowercase().into_bytes(),
        Ok(text) => {
            // Up and down again: some small letters have one capital, and some capitals are two letters.
            let folded = text
                .nfd()
                .flat_map(char::to_uppercase)
                .flat_map(char::to_lowercase);
            let seen = folded.nfd().filter(|letter| !is_ignorable(*letter));
            seen.collect::<String>().into_bytes()
        }
        Err(_) => name.as_bytes().to_ascii_lowercase(),
    }
}

/// The name with each letter and its accents as one, as people's keyboards write it.
pub fn composed(name: &[u8]) -> Option<Name> {
    let text = std::str::from_utf8(name).ok()?;
    Name::new(text.nfc().collect::<String>().as_bytes()).ok()
}

/// What stands for nothing, and what some file systems skip (Unicode's `Default_Ignorable_Code_Point`).
fn is_ignorable(letter: char) -> bool {
    matches!(u32::from(letter),
        0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
        | 0x202a..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfff8
        | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

impl Merged {
    /// Makes one of what a side takes for one. `is_one` says whether one of the sides takes two names for one, and is asked only of those with the same
    /// [`fold_key`]; `in_base` gives the names that the base has in a folder. To be done when everything is added.
    pub fn fold<E>(
        &mut self,
        is_one: &dyn Fn(&Name, &Name) -> bool,
        in_base: &dyn Fn(&RelPath) -> Result<Vec<Name>, E>,
    ) -> Result<(), E> {
        let Self { root, renames } = self;
        let mut folding = Folding {
            is_one,
            in_base,
            renames,
        };
        folding.folder(&RelPath::root(), root)
    }
}

struct Folding<'a, E> {
    is_one: &'a dyn Fn(&Name, &Name) -> bool,
    in_base: &'a dyn Fn(&RelPath) -> Result<Vec<Name>, E>,
    renames: &'a mut Vec<Operation>,
}

impl<E> Folding<'_, E> {
    fn folder(&mut self, path: &RelPath, node: &mut Node) -> Result<(), E> {
        if node.children.values().any(is_news) {
            let mut names: Vec<Name> = node.children.keys().cloned().collect();
            if node.base.as_ref().is_some_and(Item::is_folder) {
                names.extend((self.in_base)(path)?);
            }
            names.sort();
            names.dedup();
            for class in self.classes(names) {
                self.one_name(path, node, &class);
            }
        }
        for (name, child) in &mut node.children {
            self.folder(&path.join(name), child)?;
        }
        Ok(())
    }

    /// Of names, those that are one to somebody: two and more.
    fn classes(&self, names: Vec<Name>) -> Vec<Vec<Name>> {
        let mut alike: BTreeMap<Vec<u8>, Vec<Vec<Name>>> = BTreeMap::new();
        for name in names {
            let classes = alike.entry(fold_key(&name)).or_default();
            match classes.iter_mut().find(|class| (self.is_one)(&class[0], &name)) {
                Some(class) => class.push(name),
                None => classes.push(vec![name]),
            }
        }
        let all = alike.into_values().flatten();
        all.filter(|class| class.len() > 1).collect()
    }

    fn one_name(&mut self, path: &RelPath, node: &mut Node, class: &[Name]) {
        let all = class.iter().map(|name| Known::of(node, name));
        let Some(all) = all.collect::<Option<Vec<Known<'_>>>>() else {
            return clash(node, class, [true; 2]);
        };
        let (there, gone): (Vec<_>, Vec<_>) = all
            .iter()
            .filter(|known| known.in_base)
            .partition(|known| known.on != [false; 2]);
        let base = match (&there[..], &gone[..]) {
            ([one], _) | ([], [one]) => Some(one.name),
            ([], _) => None,
            _ => return clash(node, class, [true; 2]),
        };
        let on = |side: usize| -> Vec<&Name> {
            let there = all.iter().filter(|known| known.on[side]);
            there.map(|known| known.name).collect()
        };
        let sides = [on(0), on(1)];
        let pick = |side: usize| {
            let (mine, others) = (&sides[side], &sides[1 - side]);
            let known = mine.iter().find(|name| Some(**name) == base);
            let common = || mine.iter().find(|name| others.contains(name));
            known.or_else(common).or(mine.first()).map(|name| (*name).clone())
        };
        let (left, right) = (pick(0), pick(1));
        for (side, picked) in [(0, &left), (1, &right)] {
            for more in sides[side].iter().filter(|name| Some(**name) != picked.as_ref()) {
                clash(node, std::slice::from_ref(more), [side == 0, side == 1]);
            }
        }
        let (Some(left), Some(right)) = (left, right) else {
            return;
        };
        if left == right {
            return;
        }
        // What one side gave another name has that name on both.
        let (on, from, to) = match base == Some(&right) {
            true => (Side::Right, &right, &left),
            false => (Side::Left, &left, &right),
        };
        let is_taken = match on {
            Side::Left => sides[0].contains(&to),
            Side::Right => sides[1].contains(&to),
        };
        if is_taken {
            return clash(node, class, [true; 2]);
        }
        let of = |name: &Name| node.children.get(name);
        let one = combined([base.and_then(of), of(&left), of(&right)]);
        let item = match on {
            Side::Left => one.left(),
            Side::Right => one.right(),
        };
        let Ok(Some(item)) = item else { return };
        let has_base = base.filter(|_| one.base.is_some());
        self.renames.push(Operation::Rename {
            on,
            from: path.join(from),
            to: path.join(to),
            item: item.clone(),
            base: has_base.map(|base| path.join(base)),
        });
        for name in [base, Some(&left), Some(&right)].into_iter().flatten() {
            node.children.remove(name);
        }
        node.children.insert(to.clone(), one);
    }
}

/// Where something goes by a name.
struct Known<'a> {
    name: &'a Name,
    in_base: bool,
    on: [bool; 2],
}

impl<'a> Known<'a> {
    /// None: nobody knows what is there.
    fn of(node: &Node, name: &'a Name) -> Option<Self> {
        let Some(child) = node.children.get(name) else {
            // As the base has it.
            let (in_base, on) = (true, [true; 2]);
            return Some(Self { name, in_base, on });
        };
        Some(Self {
            name,
            in_base: child.base.is_some(),
            on: [child.left().ok()?.is_some(), child.right().ok()?.is_some()],
        })
    }
}

/// Whether it came, or went on one side.
fn is_news(node: &Node) -> bool {
    let (left, right) = (is_there(node.left()), is_there(node.right()));
    (node.base.is_none() && (left || right)) || left != right
}

/// Leaves alone what goes by these names on these sides.
fn clash(node: &mut Node, names: &[Name], on: [bool; 2]) {
    for name in names {
        if let Some(child) = node.children.get_mut(name) {
            let is = [is_there(child.left()), is_there(child.right())];
            if on[0] && is[0] {
                child.left = Seen::Unknown(Unknown::NameClash);
            }
            if on[1] && is[1] {
                child.right = Seen::Unknown(Unknown::NameClash);
            }
        }
    }
}

/// What the first has in the base, the second on the left, and the third on the right, with all below. What is in each is told in full: the folder is not on both
/// sides by the same name.
fn combined([base, left, right]: [Option<&Node>; 3]) -> Node {
    let mut names: Vec<&Name> = [base, left, right]
        .into_iter()
        .flatten()
        .flat_map(|node| node.children.keys())
        .collect();
    names.sort();
    names.dedup();
    let child = |name: &Name| {
        let within = |node: Option<&'_ Node>| node.and_then(|node| node.children.get(name)).cloned();
        let [base, left, right] = [within(base), within(left), within(right)];
        (
            name.clone(),
            combined([base.as_ref(), left.as_ref(), right.as_ref()]),
        )
    };
    let told = |seen: Option<Result<Option<&Item>, Unknown>>| match seen {
        Some(Ok(Some(item))) => Seen::Item(item.clone()),
        Some(Err(why)) => Seen::Unknown(why),
        Some(Ok(None)) | None => Seen::Gone,
    };
    Node {
        base: base.and_then(|node| node.base.clone()),
        left: told(left.map(Node::left)),
        right: told(right.map(Node::right)),
        children: names.into_iter().map(child).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Vec<u8> {
        fold_key(&Name::new(name.as_bytes()).unwrap())
    }

    #[test]
    fn names_that_some_file_system_takes_for_one_have_one_key() {
        for (one, other) in [
            ("Case", "cASE"),
            ("caf\u{e9}", "CAFE\u{301}"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{3a3}\u{3c2}", "\u{3c3}\u{3c3}"),
            (".gobag-\u{17f}ync", ".gobag-sync"),
            (".go\u{200c}bag-sync", ".gobag-sync"),
            ("\u{1e9b}\u{323}", "\u{1e69}"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        assert_ne!(key("cafe"), key("caf\u{e9}"));
        let raw = |bytes: &[u8]| fold_key(&Name::new(bytes).unwrap());
        assert_eq!(raw(b"A\xff"), raw(b"a\xff"));
        assert_ne!(raw(b"A\xff"), raw(b"a\xfe"));
    }
}
