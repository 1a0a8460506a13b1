//! One pass: what differs on both sides, what follows from it, and whether it may be done.

use std::{collections::BTreeMap, fs, os::fd::AsFd as _, path::Path};

use gobag_files::Base as _;
use gobag_files::{FilesError, Filter, Found, OURS, Root, RootId, Scan, Scope, scan};
use gobag_format::Monitor;
use gobag_reconcile::{
    ConflictNames, HoldLimits, Item, Merged, Name, Plan, RelPath, Seen, Side, Totals, Unknown, holds, plan,
};
use rustix::fs::FlockOperation;

use crate::{
    PairError, Report, Told,
    apply::{Apply, Mark, Marks},
    aside::{BASE, ENDINGS, FRESH, put_aside, remove, rename, with},
    base::{Base, Both, Change, at},
    filters::{Forgotten, keep_folders},
};

/// Whoever makes a pass has this file locked.
const LOCK: &str = "lock";

/// How a pass is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// By whom names of conflicts say that they were made.
    pub label: String,
    /// The pass's own name, from the time of day: by it versions and conflicts are named. Nothing is decided by it.
    pub run: String,
    /// Somebody has agreed to what holds a pass.
    pub confirmed: bool,
    /// Only what would be done is told.
    pub dry_run: bool,
    /// From when on a pass is held.
    pub limits: HoldLimits,
    /// What is left out besides what the roots' own files say, in their syntax.
    pub patterns: Vec<String>,
}

/// Two folders that are kept the same. The right one is the company's.
pub struct Pair {
    left: Root,
    right: Root,
    base: Base,
    /// Held for as long as the pair is open.
    _lock: fs::File,
}

impl Pair {
    /// Pairs two folders that were not, or opens those that were. `fresh` are names for roots that have none yet.
    pub fn make(left: &Path, right: &Path, fresh: [RootId; 2]) -> Result<Self, PairError> {
        check_apart(left, right)?;
        let left = Root::open(left, fresh[0], None)?;
        let lock = lock(&left)?;
        let path = left.path().join(OURS).join(BASE);
        let base = match Base::open(&path) {
            Err(PairError::BaseDamaged { .. }) => {
                put_aside(&path, "before-pairing")?;
                remove(&path)?;
                Base::open(&path)?
            }
            other => other?,
        };
        let known = base.roots()?;
        check_root(&left, known)?;
        let right = Root::open(right, fresh[1], known.map(|[_, right]| right))?;
        if left.id() == right.id() {
            let (left, right) = (left.path().to_owned(), right.path().to_owned());
            return Err(PairError::Overlap { left, right });
        }
        base.set_roots([left.id(), right.id()])?;
        if known.is_none() {
            // Of passes with an earlier base nothing is to be known.
            base.set_passes(right.counter(left.id())?, false)?;
        }
        Ok(Self {
            left,
            right,
            base,
            _lock: lock,
        })
    }

    /// Forgets which folder `left` was paired with, and what both had; also where its marker is gone, in whose place comes `fresh`.
    pub fn forget(left: &Path, fresh: RootId) -> Result<(), PairError> {
        let left = Root::open(left, fresh, None)?;
        let _lock = lock(&left)?;
        let base = left.path().join(OURS).join(BASE);
        put_aside(&base, "before-pairing")?;
        remove(&base)
    }

    /// Opens two folders that were paired: each has to be the one that it was.
    pub fn open(left: &Path, right: &Path) -> Result<Self, PairError> {
        check_apart(left, right)?;
        let path = left.join(OURS).join(BASE);
        if !path.exists() {
            // A drive that is not there must not look like one that is empty.
            let path = left.to_owned();
            return Err(PairError::NotPaired { path });
        }
        let left = Root::open_known(left)?;
        let lock = lock(&left)?;
        let base = Base::open(&path)?;
        let Some(known) = base.roots()? else {
            let path = left.path().to_owned();
            return Err(PairError::NotPaired { path });
        };
        check_root(&left, Some(known))?;
        let right = Root::open(right, known[1], Some(known[1]))?;
        Ok(Self {
            left,
            right,
            base,
            _lock: lock,
        })
    }

