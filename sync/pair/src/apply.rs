//! Carrying out a plan, in batches whose end is durable on both sides before the base says so.

use std::collections::BTreeMap;

use gobag_files::Known;
use gobag_format::Monitor;
use gobag_reconcile::{Item, Operation, RelPath, Side};

use crate::{
    Failure, Pace, PairError, Report,
    base::{Base, Change, at},
    error::whole,
    paced::Paced,
    side::{Made, Mark, Placing, SideError, Target},
};

/// Files made before they are flushed and put in place together.
const BATCH_FILES: usize = 512;
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
    noted: Vec<Change>,
    noted_bytes: u64,
    pace: &'a Pace,
    /// Bytes of the operation under way that the monitor knows of.
    advanced: u64,
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
    ) -> Self {
        Self {
            sides,
            base,
            marks,
            made: Vec::new(),
            made_bytes: 0,
            noted: Vec::new(),
            noted_bytes: 0,
            pace,
            advanced: 0,
        }
    }

    /// One after the other. What cannot be done is told and left to the next pass; a side without room ends this one.
    pub(crate) fn all(
        &mut self,
        operations: &'a [Operation],
        monitor: &dyn Monitor,
        report: &mut Report,
    ) -> Result<(), PairError> {
        monitor.phase("copying", Some(operations.iter().map(bytes_of).sum()));
        for operation in operations {
            if monitor.is_cancelled() {
                report.ended = true;
                break;
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
                Ok(true) => report.count(operation),
                Ok(false) => {}
                // In the middle of a file: what was made of it goes.
                Err(_) if monitor.is_cancelled() => {
                    report.ended = true;
                    break;
                }
                Err(error) if error.is_full() => {
                    self.place(report)?;
                    fail(report, operation, &error);
                    return self.note();
                }
                Err(error) => fail(report, operation, &error.ends_the_pass()?),
            }
            if self.made.len() >= BATCH_FILES || self.made_bytes >= BATCH_BYTES {
                self.place(report)?;
            }
            if self.noted.len() >= BATCH_FILES || self.noted_bytes >= BATCH_BYTES {
                self.note()?;
            }
        }
        self.place(report)?;
        self.note()
    }

    /// Whether it is done; else it waits for its batch.
    fn one(&mut self, operation: &'a Operation, monitor: &dyn Monitor) -> Result<bool, SideError> {
        match operation {
            Operation::SetAside { on, from, to, item } => {
                let mark = self.sides[at(*on)].rename(from, to, &self.known(*on, from, item))?;
                self.set_mark(*on, from, None);
                self.set_mark(*on, to, mark);
            }
            Operation::Move { on, from, to, item } => {
                let mark = self.sides[at(*on)].rename(from, to, &self.known(*on, from, item))?;
                self.set_mark(*on, to, mark);
                self.noted.push(Change::Gone(from.clone()));
                self.has(to, item);
            }
            Operation::MakeFolder { on, path } => {
                self.sides[at(*on)].make_folder(path)?;
                self.has(path, &Item::Folder);
            }
            Operation::Put {
                to,
                path,
                expect,
                item,
            } => return self.put(operation, *to, path, expect.as_ref(), item, monitor),
            Operation::Remove { on, path, item } => {
                self.sides[at(*on)].remove(path, &self.known(*on, path, item))?;
                self.noted.push(Change::Gone(path.clone()));
            }
            Operation::RemoveFolder { on, path } => {
                self.sides[at(*on)].remove_folder(path)?;
                self.noted.push(Change::Gone(path.clone()));
            }
            Operation::Agree { path, item } => self.has(path, item),
            Operation::Forget { path } => self.noted.push(Change::Gone(path.clone())),
        }
        Ok(true)
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
                self.has(path, item);
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
                    self.has(path, item);
                    return Ok(true);
                }
                let mut from = self.sides[at(to.other())].open(path)?;
                let (mtime, mode) = (from.mtime, from.mode);
                let mut paced = Paced::new(&mut from, self.pace, monitor);
                let made = self.sides[at(to)].make_file(path, known.as_ref(), file, &mut paced, mtime, mode);
                self.advanced = paced.read_bytes();
                let made = made?;
                from.finish()?;
                self.made_bytes += file.len;
                made
            }
        };
        self.made.push(Waiting { operation, made });
        Ok(false)
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
        for (side, waiting) in [Side::Left, Side::Right].into_iter().zip(waiting) {
            if waiting.is_empty() {
                continue;
            }
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
                            self.has(path, item);
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

    /// Makes everything durable that was done, and then says so in the base.
    fn note(&mut self) -> Result<(), PairError> {
        if self.noted.is_empty() {
            return Ok(());
        }
        for side in &mut self.sides {
            side.flush()?;
            if let Some(point) = side.point() {
                self.base.set_seen(point)?;
            }
        }
        self.base.change(&self.noted)?;
        self.noted.clear();
        self.noted_bytes = 0;
        Ok(())
    }

    fn has(&mut self, path: &RelPath, item: &Item) {
        let marks = self.marks.get(path).copied().unwrap_or_default();
        let stamps = marks.map(|mark| mark.filter(|mark| mark.lasts).map(|mark| mark.stamp));
        self.noted.push(Change::Has(path.clone(), item.clone(), stamps));
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
