//! What is done in the guest, and what is known of it: a piece of work counts once its sync has ended.

use std::collections::BTreeMap;

use crate::demo::installable::{self, EDITOR, TOOLS};
use crate::rng::Rng;

/// Trees that are kept; the oldest goes when there are more.
const MOST_TREES: usize = 10;
/// One in so many pieces of work is the editor.
const EDITOR_EVERY: usize = 12;

/// A piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Installs a set of packages, again if it is there.
    Install(usize),
    /// Removes it with its settings.
    Purge(usize),
    /// Writes a tree of files with their checksums.
    Write { tree: u64, files: usize, kib: usize },
    /// Removes a tree.
    Remove(u64),
}

/// What was confirmed.
#[derive(Default)]
pub(super) struct Books {
    /// Digest of each tree's checksums.
    trees: BTreeMap<u64, String>,
    /// Whether each set of packages is installed; a set that work was left off at is not in here.
    sets: BTreeMap<usize, bool>,
    /// Sets that work was left off at.
    torn: Vec<usize>,
    under_way: Option<Work>,
    last_tree: u64,
    done: usize,
}

/// The sets by number; the last is the editor.
pub(super) fn set(number: usize) -> &'static [&'static str] {
    TOOLS.get(number).copied().unwrap_or(EDITOR)
}

impl Books {
    /// Chooses the next piece of work and remembers it as begun.
    pub(super) fn begin(&mut self) -> Work {
        self.done += 1;
        let mut rng = Rng::new(self.done as u64);
        let work = if self.trees.len() > MOST_TREES {
            Work::Remove(*self.trees.keys().next().unwrap_or(&0))
        } else if rng.below(EDITOR_EVERY) == 0 {
            self.turn(TOOLS.len())
        } else if rng.below(2) == 0 {
            let number = rng.below(TOOLS.len());
            // A third of the time what is installed is installed once more.
            if rng.below(3) == 0 {
                Work::Install(number)
            } else {
                self.turn(number)
            }
        } else {
            self.last_tree += 1;
            Work::Write {
                tree: self.last_tree,
                files: 1 + rng.below(30),
                kib: 1 + rng.below(100),
            }
        };
        self.under_way = Some(work.clone());
        work
    }

    fn turn(&self, number: usize) -> Work {
        match self.sets.get(&number) {
            Some(true) => Work::Purge(number),
            _ => Work::Install(number),
        }
    }

    /// The work begun last has ended with its sync, and this output.
    pub(super) fn confirmed(&mut self, output: &str) {
        match self.under_way.take() {
            Some(Work::Install(number)) => self.settle(number, true),
            Some(Work::Purge(number)) => self.settle(number, false),
            Some(Work::Write { tree, .. }) => {
                self.trees.insert(tree, digest(output));
            }
            Some(Work::Remove(tree)) => {
                self.trees.remove(&tree);
            }
            None => {}
        }
    }

    /// A set is known to be installed, or not.
    pub(super) fn settle(&mut self, number: usize, installed: bool) {
        self.torn.retain(|torn| *torn != number);
        self.sets.insert(number, installed);
    }

    /// The session ended: work under way may be done in part, or not at all.
    pub(super) fn left_off(&mut self) {
        match self.under_way.take() {
            Some(Work::Install(number) | Work::Purge(number)) => {
                self.sets.remove(&number);
                self.torn.push(number);
            }
            // Of it nothing is expected any more.
            Some(Work::Remove(tree)) => {
                self.trees.remove(&tree);
            }
            Some(Work::Write { .. }) | None => {}
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Sets that work was left off at.
    pub(super) fn torn(&self) -> Vec<usize> {
        self.torn.clone()
    }

    /// Sets by whether they are installed.
    pub(super) fn sets(&self, installed: bool) -> Vec<usize> {
        let known = self.sets.iter().filter(|(_, is)| **is == installed);
        known.map(|(number, _)| *number).collect()
    }

    /// A command that prints a line for each confirmed tree, and what it must print.
    pub(super) fn trees(&self) -> (String, String) {
        let names: Vec<String> = self.trees.keys().map(ToString::to_string).collect();
        let command = format!(
            "mountpoint -q /home || echo '/home is not mounted'; mkdir -p /home/soak && cd /home/soak && for n in {}; do sha256sum < $n.sum; \
             (cd $n && sha256sum --quiet -c ../$n.sum 2>&1); done; cd",
            names.join(" ")
        );
        let lines: Vec<&str> = self.trees.values().map(String::as_str).collect();
        (command, lines.join("\n"))
    }

    /// Trees that must be there.
    pub(super) fn count(&self) -> usize {
        self.trees.len()
    }
}

impl Work {
    /// The shell's words for it; they end with a sync.
    pub(super) fn command(&self) -> String {
        match self {
            Self::Install(number) => {
                format!("dpkg -i {} >/dev/null && sync", installable::files(set(*number)))
            }
            Self::Purge(number) => format!("dpkg -P {} >/dev/null && sync", set(*number).join(" ")),
            Self::Write { tree, files, kib } => format!(
                "(mkdir -p /home/soak/{tree} && cd /home/soak/{tree} && for i in $(seq {files}); do \
                 head -c $((i * {kib} * 512)) /dev/urandom > $i; done && sha256sum * > ../{tree}.sum && sync && \
                 sha256sum < ../{tree}.sum)"
            ),
            Self::Remove(tree) => format!("rm -r /home/soak/{tree} /home/soak/{tree}.sum && sync"),
        }
    }

    /// In a word or two.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Install(number) => format!("installing {}", set(*number).last().unwrap_or(&"")),
            Self::Purge(number) => format!("removing {}", set(*number).last().unwrap_or(&"")),
            Self::Write { files, .. } => format!("writing {files} files"),
            Self::Remove(_) => "removing files".to_owned(),
        }
    }
}

fn digest(output: &str) -> String {
    output.lines().last().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_confirmed_work_is_expected() {
        let write = |tree| Work::Write {
            tree,
            files: 1,
            kib: 1,
        };
        let mut books = Books {
            under_way: Some(write(1)),
            ..Books::default()
        };
        books.confirmed("noise\nabc  -");
        books.under_way = Some(write(2));
        books.left_off();
        let (command, expected) = books.trees();
        assert!(command.contains("for n in 1;"), "{command}");
        assert_eq!(expected, "abc  -");

        books.under_way = Some(Work::Install(3));
        books.confirmed("");
        assert_eq!((books.sets(true), books.torn()), (vec![3], vec![]));
        assert_eq!(books.turn(3), Work::Purge(3));
        books.under_way = Some(Work::Purge(3));
        books.left_off();
        assert_eq!((books.sets(true), books.torn()), (vec![], vec![3]));
        books.settle(3, false);
        assert_eq!((books.sets(false), books.torn()), (vec![3], vec![]));
    }

    #[test]
    fn trees_do_not_pile_up() {
        let mut books = Books::default();
        for _ in 0..400 {
            books.begin();
            books.confirmed("x  -");
            assert!(books.count() <= MOST_TREES + 1);
        }
        assert!(books.last_tree > 50);
    }
}