    /// Makes both the same, as far as nothing is in the way. Ended early, what was done stays, and the next pass goes on from there.
    pub fn pass(&mut self, options: &Options, monitor: &dyn Monitor) -> Result<Report, PairError> {
        let passed = match self.went_back()? {
            true => Err(PairError::BaseDamaged {
                path: self.base.path().to_owned(),
            }),
            false => self.pass_once(options, monitor),
        };
        let mut report = match passed {
            // Nothing is changed, so nothing can be told but that.
            Err(PairError::BaseDamaged { .. }) if options.dry_run => {
                return Ok(Report {
                    base_lost: true,
                    dry_run: true,
                    ..Report::default()
                });
            }
            Err(PairError::BaseDamaged { .. }) => {
                self.lose_base(&options.run)?;
                self.pass_once(options, monitor)?
            }
            other => other?,
        };
        // It is told once a pass has come to its end.
        report.base_lost = self.base.is_lost()?;
        if report.base_lost && report.is_over() {
            self.base.set_lost(false)?;
        }
        Ok(report)
    }

    /// Whether one of the roots was put back to an earlier state, by a backup or an image: what the base has is then not what both had last.
    fn went_back(&self) -> Result<bool, PairError> {
        let (passes, unsaid) = self.base.passes()?;
        let heard = self.right.counter(self.left.id())?;
        Ok(heard != passes && !(unsaid && heard + 1 == passes))
    }

    /// Counts this pass on both sides, before it changes anything.
    fn count(&self) -> Result<(), PairError> {
        // One that was cut off in here counted no further than this.
        let passes = self.right.counter(self.left.id())? + 1;
        self.base.set_passes(passes, true)?;
        self.right.set_counter(self.left.id(), passes)?;
        self.base.set_passes(passes, false)
    }

    fn pass_once(&mut self, options: &Options, monitor: &dyn Monitor) -> Result<Report, PairError> {
        monitor.phase("looking at both folders", None);
        let filter = Filter::of([&self.left, &self.right], &options.patterns)?;
        let scans = self.scan(&filter, monitor)?;
        let (merged, marks, forgotten) = self.merge(&scans, &filter)?;
        let names = ConflictNames::new(&options.label, &options.run);
        let base = &self.base;
        // What cannot be read there is taken for there: the name is not used.
        let plan = plan(&merged, &names, &|path| {
            base.get(path).map_or(true, |known| known.is_some())
        });
        let mut report = Report {
            left_files: scans[0].files,
            right_files: scans[1].files,
            notices: forgotten.told(&filter, &self.base)?,
            dry_run: options.dry_run,
            ..Report::default()
        };
        report.notices.extend(plan.notices.iter().map(Told::of));
        let totals = match plan.operations.is_empty() {
            true => Totals::default(),
            false => self.base.totals()?,
        };
        if !options.confirmed {
            report.holds = holds(&plan, &totals, &options.limits);
        }
        if options.dry_run {
            plan.operations
                .iter()
                .for_each(|operation| report.count(operation));
            return Ok(report);
        }
        if !report.holds.is_empty() {
            return Ok(report);
        }
        self.note_stamps(&scans)?;
        forgotten.note(&filter, &mut self.base)?;
        self.carry_out(&plan, marks, &scans, options, monitor, &mut report)?;
        Ok(report)
    }

    /// Both at once; each with a connection of its own to the base.
    fn scan(&self, filter: &Filter, monitor: &dyn Monitor) -> Result<[Scan; 2], PairError> {
        let (path, left, right) = (self.base.path(), &self.left, &self.right);
        let was_read = |bytes| {
            monitor.advance(bytes);
            !monitor.is_cancelled()
        };
        let one = |root: &Root, side, other: &Root| -> Result<Scan, PairError> {
            let base = Base::open(path)?;
            // Where nobody can tell, it is tried.
            let is_refused = |name: &Name| other.refuses_name(name).unwrap_or(false);
            let is_refused = &is_refused;
            let scope = Scope { filter, is_refused };
            Ok(scan(root, &mut base.side(side), &scope, &was_read)?)
        };
        std::thread::scope(|scope| {
            let of_right = scope.spawn(|| one(right, Side::Right, left));
            let of_left = one(left, Side::Left, right);
            let of_right = of_right
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok([of_left?, of_right?])
        })
    }

