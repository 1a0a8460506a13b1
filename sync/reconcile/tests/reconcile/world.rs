//! Both sides and the base as maps, on which plans are carried out as strictly as on real files.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use gobag_reconcile::{
    ConflictNames, Content, File, Item, Merged, Name, Operation, Plan, RelPath, Seen, Side, fold_key, plan,
};

pub(crate) type Tree = BTreeMap<RelPath, Item>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) base: Tree,
    pub(crate) left: Tree,
    pub(crate) right: Tree,
    /// Who takes names for one that differ in capitals.
    pub(crate) folds: Option<Side>,
}

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::new(text.replace('_', " ").as_bytes()).unwrap()
}

pub(crate) fn file(fill: u8) -> Item {
    Item::File(File {
        content: Content([fill; 32]),
        len: u64::from(fill),
        executable: false,
    })
}

/// `a/ b:3 c->x d*4`: a folder, a file with content 3, a link, a file that may be run; `_` is a space.
pub(crate) fn tree(text: &str) -> Tree {
    let one = |word: &str| {
        if let Some(folder) = word.strip_suffix('/') {
            return (path(folder), Item::Folder);
        }
        if let Some((link, text)) = word.split_once("->") {
            return (path(link), Item::Link(text.as_bytes().into()));
        }
        if let Some((run, fill)) = word.split_once('*') {
            let Item::File(mut file) = file(fill.parse().unwrap()) else {
                unreachable!()
            };
            file.executable = true;
            return (path(run), Item::File(file));
        }
        let (name, fill) = word.split_once(':').unwrap();
        (path(name), file(fill.parse().unwrap()))
    };
    text.split_whitespace().map(one).collect()
}

pub(crate) fn shown(tree: &Tree) -> String {
    let one = |(path, item): (&RelPath, &Item)| match item {
        Item::Folder => format!("{path}/"),
        Item::Link(text) => format!("{path}->{}", String::from_utf8_lossy(text)),
        Item::File(file) if file.executable => format!("{path}*{}", file.len),
        Item::File(file) => format!("{path}:{}", file.len),
    };
    let words = tree.iter().map(one).map(|word| word.replace(' ', "_"));
    words.collect::<Vec<_>>().join(" ")
}

fn name(path: &RelPath) -> Name {
    Name::new(path.name().unwrap()).unwrap()
}

/// Whether who folds takes both names for one.
pub(crate) fn is_alike(one: &RelPath, other: &RelPath) -> bool {
    fold_key(&name(one)) == fold_key(&name(other))
}

/// What is at `path` and below, by the rest of its path.
fn take(tree: &mut Tree, path: &RelPath) -> Vec<(Vec<u8>, Item)> {
    let prefix = [path.as_bytes(), b"/"].concat();
    let is_in = |other: &RelPath| other == path || other.as_bytes().starts_with(&prefix);
    let moved: Vec<RelPath> = tree.keys().filter(|other| is_in(other)).cloned().collect();
    let rest = |other: &RelPath| other.as_bytes()[path.as_bytes().len()..].to_vec();
    moved
        .into_iter()
        .map(|other| (rest(&other), tree.remove(&other).unwrap()))
        .collect()
}

fn give(tree: &mut Tree, path: &RelPath, moved: Vec<(Vec<u8>, Item)>) {
    for (rest, item) in moved {
        tree.insert(RelPath::new(&[path.as_bytes(), &rest].concat()).unwrap(), item);
    }
}

pub(crate) fn names() -> ConflictNames {
    ConflictNames::new("s", "t")
}

impl World {
    pub(crate) fn new(base: &str, left: &str, right: &str) -> Self {
        Self {
            base: tree(base),
            left: tree(left),
            right: tree(right),
            folds: None,
        }
    }

    pub(crate) fn of(&mut self, side: Side) -> &mut Tree {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    /// What differs, as scans tell it.
    pub(crate) fn merged(&self) -> Merged {
        let mut merged = Merged::default();
        let all: BTreeSet<&RelPath> = self
            .base
            .keys()
            .chain(self.left.keys())
            .chain(self.right.keys())
            .collect();
        for path in all {
            let base = self.base.get(path);
            let seen = |tree: &Tree| match tree.get(path) {
                item if item == base => Seen::AsBase,
                Some(item) => Seen::Item(item.clone()),
                None => Seen::Gone,
            };
            let (left, right) = (seen(&self.left), seen(&self.right));
            if (&left, &right) != (&Seen::AsBase, &Seen::AsBase) {
                merged.add(path, base.cloned(), left, right);
            }
        }
        if self.folds.is_some() {
            let in_base = |folder: &RelPath| -> Result<Vec<Name>, Infallible> {
                let within = self
                    .base
                    .keys()
                    .filter(|path| path.parent().as_ref() == Some(folder));
                Ok(within.map(name).collect())
            };
            merged.fold(&|_, _| true, &in_base).unwrap();
        }
        merged
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.merged(), &names(), &|path| self.base.contains_key(path))
    }

