//! The plan: the table of the crate's page, folder by folder.
//!
//! Operations come in an order in which each can be done alone and be the last: what has another name gets it, what is in the way is set aside or removed, folders are made, things are
//! moved, then put, then removed, and last the folders that are empty by then. Each says what it expects to find. So whoever stops after any of them finds on
//! both sides either what was there or what was to come, and plans the rest anew. The base has no row in what is no folder to it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    ConflictNames, File, Item, Merged, Name, RelPath, Unknown,
    merge::{Node, is_there},
    moves,
};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The user's, as a rule.
    #[serde(rename = "left", alias = "stick")]
    Left,
    /// The company's, as a rule; its files keep their names where both changed them, unless somebody said otherwise.
    #[serde(rename = "right", alias = "company")]
    Right,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Left => "left",
            Self::Right => "right",
        })
    }
}

/// Something to do. What it changes in the base is changed once it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Gives something the name that it has on the other side already, and in the base, with all that is in it: a side takes both names for one. The base has it
    /// by that name then, if it had it.
    Rename {
        /// Where.
        on: Side,
        /// From this path.
        from: RelPath,
        /// To this one in the same folder, at which nothing else is.
        to: RelPath,
        /// What goes by another name.
        item: Item,
        /// The path that the base has it at; none: it has not.
        base: Option<RelPath>,
    },
    /// Gives something another name on the one side where it is, for another comes in its place. The base stays.
    SetAside {
        /// Where.
        on: Side,
        /// From this path.
        from: RelPath,
        /// To this one, at which nothing is.
        to: RelPath,
        /// What is moved.
        item: Item,
    },
    /// Makes a folder; the base has it then.
    MakeFolder {
        /// Where.
        on: Side,
        /// At this path, at which nothing is.
        path: RelPath,
    },
    /// Moves what the other side has moved; the base, too.
    Move {
        /// Where.
        on: Side,
        /// From this path.
        from: RelPath,
        /// To this one, at which nothing is.
        to: RelPath,
        /// What is moved.
        item: Item,
    },
    /// Makes `path` what it is on the other side; the base has it then.
    Put {
        /// Where.
        to: Side,
        /// At this path of both sides.
        path: RelPath,
        /// What has to be there before; none: nothing.
        expect: Option<Item>,
        /// What is put.
        item: Item,
    },
    /// Puts what is there into the version store; the base has it no more.
    Remove {
        /// Where.
        on: Side,
        /// At this path.
        path: RelPath,
        /// What has to be there: what the base has.
        item: Item,
    },
    /// Removes a folder if it is empty; the base has it no more.
    RemoveFolder {
        /// Where.
        on: Side,
        /// At this path.
        path: RelPath,
    },
    /// Both have it: the base is to have it, too.
    Agree {
        /// At this path.
        path: RelPath,
        /// What both have.
        item: Item,
    },
    /// Neither has it: the base is to forget it.
    Forget {
        /// At this path.
        path: RelPath,
    },
}

impl Operation {
    /// The path that it is about; of a move, where it leads.
    pub fn path(&self) -> &RelPath {
        match self {
            Self::Rename { to: path, .. }
            | Self::SetAside { to: path, .. }
            | Self::Move { to: path, .. }
            | Self::MakeFolder { path, .. }
            | Self::Put { path, .. }
            | Self::Remove { path, .. }
            | Self::RemoveFolder { path, .. }
            | Self::Agree { path, .. }
            | Self::Forget { path } => path,
        }
    }
}

/// What people are to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Both changed it. The company's has the name, but where the stick has a folder there and the company a file: a folder keeps its name.
    Conflict {
        /// The path.
        path: RelPath,
        /// The path of what the name did not stay with.
        copy: RelPath,
        /// Whose that is.
        whose: Side,
    },
    /// One side deleted it, and it is back: the other had changed it.
    Restored {
        /// The path.
        path: RelPath,
        /// Who had deleted it.
        deleted_on: Side,
    },
    /// Nothing is done there.
    Left {
        /// The path.
        path: RelPath,
        /// On which side.
        on: Side,
        /// Why.
        why: Unknown,
    },
}

/// What to do, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One after the other.
    pub operations: Vec<Operation>,
    /// For people.
    pub notices: Vec<Notice>,
    /// So many of the base's things at the top are on the left side no more, and on the right side.
    pub gone_at_top: [u64; 2],
}

/// When an operation has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Turn {
    /// Topmost first.
    Rename,
    SetAside,
    /// Deepest first.
    Clear,
    /// Topmost first.
    MakeFolder,
    Move,
    Put,
    Remove,
    /// Deepest first.
    RemoveFolder,
    /// Deepest first.
    Forget,
    Note,
}

