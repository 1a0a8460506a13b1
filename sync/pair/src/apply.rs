//! Carrying out a plan, in batches whose end is durable on both sides before the base says so.

use std::collections::BTreeMap;

use gobag_files::{Changes, FilesError, Known, Reading, Root, Scan, Staged, Stamp};
use gobag_format::Monitor;
use gobag_reconcile::{Item, Operation, RelPath, Side};

use crate::{
    Failure, Pace, PairError, Report,
    base::{Base, Change, at},
    error::whole,
    paced::Paced,
};

/// Files made before they are flushed and put in place together.
const BATCH_FILES: usize = 512;
/// Bytes made before that.
const BATCH_BYTES: u64 = 256 << 20;

/// The stamp of a file, and whether it would change with the file.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) stamp: Stamp,
    pub(crate) lasts: bool,
}

/// The stamps on both sides where something differs.
pub(crate) type Marks = BTreeMap<RelPath, [Option<Mark>; 2]>;

/// A plan being carried out.
pub(crate) struct Apply<'a> {
    roots: [&'a Root; 2],
    changes: [Changes<'a>; 2],
    base: &'a mut Base,
    scans: &'a [Scan; 2],
    marks: Marks,
    staged: Vec<Waiting<'a>>,
    staged_bytes: u64,
    noted: Vec<Change>,
    pace: &'a Pace,
    /// Bytes of the operation under way that the monitor knows of.
    advanced: u64,
}

/// Something made that waits for its batch.
struct Waiting<'a> {
    operation: &'a Operation,
    staged: Staged,
}

impl<'a> Apply<'a> {
    pub(crate) fn begin(
        roots: [&'a Root; 2],
        base: &'a mut Base,
        marks: Marks,
        scans: &'a [Scan; 2],
        run: &str,
        pace: &'a Pace,
    ) -> Result<Self, PairError> {
        let owner = roots[0].id().to_string();
        Ok(Self {
            changes: [
                Changes::begin(roots[0], run, &owner)?,
                Changes::begin(roots[1], run, &owner)?,
            ],
            roots,
            base,
            scans,
            marks,
            staged: Vec::new(),
            staged_bytes: 0,
            noted: Vec::new(),
            pace,
            advanced: 0,
        })
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
                Err(error) => fail(report, operation, &error),
            }
            if self.staged.len() >= BATCH_FILES || self.staged_bytes >= BATCH_BYTES {
                self.place(report)?;
            }
            if self.noted.len() >= BATCH_FILES {
                self.note()?;
            }
        }
        self.place(report)?;
        self.note()
    }

    /// Whether it is done; else it waits for its batch.
    fn one(&mut self, operation: &'a Operation, monitor: &dyn Monitor) -> Result<bool, FilesError> {
        match operation {
            Operation::SetAside { on, from, to, item } => {
                let stamp = self.changes[at(*on)].rename(from, to, &self.known(*on, from, item))?;
                self.set_stamp(*on, from, None);
                self.set_stamp(*on, to, Some(stamp));
            }
            Operation::Move { on, from, to, item } => {
                let stamp = self.changes[at(*on)].rename(from, to, &self.known(*on, from, item))?;
                self.set_stamp(*on, to, Some(stamp));
                self.noted.push(Change::Gone(from.clone()));
                self.has(to, item);
            }
            Operation::MakeFolder { on, path } => {
                self.changes[at(*on)].make_folder(path)?;
                self.has(path, &Item::Folder);
            }
            Operation::Put {
                to,
                path,
                expect,
                item,
            } => return self.put(operation, *to, path, expect.as_ref(), item, monitor),
            Operation::Remove { on, path, item } => {
                self.changes[at(*on)].remove(path, &self.known(*on, path, item))?;
                self.noted.push(Change::Gone(path.clone()));
            }
            Operation::RemoveFolder { on, path } => {
                self.changes[at(*on)].remove_folder(path)?;
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
    ) -> Result<bool, FilesError> {
        let changes = &self.changes[at(to)];
        let staged = match item {
            Item::Folder => {
                changes.make_folder(path)?;
                self.has(path, item);
                return Ok(true);
            }
            Item::Link(text) => changes.stage_link(path, text)?,
            Item::File(file) => {
                if let Some(Item::File(was)) = expect
                    && (was.content, was.len) == (file.content, file.len)
                {
                    let known = self.known(to, path, &Item::File(*was));
                    let stamp = changes.set_executable(path, file.executable, &known)?;
                    self.set_stamp(to, path, Some(stamp));
                    self.has(path, item);
                    return Ok(true);
                }
                let mut from = Reading::open(self.roots[at(to.other())], path)?;
                let (mtime, mode) = (from.stamp().mtime, from.mode());
                let mut paced = Paced::new(&mut from, self.pace, monitor);
                let staged = changes.stage(path, file, mtime, mode, &mut paced);
                self.advanced = paced.read_bytes();
                let staged = staged?;
                from.finish()?;
                self.staged_bytes += file.len;
                staged
            }
        };
        self.staged.push(Waiting { operation, staged });
        Ok(false)
    }

    /// Puts everything that waits in its place.
    fn place(&mut self, report: &mut Report) -> Result<(), PairError> {
        let mut waiting: [Vec<Waiting<'a>>; 2] = [Vec::new(), Vec::new()];
        for one in self.staged.drain(..) {
            if let Operation::Put { to, .. } = one.operation {
                waiting[at(*to)].push(one);
            }
        }
        self.staged_bytes = 0;
        for side in [Side::Left, Side::Right] {
            let (operations, staged): (Vec<_>, Vec<_>) = std::mem::take(&mut waiting[at(side)])
                .into_iter()
                .map(|one| (one.operation, one.staged))
                .unzip();
            if operations.is_empty() {
                continue;
            }
            let ready = self.changes[at(side)].flush(staged)?;
            for (operation, ready) in operations.into_iter().zip(ready) {
                let Operation::Put {
                    path, expect, item, ..
                } = operation
                else {
                    continue;
                };
                let expect = expect.as_ref().map(|expect| self.known(side, path, expect));
                match self.changes[at(side)].place(ready, expect.as_ref()) {
                    Ok(stamp) => {
                        self.set_stamp(side, path, stamp);
                        self.has(path, item);
                        report.count(operation);
                    }
                    Err(error) => fail(report, operation, &error),
                }
            }
        }
        Ok(())
    }

    /// Makes everything durable that was done, and then says so in the base.
    fn note(&mut self) -> Result<(), PairError> {
        if self.noted.is_empty() {
            return Ok(());
        }
        for changes in &self.changes {
            let _ = changes.flush(Vec::new())?;
        }
        self.base.change(&self.noted)?;
        self.noted.clear();
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

    fn set_stamp(&mut self, side: Side, path: &RelPath, stamp: Option<Stamp>) {
        let scan = &self.scans[at(side)];
        let mark = stamp.map(|stamp| Mark {
            stamp,
            lasts: scan.lasting_made(&stamp).is_some(),
        });
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

fn fail(report: &mut Report, operation: &Operation, error: &FilesError) {
    report.failures.push(Failure {
        path: operation.path().to_string(),
        code: error.code().to_owned(),
        text: whole(error),
    });
}
