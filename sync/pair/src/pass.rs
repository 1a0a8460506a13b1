//! One pass: what differs on both sides, what follows from it, and whether it may be done.

use std::{
    collections::HashSet,
    fs,
    os::{fd::AsFd as _, unix::fs::OpenOptionsExt as _},
    path::Path,
};

use gobag_files::{FilesError, Filter, Found, OURS, Root, RootId, Scan, Slice};
use gobag_format::Monitor;
use gobag_reconcile::{HoldLimits, Lately, Notice, Plan, RelPath, Side, Totals, holds, plan};
use gobag_workspace::{StoreError, WorkspaceError};
use rustix::{
    fs::{FlockOperation, OFlags},
    io::Errno,
};

use crate::{
    Other, PairError, Report, Told,
    apply::{Apply, Marks},
    aside::{BASE, ENDINGS, FRESH, put_aside, remove, rename, with},
    base::{Base, Change, at},
    book::{left_base, left_root},
    names,
    noting::Noting,
    right::Right,
    side::{Folder, Target},
};

/// Whoever makes a pass has this file locked.
const LOCK: &str = "lock";
/// So often it is tried: who [only looks](is_locked) has it for a moment.
const LOOKS: usize = 16;

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
    /// As much of a first copy is looked at and done at a time: [`SLICE`], with a workspace [`SLICE_OF_WORKSPACE`].
    pub slice: usize,
}

/// Called with so many bytes before they are copied; waits until they may be.
pub type Pace = dyn Fn(usize) + Send + Sync;

/// Files and folders of a first copy that are looked at and copied at a time: some 1.3 KB of memory each.
pub const SLICE: usize = 25_000;

/// The same with a workspace, whose packs take as much besides.
pub const SLICE_OF_WORKSPACE: usize = 10_000;

/// Passes that are begun anew because others changed a workspace at the same moment.
const RACES: usize = 16;

/// A folder and what it is kept the same as, which is the company's.
pub struct Pair {
    pub(crate) left: Root,
    pub(crate) right: Right,
    pub(crate) base: Base,
    /// What is noted of the pass under way.
    pub(crate) noting: Noting,
    pace: Box<Pace>,
    /// Held for as long as the pair is open.
    _lock: fs::File,
}

impl Pair {
    /// Pairs two that were not, or opens those that were. `fresh` are names for roots that have none yet.
    pub fn make(left: &Path, right: impl Into<Other>, fresh: [RootId; 2]) -> Result<Self, PairError> {
        let right = right.into();
        check_apart(left, &right)?;
        let left = Root::open(left, fresh[0], None)?;
        let lock = lock(&left)?;
        let path = left.path().join(OURS).join(BASE);
        let base = match Base::open(&path) {
            Err(PairError::BaseDamaged { .. }) => begin_anew(&path, fresh[0])?,
            other => other?,
        };
        let known = base.roots()?;
        check_root(&left, known)?;
        let right = Right::open(right, fresh[1], known.map(|[_, right]| right))?;
        if let Right::Folder(right) = &right
            && left.id() == right.id()
        {
            let (left, right) = (left.path().to_owned(), right.path().to_owned());
            return Err(PairError::Overlap { left, right });
        }
        base.set_roots([left.id(), right.id()])?;
        base.set_right_place(&right.place())?;
        if known.is_none() {
            // Of passes with an earlier base nothing is to be known.
            base.set_passes(right.passes(left.id())?, false)?;
        }
        Ok(Self {
            left,
            right,
            base,
            noting: Noting::default(),
            pace: Box::new(|_| ()),
            _lock: lock,
        })
    }

    /// Forgets which folder `left` was paired with, and what both had; also where its marker is gone, in whose place comes `fresh`. What somebody said for all
    /// passes counts still.
    pub fn forget(left: &Path, fresh: RootId) -> Result<(), PairError> {
        let left = Root::open(left, fresh, None)?;
        let _lock = lock(&left)?;
        begin_anew(&left.path().join(OURS).join(BASE), fresh).map(drop)
    }