/// Works out what has to be done. `in_base` says whether the base has something at a path, also where nothing differs.
pub fn plan(merged: &Merged, names: &ConflictNames, in_base: &dyn Fn(&RelPath) -> bool) -> Plan {
    let mut planner = Planner {
        names,
        in_base,
        turns: merged
            .renames
            .iter()
            .map(|rename| (Turn::Rename, rename.clone()))
            .collect(),
        notices: Vec::new(),
    };
    let mut gone_at_top = [0; 2];
    for (name, node) in &merged.root.children {
        if node.base.is_some() {
            gone_at_top[0] += u64::from(!is_there(node.left()));
            gone_at_top[1] += u64::from(!is_there(node.right()));
        }
        planner.visit(&RelPath::root().join(name), node, &merged.root);
    }
    let mut turns = planner.turns;
    moves::find(&mut turns);
    // The order of paths has folders before what is in them.
    turns.sort_by(|(turn, a), (other, b)| (turn, a.path()).cmp(&(other, b.path())));
    for deepest_first in [Turn::Clear, Turn::RemoveFolder, Turn::Forget] {
        let begin = turns.partition_point(|(turn, _)| *turn < deepest_first);
        let end = turns.partition_point(|(turn, _)| *turn <= deepest_first);
        turns[begin..end].reverse();
    }
    Plan {
        operations: turns.into_iter().map(|(_, operation)| operation).collect(),
        notices: planner.notices,
        gone_at_top,
    }
}

/// What becomes of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is on neither side.
    Gone,
    /// It is on both.
    There,
    /// It stays as it is on either.
    Left,
}

struct Planner<'a> {
    names: &'a ConflictNames,
    in_base: &'a dyn Fn(&RelPath) -> bool,
    turns: Vec<(Turn, Operation)>,
    notices: Vec<Notice>,
}

