//! Carrying out a plan, in batches whose end is durable on both sides before the base says so.

use std::collections::BTreeMap;

use gobag_files::{Base as _, Known, Reading};
use gobag_format::Monitor;
use gobag_reconcile::{ConflictNames, Item, Operation, RelPath, Side};
use gobag_workspace::{StoreError, WorkspaceError};

use crate::{
    Failure, Pace, PairError, Report, Told,
    base::{Base, Change, at},
    error::whole,
    paced::Paced,
    side::{Made, Mark, Placing, SideError, Target},
};

/// Files made before they are flushed and put in place together.
const BATCH_FILES: usize = 2048;
/// Bytes made before that.
const BATCH_BYTES: u64 = 256 << 20;

/// The stamps on both sides where something differs.
pub(crate) type Marks = BTreeMap<RelPath, [Option<Mark>; 2]>;

/// A plan being carried out.
pub(crate) struct Apply<'a> {
    sides: [Box<dyn Target + 'a>; 2],
    base: &'a mut Base,
    marks: Marks,
    made: Vec<Waiting<'a>>,
    made_bytes: u64,
    /// What the base is to say: once the left side is durable, and once both are.
    noted: [Vec<Change>; 2],
    noted_bytes: u64,
    pace: &'a Pace,
    /// Bytes of the operation under way that the monitor knows of.
    advanced: u64,
    /// Paths whose names could not be had: of what is below nothing is where it is expected.
    unnamed: Vec<RelPath>,
    /// Folders that could not be made.
    unmade: Vec<RelPath>,
    /// Files that the other side has no room for all attributes of.
    without_attributes: Vec<String>,
    /// Whether the workspace takes anything; what it gives is got all the same.
    takes: bool,
    /// Why it takes nothing, if that was heard here.
    refused: Option<WorkspaceError>,
    /// The shortest file that each side had no room for; none: there was room for all.
    no_room: [Option<u64>; 2],
}

/// Something made that waits for its batch.
struct Waiting<'a> {
    operation: &'a Operation,
    made: Made,
}