    /// Opens two that were paired: each has to be the one that it was.
    pub fn open(left: &Path, right: impl Into<Other>) -> Result<Self, PairError> {
        let right = right.into();
        check_apart(left, &right)?;
        let left = left_root(left)?;
        let lock = lock(&left)?;
        let (base, known) = left_base(&left)?;
        let right = Right::open(right, known[1], Some(known[1]))?;
        Ok(Self {
            left,
            right,
            base,
            noting: Noting::default(),
            pace: Box::new(|_| ()),
            _lock: lock,
        })
    }

    /// Remembers what somebody said for all passes from now on.
    pub fn remember(&self, name: &str, text: &str) -> Result<(), PairError> {
        self.base.say(name, text)
    }

    /// What was said so.
    pub fn remembered(&self, name: &str) -> Result<Option<String>, PairError> {
        self.base.said(name)
    }

    /// From now on files are copied no faster than this.
    pub fn set_pace(&mut self, pace: Box<Pace>) {
        self.pace = pace;
    }

    /// Makes both the same, as far as nothing is in the way. Ended early, what was done stays, and the next pass goes on from there.
    pub fn pass(&mut self, options: &Options, monitor: &dyn Monitor) -> Result<Report, PairError> {
        let mut races = 0;
        let mut report = loop {
            match self.pass_with_base(options, monitor) {
                // What came of it so far is whole; it goes on from there.
                Err(PairError::Workspace(WorkspaceError::Store(StoreError::Raced | StoreError::Gone)))
                    if races < RACES =>
                {
                    races += 1;
                }
                other => break other?,
            }
        };
        let told = std::mem::take(&mut self.noting.told);
        report.notices.splice(0..0, told);
        // It is told until a pass has come to its end.
        report.base_lost = report.base_lost || self.base.is_lost()?;
        if options.dry_run {
            return Ok(report);
        }
        if report.base_lost && report.is_over() && !report.is_cut {
            self.base.set_lost(false)?;
        }
        if report.is_over() && !report.is_cut && !self.base.is_whole()? {
            self.base.set_whole()?;
        }
        // What was left alone may be another thing with the next pass, which then has to look at all.
        let is_left = |told: &Told| matches!(told, Told::Left { .. });
        if report.is_in_step() && !report.notices.iter().any(is_left) {
            self.right.note_in_step(&self.base)?;
        }
        Ok(report)
    }

    /// With a new base, if the one that there is is not to be believed.
    fn pass_with_base(&mut self, options: &Options, monitor: &dyn Monitor) -> Result<Report, PairError> {
        let passed = match self.right.went_back(self.left.id(), &self.base)? {
            true => Err(PairError::BaseDamaged {
                path: self.base.path().to_owned(),
            }),
            false => self.pass_once(options, monitor),
        };
        match passed {
            // Nothing is changed, so nothing can be told but that.
            Err(PairError::BaseDamaged { .. }) if options.dry_run => Ok(Report {
                base_lost: true,
                dry_run: true,
                ..Report::default()
            }),
            Err(PairError::BaseDamaged { .. }) => {
                self.lose_base(&options.run)?;
                // Of a workspace the newest point there is counts from now on.
                self.right.went_back(self.left.id(), &self.base)?;
                self.pass_once(options, monitor)
            }
            other => other,
        }
    }

    fn pass_once(&mut self, options: &Options, monitor: &dyn Monitor) -> Result<Report, PairError> {
        let mut done = Report::default();
        (self.noting.refused, self.noting.is_full) = (None, false);
        let failed = match self.parts(options, monitor, &mut done) {
            Err(error) => error,
            // What waits for somebody, and that somebody ended it, is to be known first.
            Ok(()) if !done.is_over() => return Ok(done),
            Ok(()) => match self.noting.refused.take() {
                Some(error) => error.into(),
                None => return Ok(done),
            },
        };
        self.noting.failed(&done);
        Err(failed)
    }