    /// Carries out one operation; fails where what it expects is not so.
    pub(crate) fn apply(&mut self, operation: &Operation) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {operation:?}"));
        match operation.clone() {
            Operation::Rename {
                on,
                from,
                to,
                item,
                base,
            } => {
                if self.of(on).get(&from) != Some(&item) {
                    return wrong("not what is there");
                }
                let moved = take(self.of(on), &from);
                self.make(on, to.clone(), None, item)
                    .or_else(|text| wrong(&text))?;
                give(self.of(on), &to, moved);
                if let Some(base) = base {
                    let moved = take(&mut self.base, &base);
                    give(&mut self.base, &to, moved);
                }
                Ok(())
            }
            Operation::SetAside { on, from, to, item } => {
                self.rename(on, from, to, &item).or_else(|text| wrong(&text))
            }
            Operation::Move { on, from, to, item } => {
                self.rename(on, from.clone(), to.clone(), &item)
                    .or_else(|text| wrong(&text))?;
                self.base.remove(&from);
                self.base.insert(to, item);
                Ok(())
            }
            Operation::MakeFolder { on, path } => {
                if self.of(on.other()).get(&path) != Some(&Item::Folder) {
                    return wrong("no folder on the other side");
                }
                self.make(on, path.clone(), None, Item::Folder)
                    .or_else(|text| wrong(&text))?;
                self.base.insert(path, Item::Folder);
                Ok(())
            }
            Operation::Put {
                to,
                path,
                expect,
                item,
            } => {
                if self.of(to.other()).get(&path) != Some(&item) {
                    return wrong("the other side has not what is put");
                }
                self.make(to, path.clone(), expect, item.clone())
                    .or_else(|text| wrong(&text))?;
                self.base.insert(path, item);
                Ok(())
            }
            Operation::Remove { on, path, item } => {
                if self.base.get(&path) != Some(&item) {
                    return wrong("not what the base has");
                }
                if self.of(on).remove(&path) != Some(item) {
                    return wrong("not what is there");
                }
                self.base.remove(&path);
                Ok(())
            }
            Operation::RemoveFolder { on, path } => {
                let prefix = [path.as_bytes(), b"/"].concat();
                if self
                    .of(on)
                    .keys()
                    .any(|below| below.as_bytes().starts_with(&prefix))
                {
                    return wrong("not empty");
                }
                if self.of(on).remove(&path) != Some(Item::Folder) {
                    return wrong("no folder");
                }
                self.base.remove(&path);
                Ok(())
            }
            Operation::Agree { path, item } => {
                if self.left.get(&path) != Some(&item) || self.right.get(&path) != Some(&item) {
                    return wrong("they do not agree");
                }
                self.base.insert(path, item);
                Ok(())
            }
            Operation::Forget { path } => {
                if self.left.contains_key(&path) || self.right.contains_key(&path) {
                    return wrong("somebody has it");
                }
                self.base.remove(&path);
                Ok(())
            }
        }
    }

    fn rename(&mut self, on: Side, from: RelPath, to: RelPath, item: &Item) -> Result<(), String> {
        if self.of(on).get(&from) != Some(item) {
            return Err("not what is there".to_owned());
        }
        self.make(on, to, None, item.clone())?;
        self.of(on).remove(&from);
        Ok(())
    }

    fn make(&mut self, on: Side, path: RelPath, expect: Option<Item>, item: Item) -> Result<(), String> {
        let parent = path.parent().unwrap_or_default();
        if !parent.is_root() && self.of(on).get(&parent) != Some(&Item::Folder) {
            return Err("not in a folder".to_owned());
        }
        if self.of(on).get(&path) != expect.as_ref() {
            return Err("not what is expected".to_owned());
        }
        let folds = self.folds == Some(on);
        let is_one = |other: &&RelPath| {
            folds && **other != path && other.parent() == path.parent() && is_alike(other, &path)
        };
        if let Some(other) = self.of(on).keys().find(is_one) {
            return Err(format!("there is {other}"));
        }
        self.of(on).insert(path, item);
        Ok(())
    }

    pub(crate) fn apply_all(&mut self, plan: &Plan) {
        for operation in &plan.operations {
            self.apply(operation)
                .unwrap_or_else(|text| panic!("{text}\nof {plan:#?}"));
        }
    }

    /// Plans and applies once; then both are the same and nothing is left to do.
    pub(crate) fn settle(mut self) -> (String, Plan) {
        let plan = self.plan();
        self.apply_all(&plan);
        assert_eq!(shown(&self.left), shown(&self.right));
        assert_eq!(shown(&self.left), shown(&self.base));
        assert!(self.plan().operations.is_empty());
        (shown(&self.left), plan)
    }
}