impl<'a> Apply<'a> {
    pub(crate) fn begin(
        sides: [Box<dyn Target + 'a>; 2],
        base: &'a mut Base,
        marks: Marks,
        pace: &'a Pace,
        takes: bool,
    ) -> Self {
        Self {
            sides,
            base,
            marks,
            made: Vec::new(),
            made_bytes: 0,
            noted: [Vec::new(), Vec::new()],
            noted_bytes: 0,
            pace,
            advanced: 0,
            unnamed: Vec::new(),
            unmade: Vec::new(),
            without_attributes: Vec::new(),
            takes,
            refused: None,
            no_room: [None; 2],
        }
    }

    /// One after the other. What cannot be done is told and left to the next pass. A side without room still gives what the other one is to have, and gets what is
    /// shorter than all that it had no room for.
    pub(crate) fn all(
        &mut self,
        operations: &'a [Operation],
        monitor: &dyn Monitor,
        report: &mut Report,
    ) -> Result<(), PairError> {
        let total = operations.iter().map(bytes_of).fold(0, u64::saturating_add);
        monitor.phase("copying", Some(total));
        let done = self.each(operations, monitor, report);
        // However it ended, what was made comes into its place, and what is done is noted.
        let done = done.and(self.place(report));
        match done {
            Ok(()) => self.note(),
            // Where the workspace is it that failed, it is not waited for again.
            Err(error) if self.sides[1].has_points() => self.note_left().and(Err(error)),
            Err(error) => self.note().and(Err(error)),
        }
    }

    fn each(
        &mut self,
        operations: &'a [Operation],
        monitor: &dyn Monitor,
        report: &mut Report,
    ) -> Result<(), PairError> {
        for operation in operations {
            if monitor.is_cancelled() {
                report.ended = true;
                break;
            }
            let is_refused = !self.takes && side_of(operation) == Side::Right;
            if let (true, Operation::Rename { to, .. }) = (is_refused, operation) {
                self.unnamed.push(to.clone());
            }
            if is_refused || self.is_unnamed(operation.path()) {
                continue;
            }
            if self.has_no_room(operation) {
                report.untried += 1;
                continue;
            }
            if !matches!(operation, Operation::Put { .. }) {
                self.place(report)?;
            }
            let done = self.one(operation, monitor);
            let advanced = std::mem::take(&mut self.advanced);
            if !monitor.is_cancelled() {
                monitor.advance(bytes_of(operation).saturating_sub(advanced));
            }
            match done {
                Ok(true) => {
                    if let Operation::Rename { on, base, to, .. } = operation {
                        self.rename_known(*on, base.as_ref(), to)?;
                    }
                    report.count(operation);
                }
                Ok(false) => {}
                // In the middle of a file: what was made of it goes.
                Err(_) if monitor.is_cancelled() => {
                    report.ended = true;
                    break;
                }
                Err(SideError::Workspace(error))
                    if side_of(operation) == Side::Right && is_refusal(&error) =>
                {
                    self.refuse(error);
                }
                Err(error) => {
                    if error.is_full() {
                        report.is_cut = true;
                        self.no_room[at(side_of(operation))] = Some(bytes_of(operation));
                    }
                    match operation {
                        Operation::Rename { to, .. } => self.unnamed.push(to.clone()),
                        Operation::MakeFolder { path, .. } => self.unmade.push(path.clone()),
                        _ => {}
                    }
                    fail(report, operation, &error.ends_the_pass()?);
                }
            }
            if self.made.len() >= BATCH_FILES || self.made_bytes >= BATCH_BYTES {
                self.place(report)?;
            }
            let noted = self.noted[0].len() + self.noted[1].len();
            if noted >= BATCH_FILES || self.noted_bytes >= BATCH_BYTES {
                self.note()?;
            }
        }
        Ok(())
    }

    /// Whether it is done; else it waits for its batch.
    fn one(&mut self, operation: &'a Operation, monitor: &dyn Monitor) -> Result<bool, SideError> {
        match operation {
            Operation::Rename {
                on, from, to, item, ..
            } => {
                self.sides[at(*on)].rename(from, to, &self.known(*on, from, item))?;
            }
            Operation::SetAside { on, from, to, item } => {
                let mark = self.sides[at(*on)].rename(from, to, &self.known(*on, from, item))?;
                self.set_mark(*on, from, None);
                self.set_mark(*on, to, mark);
                if matches!(item, Item::File(file) if file.len > gobag_workspace::WHOLE) {
                    self.sides[at(*on)].resembles(from, to);
                }
            }
            Operation::Move { on, from, to, item } => {
                let mark = self.sides[at(*on)].rename(from, to, &self.known(*on, from, item))?;
                self.set_mark(*on, to, mark);
                self.noted[at(*on)].push(Change::Gone(from.clone()));
                self.has(*on, to, item);
            }
            Operation::MakeFolder { on, path } => {
                self.sides[at(*on)].make_folder(path)?;
                self.has(*on, path, &Item::Folder);
            }
            Operation::Put {
                to,
                path,
                expect,
                item,
            } => return self.put(operation, *to, path, expect.as_ref(), item, monitor),
            Operation::Remove { on, path, item } => {
                self.sides[at(*on)].remove(path, &self.known(*on, path, item))?;
                self.noted[at(*on)].push(Change::Gone(path.clone()));
            }
            Operation::RemoveFolder { on, path } => {
                self.sides[at(*on)].remove_folder(path)?;
                self.noted[at(*on)].push(Change::Gone(path.clone()));
            }
            Operation::Agree { path, item } => self.has(Side::Left, path, item),
            Operation::Forget { path } => self.noted[at(Side::Left)].push(Change::Gone(path.clone())),
        }
        Ok(true)
    }

    /// What the base has at `from` and below it has at `to` from now on: what is renamed next may be in it.
    fn rename_known(&mut self, on: Side, from: Option<&RelPath>, to: &RelPath) -> Result<(), PairError> {
        let Some(from) = from else { return Ok(()) };
        let mut moved = vec![(from.clone(), to.clone())];
        self.noted[at(on)].push(Change::Gone(from.clone()));
        while let Some((from, to)) = moved.pop() {
            let Some(known) = self.base.get(&from)? else {
                continue;
            };
            if known.item.is_folder() {
                let names = self.base.side(Side::Left).children(&from)?.into_keys();
                moved.extend(names.map(|name| (from.join(&name), to.join(&name))));
            }
            self.noted[at(on)].push(Change::Has(to, known.item, known.stamps));
        }
        self.note()
    }

    /// Whether a side had no room for something.
    pub(crate) fn is_full(&self) -> bool {
        self.no_room.iter().any(Option::is_some)
    }

    fn has_no_room(&self, operation: &Operation) -> bool {
        let brings = matches!(operation, Operation::Put { .. } | Operation::MakeFolder { .. });
        let no_room = self.no_room[at(side_of(operation))];
        brings && no_room.is_some_and(|shortest| bytes_of(operation) >= shortest)
    }

    fn is_unnamed(&self, path: &RelPath) -> bool {
        self.unnamed.iter().any(|unnamed| path.is_within(unnamed))
    }

    fn put(
        &mut self,
        operation: &'a Operation,
        to: Side,
        path: &RelPath,
        expect: Option<&Item>,
        item: &Item,
        monitor: &dyn Monitor,
    ) -> Result<bool, SideError> {
        let known = expect.map(|expect| self.known(to, path, expect));
        let made = match item {
            Item::Folder => {
                self.sides[at(to)].make_folder(path)?;
                self.has(to, path, item);
                return Ok(true);
            }
            Item::Link(text) => self.sides[at(to)].make_link(path, known.as_ref(), text)?,
            Item::File(file) => {
                if let Some(known) = &known
                    && let Item::File(was) = &known.item
                    && (was.content, was.len) == (file.content, file.len)
                {
                    let mark = self.sides[at(to)].set_executable(path, file.executable, known)?;
                    self.set_mark(to, path, mark);
                    self.has(to, path, item);
                    return Ok(true);
                }
                let mut from = self.sides[at(to.other())].open(path)?;
                from.beside(|| self.former(to, path));
                let (mtime, mode) = (from.mtime, from.mode);
                let mut paced = Paced::new(&mut from, self.pace, monitor);
                let made = self.sides[at(to)].make_file(path, known.as_ref(), file, &mut paced, mtime, mode);
                self.advanced = paced.read_bytes();
                if let Some(error) = from.take_error() {
                    return Err(error.into());
                }
                let made = made?;
                // What was read is what was seen there; what somebody wrote since is another change.
                if !from.end() {
                    self.set_mark(to.other(), path, None);
                }
                if !made.has_attributes {
                    self.without_attributes.push(path.to_string());
                }
                self.made_bytes += file.len;
                made
            }
        };
        self.made.push(Waiting { operation, made });
        Ok(false)
    }

    /// Another version of what comes to a path, which is there. Of two versions of a file the one beside the other resembles it; that one has to be what the
    /// base has: what is asked for tells members what is here.
    fn former(&self, on: Side, path: &RelPath) -> Option<Reading> {
        self.sides[at(on)].former(path).or_else(|| {
            let beside = ConflictNames::former(path)?;
            let known = self.base.get(&beside).ok()??;
            let former = self.sides[at(on)].former(&beside)?;
            (known.stamps[at(on)].as_ref() == Some(former.stamp())).then_some(former)
        })
    }

    /// Puts everything that waits in its place.
    fn place(&mut self, report: &mut Report) -> Result<(), PairError> {
        let mut waiting: [Vec<Waiting<'a>>; 2] = [Vec::new(), Vec::new()];
        for one in self.made.drain(..) {
            if let Operation::Put { to, .. } = one.operation {
                waiting[at(*to)].push(one);
            }
        }
        self.noted_bytes += std::mem::take(&mut self.made_bytes);
        let [left, right] = waiting;
        self.place_on(Side::Right, right, report)?;
        let is_pending = |one: &Waiting<'_>| self.sides[at(Side::Right)].is_pending(one.operation.path());
        let (pending, left): (Vec<_>, Vec<_>) = left.into_iter().partition(is_pending);
        self.place_on(Side::Left, left, report)?;
        if !pending.is_empty() {
            // Not before it is there on the other side: else a pass that fails leaves it here, and the next one makes another.
            self.note_all()?;
            if self.takes {
                self.place_on(Side::Left, pending, report)?;
            }
        }
        Ok(())
    }

    fn place_on(
        &mut self,
        side: Side,
        waiting: Vec<Waiting<'a>>,
        report: &mut Report,
    ) -> Result<(), PairError> {
        if !waiting.is_empty() {
            let (operations, made): (Vec<_>, Vec<_>) =
                waiting.into_iter().map(|one| (one.operation, one.made)).unzip();
            let placing = operations.iter().zip(made).map(|(operation, made)| Placing {
                made,
                expect: self.expected(operation),
            });
            let placing = placing.collect();
            let placed = self.sides[at(side)].place(placing)?;
            for (operation, placed) in operations.into_iter().zip(placed) {
                match placed {
                    Ok(mark) => {
                        self.set_mark(side, operation.path(), mark);
                        if let Operation::Put { item, path, .. } = operation {
                            self.has(side, path, item);
                        }
                        report.count(operation);
                    }
                    Err(error) => fail(report, operation, &error),
                }
            }
        }
        Ok(())
    }

    /// What has to be in the place of what an operation puts there.
    fn expected(&self, operation: &Operation) -> Option<Known> {
        match operation {
            Operation::Put {
                to,
                path,
                expect: Some(expect),
                ..
            } => Some(self.known(*to, path, expect)),
            _ => None,
        }
    }

    fn refuse(&mut self, error: WorkspaceError) {
        self.takes = false;
        self.refused = Some(error);
    }

    /// Why the workspace takes nothing, if that was heard here.
    pub(crate) fn refused(&mut self) -> Option<WorkspaceError> {
        self.refused.take()
    }

    /// Folders that could not be made.
    pub(crate) fn unmade(&mut self) -> Vec<RelPath> {
        std::mem::take(&mut self.unmade)
    }

    /// What came without all that belongs to it.
    pub(crate) fn told(self) -> impl Iterator<Item = Told> {
        self.without_attributes
            .into_iter()
            .map(|path| Told::Attributes { path })
    }

    /// Makes everything durable that was done, and then says so in the base.
    fn note(&mut self) -> Result<(), PairError> {
        match self.noted.iter().all(Vec::is_empty) {
            true => Ok(()),
            false => self.note_all(),
        }
    }

    /// The same, also where nothing is to be said of what was done: a name that was set aside.
    fn note_all(&mut self) -> Result<(), PairError> {
        if self.sides[1].has_points() {
            self.note_left()?;
        } else {
            self.sides[0].flush()?;
        }
        if self.takes {
            match self.sides[1].flush() {
                Err(SideError::Workspace(error)) if is_refusal(&error) => self.refuse(error),
                flushed => flushed?,
            }
        }
        if !self.takes {
            // Nothing of it is in a point.
            self.noted[at(Side::Right)].clear();
            return Ok(());
        }
        if let Some(point) = self.sides[1].point() {
            self.base.set_seen(point)?;
        }
        for noted in &mut self.noted {
            self.base.change(noted)?;
            noted.clear();
        }
        self.noted_bytes = 0;
        Ok(())
    }

    /// The same of what is durable with the left side alone: what was got from points of a workspace, and what both had. It is said also where no point can be made:
    /// else it would count as changed here.
    fn note_left(&mut self) -> Result<(), PairError> {
        self.sides[0].flush()?;
        self.base.change(&self.noted[0])?;
        self.noted[0].clear();
        Ok(())
    }

    /// The base is to have it: once `on` is durable, and the other side, if it is not yet there.
    fn has(&mut self, on: Side, path: &RelPath, item: &Item) {
        let on = if self.sides[at(Side::Right)].is_pending(path) {
            Side::Right
        } else {
            on
        };
        let marks = self.marks.get(path).copied().unwrap_or_default();
        let stamps = marks.map(|mark| mark.filter(|mark| mark.lasts).map(|mark| mark.stamp));
        self.noted[at(on)].push(Change::Has(path.clone(), item.clone(), stamps));
    }

    fn known(&self, side: Side, path: &RelPath, item: &Item) -> Known {
        let mark = self.marks.get(path).and_then(|marks| marks[at(side)]);
        // What has one that may not last is read once more.
        let stamp = mark.filter(|mark| mark.lasts).map(|mark| mark.stamp);
        Known {
            item: item.clone(),
            stamp,
        }
    }

    fn set_mark(&mut self, side: Side, path: &RelPath, mark: Option<Mark>) {
        self.marks.entry(path.clone()).or_default()[at(side)] = mark;
    }
}

/// The side that it changes; what is only noted changes none, and comes with the left one.
fn side_of(operation: &Operation) -> Side {
    match operation {
        Operation::Rename { on, .. }
        | Operation::SetAside { on, .. }
        | Operation::Move { on, .. }
        | Operation::MakeFolder { on, .. }
        | Operation::Remove { on, .. }
        | Operation::RemoveFolder { on, .. } => *on,
        Operation::Put { to, .. } => *to,
        Operation::Agree { .. } | Operation::Forget { .. } => Side::Left,
    }
}

/// Whether the workspace takes nothing from this member, or has no room, and may be read nevertheless.
fn is_refusal(error: &WorkspaceError) -> bool {
    matches!(
        error,
        WorkspaceError::Store(StoreError::Refused(_) | StoreError::Full(_))
    )
}

/// Bytes that have to be copied for it.
fn bytes_of(operation: &Operation) -> u64 {
    match operation {
        Operation::Put { item, .. } => item.len(),
        _ => 0,
    }
}

fn fail(report: &mut Report, operation: &Operation, error: &SideError) {
    report.failures.push(Failure {
        path: operation.path().to_string(),
        code: error.code().to_owned(),
        text: whole(error),
    });
}