    /// One slice after the other, or everything at once.
    fn parts(
        &mut self,
        options: &Options,
        monitor: &dyn Monitor,
        done: &mut Report,
    ) -> Result<(), PairError> {
        // Of names that a side takes for one, both have to be seen at once.
        let folds = self.left.folds_names() || self.right.folds_names();
        let mut after = match options.dry_run || folds || self.base.is_whole()? {
            true => None,
            false => Some(RelPath::root()),
        };
        // Folders that one side does not have, nor gets: of what is in them nothing is looked at but in the end.
        let mut closed = HashSet::new();
        let mut failures = Vec::new();
        loop {
            let patterns = [Filter::text(&self.left)?, self.right.patterns()?];
            let filter = Filter::of(patterns, &options.patterns);
            let most = options.slice;
            let slice = after.map(|after| Slice { after, most });
            let mut scans = self.look(&filter, slice, monitor)?;
            let end = scans[0].end.clone();
            if end.is_some() {
                let is_out = |path: &RelPath| is_below(path, &closed);
                scans
                    .iter_mut()
                    .for_each(|scan| scan.found.retain(|path, _| !is_out(path)));
            }
            let mut part = self.part(&filter, &scans, options, monitor, &mut closed)?;
            // Else all that failed would be looked at once more in the end, at once.
            let is_too_much = end.is_some() && failures.len() + part.failures.len() >= most;
            part.is_cut = part.is_cut || is_too_much;
            let is_last = end.is_none() || !part.is_over() || is_too_much;
            *done = std::mem::take(done).and(part);
            if is_last {
                if end.is_some() || self.noting.is_full {
                    failures.retain(|failure| !done.failures.contains(failure));
                    done.failures.splice(0..0, failures);
                }
                return Ok(());
            }
            failures.append(&mut done.failures);
            after = end;
        }
    }

    /// What is in these, of all or a slice.
    fn part(
        &mut self,
        filter: &Filter,
        scans: &[Scan; 2],
        options: &Options,
        monitor: &dyn Monitor,
        closed: &mut HashSet<RelPath>,
    ) -> Result<Report, PairError> {
        let (merged, marks, forgotten) = self.merge(scans, filter)?;
        let names = names::of(&self.base, options)?;
        let base = &self.base;
        // What cannot be read there is taken for there: the name is not used.
        let mut plan = plan(&merged, &names, &|path| {
            base.get(path).map_or(true, |known| known.is_some())
        });
        drop(merged);
        self.spare(&mut plan, monitor)?;
        let mut report = Report {
            left_files: scans[0].files,
            right_files: scans[1].files,
            notices: forgotten.told(filter, &self.base)?,
            dry_run: options.dry_run,
            ..Report::default()
        };
        report.notices.extend(plan.notices.iter().map(Told::of));
        let (totals, lately) = match plan.operations.is_empty() {
            true => (Totals::default(), Lately::default()),
            false => (self.base.totals()?, self.lately()?),
        };
        report.holds = self.not_agreed(holds(&plan, &totals, &lately, &options.limits), options)?;
        if options.dry_run {
            plan.operations
                .iter()
                .for_each(|operation| report.count(operation));
            return Ok(report);
        }
        if !report.holds.is_empty() {
            return Ok(report);
        }
        self.note_stamps(scans)?;
        forgotten.note(filter, &mut self.base)?;
        closed.extend(plan.notices.iter().filter_map(|notice| match notice {
            Notice::Left { path, .. } => Some(path.clone()),
            _ => None,
        }));
        let carried = self.carry_out(&plan, marks, scans, options, monitor, &mut report);
        self.noting.did(&report);
        match carried {
            Ok(unmade) => {
                closed.extend(unmade);
                Ok(report)
            }
            Err(error) => {
                self.noting.failed(&report);
                Err(error)
            }
        }
    }