    /// Lays both over the base, and gives the stamps of what is there where something differs.
    fn merge(&self, scans: &[Scan; 2], filter: &Filter) -> Result<(Merged, Marks, Forgotten), PairError> {
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
        keep_folders([&self.left, &self.right], filter, scans, &self.base, &mut merged)?;
        if self.left.folds_names() || self.right.folds_names() {
            let of = |root: &Root, one: &Name, other: &Name| root.is_one_name(one, other).unwrap_or(false);
            let is_one = |one: &Name, other: &Name| of(&self.left, one, other) || of(&self.right, one, other);
            let in_base = |folder: &RelPath| -> Result<Vec<Name>, PairError> {
                Ok(self.base.side(Side::Left).children(folder)?.into_keys().collect())
            };
            merged.fold(&is_one, &in_base)?;
        }
        Ok((merged, marks, forgotten))
    }

    /// Files that are what they were, with another stamp.
    fn note_stamps(&mut self, scans: &[Scan; 2]) -> Result<(), PairError> {
        let mut changes = Vec::new();
        for side in [Side::Left, Side::Right] {
            let scan = &scans[at(side)];
            for (path, found) in &scan.found {
                if let Found::Same(stamp) = found {
                    changes.push(Change::Stamp(path.clone(), side, scan.lasting(stamp)));
                }
            }
        }
        match changes.is_empty() {
            true => Ok(()),
            false => self.base.change(&changes),
        }
    }

    fn carry_out(
        &mut self,
        plan: &Plan,
        marks: Marks,
        scans: &[Scan; 2],
        options: &Options,
        monitor: &dyn Monitor,
        report: &mut Report,
    ) -> Result<(), PairError> {
        if plan.operations.is_empty() {
            return Ok(());
        }
        self.count()?;
        let mut apply = Apply::begin(
            [&self.left, &self.right],
            &mut self.base,
            marks,
            scans,
            &options.run,
        )?;
        apply.all(&plan.operations, monitor, report)?;
        report.notices.extend(apply.told());
        Ok(())
    }

    /// Begins a new base in place of a damaged one: nobody deletes anything without one. Cut off, the damaged one is there still, or the new one.
    fn lose_base(&mut self, run: &str) -> Result<(), PairError> {
        let path = self.base.path().to_owned();
        let fresh = path.with_file_name(FRESH);
        for ending in ENDINGS {
            remove(&with(&fresh, ending))?;
        }
        // The damaged one is closed here.
        self.base = Base::open(&fresh)?;
        self.base.set_lost(true)?;
        self.base.set_roots([self.left.id(), self.right.id()])?;
        self.base.set_passes(self.right.counter(self.left.id())?, false)?;
        self.base = Base::nowhere()?;
        put_aside(&path, run)?;
        rename(&fresh, &path)?;
        self.base = Base::open(&path)?;
        Ok(())
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

/// A base belongs to the folder that it was made in.
fn check_root(left: &Root, known: Option<[RootId; 2]>) -> Result<(), PairError> {
    match known {
        Some([known, _]) if known != left.id() => {
            let path = left.path().to_owned();
            Err(FilesError::OtherRoot { path }.into())
        }
        _ => Ok(()),
    }
}

fn check_apart(left: &Path, right: &Path) -> Result<(), PairError> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (one, other) = (real(left), real(right));
    match one.starts_with(&other) || other.starts_with(&one) {
        false => Ok(()),
        true => Err(PairError::Overlap {
            left: left.to_owned(),
            right: right.to_owned(),
        }),
    }
}

fn lock(root: &Root) -> Result<fs::File, PairError> {
    let path = root.path().join(OURS).join(LOCK);
    let opened = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = opened.map_err(|source| FilesError::Root { path, source })?;
    match rustix::fs::flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(PairError::Busy {
            path: root.path().to_owned(),
        }),
    }
}