impl Planner<'_> {
    fn visit(&mut self, path: &RelPath, node: &Node, parent: &Node) -> Fate {
        let (left, right) = match (node.left(), node.right()) {
            (Ok(left), Ok(right)) => (left, right),
            (left, right) => {
                for (on, seen) in [(Side::Left, left), (Side::Right, right)] {
                    if let Err(why) = seen {
                        let path = path.clone();
                        self.notices.push(Notice::Left { path, on, why });
                    }
                }
                return Fate::Left;
            }
        };
        match (left, right) {
            (Some(Item::Folder), Some(Item::Folder)) => {
                self.agree(path, node, &Item::Folder);
                self.visit_all(path, node);
                Fate::There
            }
            (Some(Item::Folder), None) => self.folder_on_one(path, node, Side::Left),
            (None, Some(Item::Folder)) => self.folder_on_one(path, node, Side::Right),
            (Some(Item::Folder), Some(item)) => self.folder_and_item(path, node, parent, Side::Right, item),
            (Some(item), Some(Item::Folder)) => self.folder_and_item(path, node, parent, Side::Left, item),
            (left, right) => {
                // What the base had in a folder here is on neither side.
                self.visit_all(path, node);
                self.items(path, node, parent, left, right)
            }
        }
    }

    fn visit_all(&mut self, path: &RelPath, node: &Node) -> Fate {
        let mut all = Fate::Gone;
        for (name, child) in &node.children {
            match self.visit(&path.join(name), child, node) {
                Fate::There => all = Fate::There,
                Fate::Left if all == Fate::Gone => all = Fate::Left,
                Fate::Left | Fate::Gone => {}
            }
        }
        all
    }

    /// Neither is a folder.
    fn items(
        &mut self,
        path: &RelPath,
        node: &Node,
        parent: &Node,
        left: Option<&Item>,
        right: Option<&Item>,
    ) -> Fate {
        let base = node.base.as_ref();
        match (left, right) {
            (None, None) => {
                if base.is_some() {
                    self.turn(Turn::Forget, Operation::Forget { path: path.clone() });
                }
                return Fate::Gone;
            }
            (Some(left), Some(right)) if left == right => self.agree(path, node, left),
            _ if left == base => return self.follow(path, Side::Left, left, right),
            _ if right == base => return self.follow(path, Side::Right, right, left),
            (Some(item), None) => self.restore(path, Side::Right, item),
            (None, Some(item)) => self.restore(path, Side::Left, item),
            // All that differs is who may run it.
            (Some(Item::File(one)), Some(Item::File(other))) if is_same_content(one, other) => {
                self.put(Side::Left, path, left, &Item::File(*other));
            }
            (Some(left), Some(right)) => {
                let on = self.names.gives_way();
                let (aside, stays) = match on {
                    Side::Left => (left, right),
                    Side::Right => (right, left),
                };
                self.set_aside(path, parent, on, aside);
                self.put(on, path, None, stays);
            }
        }
        Fate::There
    }

    /// Makes `on`, which has what the base has, as the other side is.
    fn follow(&mut self, path: &RelPath, on: Side, was: Option<&Item>, is: Option<&Item>) -> Fate {
        match (is, was) {
            (Some(is), was) => {
                self.put(on, path, was, is);
                Fate::There
            }
            (None, Some(was)) => {
                self.remove(Turn::Remove, on, path, was);
                Fate::Gone
            }
            (None, None) => Fate::Gone,
        }
    }

    /// Puts back what `to` has deleted: the other side changed it.
    fn restore(&mut self, path: &RelPath, to: Side, item: &Item) {
        let deleted_on = to;
        self.notices.push(Notice::Restored {
            path: path.clone(),
            deleted_on,
        });
        self.put(to, path, None, item);
    }

    /// A folder on side `on`, nothing on the other.
    fn folder_on_one(&mut self, path: &RelPath, node: &Node, on: Side) -> Fate {
        let is_deleted = node.base.as_ref().is_some_and(Item::is_folder);
        let mut within = self.visit_all(path, node);
        if !is_deleted {
            within = Fate::There;
        }
        match within {
            Fate::There => self.make_folder(on.other(), path),
            Fate::Gone => self.turn(
                Turn::RemoveFolder,
                Operation::RemoveFolder {
                    on,
                    path: path.clone(),
                },
            ),
            Fate::Left => {}
        }
        within
    }

    /// `item` on side `on`, a folder on the other.
    fn folder_and_item(&mut self, path: &RelPath, node: &Node, parent: &Node, on: Side, item: &Item) -> Fate {
        let has_folder = on.other();
        if node.base.as_ref() == Some(item) {
            self.remove(Turn::Clear, on, path, item);
            self.make_folder(on, path);
            self.visit_all(path, node);
            return Fate::There;
        }
        let turns = self.turns.len();
        let within = self.visit_all(path, node);
        if node.base.as_ref().is_some_and(Item::is_folder) && within == Fate::Gone {
            // Everything that was in the folder goes, before what comes in its place.
            for (turn, _) in &mut self.turns[turns..] {
                if matches!(turn, Turn::Remove | Turn::RemoveFolder) {
                    *turn = Turn::Clear;
                }
            }
            let (on, path) = (has_folder, path.clone());
            self.turn(
                Turn::Clear,
                Operation::RemoveFolder {
                    on,
                    path: path.clone(),
                },
            );
            self.put(has_folder, &path, None, item);
            return Fate::There;
        }
        self.set_aside(path, parent, on, item);
        self.make_folder(on, path);
        Fate::There
    }

    /// Gives what `on` has another name, and puts it under that on the other side, too.
    fn set_aside(&mut self, path: &RelPath, parent: &Node, on: Side, item: &Item) {
        let is_taken =
            |name: &Name, path: &RelPath| parent.children.contains_key(name) || (self.in_base)(path);
        let copy = self.names.beside(path, item, &is_taken);
        self.notices.push(Notice::Conflict {
            path: path.clone(),
            copy: copy.clone(),
            whose: on,
        });
        let (from, to, moved) = (path.clone(), copy.clone(), item.clone());
        self.turn(
            Turn::SetAside,
            Operation::SetAside {
                on,
                from,
                to,
                item: moved,
            },
        );
        self.put(on.other(), &copy, None, item);
    }

    fn agree(&mut self, path: &RelPath, node: &Node, item: &Item) {
        if node.base.as_ref() != Some(item) {
            // The base has a folder before it has what is in it.
            let turn = if item.is_folder() {
                Turn::MakeFolder
            } else {
                Turn::Note
            };
            let (path, item) = (path.clone(), item.clone());
            self.turn(turn, Operation::Agree { path, item });
        }
    }

    fn put(&mut self, to: Side, path: &RelPath, expect: Option<&Item>, item: &Item) {
        let (path, expect, item) = (path.clone(), expect.cloned(), item.clone());
        self.turn(
            Turn::Put,
            Operation::Put {
                to,
                path,
                expect,
                item,
            },
        );
    }

    fn make_folder(&mut self, on: Side, path: &RelPath) {
        let path = path.clone();
        self.turn(Turn::MakeFolder, Operation::MakeFolder { on, path });
    }

    fn remove(&mut self, turn: Turn, on: Side, path: &RelPath, item: &Item) {
        let (path, item) = (path.clone(), item.clone());
        self.turn(turn, Operation::Remove { on, path, item });
    }

    fn turn(&mut self, turn: Turn, operation: Operation) {
        self.turns.push((turn, operation));
    }
}

fn is_same_content(left: &File, right: &File) -> bool {
    left.content == right.content && left.len == right.len
}