    /// What was done lately, with what of it is at the top no more.
    fn lately(&self) -> Result<Lately, PairError> {
        let mut lately = self.base.lately()?;
        let tops = lately.removed.keys().filter_map(|(on, path)| {
            let top = path.names().next()?;
            Some((*on, RelPath::new(top).ok()?))
        });
        for (on, top) in tops.collect::<HashSet<_>>() {
            if self.base.get(&top)?.is_none() {
                lately.gone_at_top[at(on)] += 1;
            }
        }
        Ok(lately)
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

    /// Gives the folders that could not be made.
    fn carry_out(
        &mut self,
        plan: &Plan,
        marks: Marks,
        scans: &[Scan; 2],
        options: &Options,
        monitor: &dyn Monitor,
        report: &mut Report,
    ) -> Result<Vec<RelPath>, PairError> {
        if plan.operations.is_empty() {
            return Ok(Vec::new());
        }
        self.right.count(self.left.id(), &self.base)?;
        self.base.note_conflicts(&plan.notices, &options.run)?;
        self.note_lately(plan)?;
        let owner = self.left.id().to_string();
        let left = Folder::begin(&self.left, &scans[0], &options.run, &owner)?;
        let right = self.right.target(&scans[1], &options.run, &owner)?;
        let sides: [Box<dyn Target + '_>; 2] = [Box::new(left), right];
        let takes = self.noting.refused.is_none();
        let mut apply = Apply::begin(sides, &mut self.base, marks, &*self.pace, takes);
        let done = apply.all(&plan.operations, monitor, report);
        let (unmade, refused, is_full) = (apply.unmade(), apply.refused(), apply.is_full());
        report.notices.extend(apply.told());
        self.noting.is_full |= is_full;
        if let Some(error) = refused {
            self.noting.refused = Some(error);
            self.right.forget_changes();
        }
        done.map(|()| unmade)
    }

    /// Begins a new base in place of a damaged one: nobody deletes anything without one. Cut off, the damaged one is there still, or the new one.
    fn lose_base(&mut self, run: &str) -> Result<(), PairError> {
        let path = self.base.path().to_owned();
        let fresh = path.with_file_name(FRESH);
        for ending in ENDINGS {
            remove(&with(&fresh, ending))?;
        }
        let damaged = std::mem::replace(&mut self.base, Base::open(&fresh)?);
        self.base.set_lost(true)?;
        self.base.set_roots([self.left.id(), self.right.id()])?;
        self.base.set_passes(self.right.passes(self.left.id())?, false)?;
        self.base.take_over(&damaged)?;
        drop(damaged);
        self.base = Base::nowhere()?;
        put_aside(&path, run)?;
        rename(&fresh, &path)?;
        self.base = Base::open(&path)?;
        Ok(())
    }
}

/// A base of nothing in the place of another, if there is one. Cut off, that is there still, or the new one.
fn begin_anew(path: &Path, mark: RootId) -> Result<Base, PairError> {
    let fresh = path.with_file_name(FRESH);
    for ending in ENDINGS {
        remove(&with(&fresh, ending))?;
    }
    let base = Base::open(&fresh)?;
    if path.exists() {
        base.say_again(Base::open(path).ok().as_ref())?;
    }
    drop(base);
    put_aside(path, &mark.to_string())?;
    rename(&fresh, path)?;
    Base::open(path)
}

fn is_below(path: &RelPath, closed: &HashSet<RelPath>) -> bool {
    let above = std::iter::successors(path.parent(), RelPath::parent);
    !closed.is_empty() && above.into_iter().any(|folder| closed.contains(&folder))
}

/// A base belongs to the folder that it was made in.
pub(crate) fn check_root(left: &Root, known: Option<[RootId; 2]>) -> Result<(), PairError> {
    match known {
        Some([known, _]) if known != left.id() => {
            let path = left.path().to_owned();
            Err(FilesError::OtherRoot { path }.into())
        }
        _ => Ok(()),
    }
}

fn check_apart(left: &Path, right: &Other) -> Result<(), PairError> {
    let Other::Folder(right) = right else {
        return Ok(());
    };
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

/// Whether somebody is at a pass.
pub(crate) fn is_locked(root: &Root) -> bool {
    let Ok(file) = fs::File::open(root.path().join(OURS).join(LOCK)) else {
        return false;
    };
    let locked = rustix::fs::flock(file.as_fd(), FlockOperation::NonBlockingLockShared);
    locked == Err(Errno::WOULDBLOCK)
}

pub(crate) fn lock(root: &Root) -> Result<fs::File, PairError> {
    let path = root.path().join(OURS).join(LOCK);
    let opened = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(&path);
    let file = opened.map_err(|source| FilesError::Root { path, source })?;
    for _ in 0..LOOKS {
        match rustix::fs::flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            // Somebody may only be looking.
            Err(_) => std::thread::yield_now(),
        }
    }
    Err(PairError::Busy {
        path: root.path().to_owned(),
    })
}
