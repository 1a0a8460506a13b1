//! Carrying out a plan, in batches whose end is durable on both sides before the base says so.

use std::collections::BTreeMap;

use gobag_files::{Base as _, Changes, FilesError, Known, Reading, Root, Scan, Staged, Stamp};
use gobag_format::Monitor;
use gobag_reconcile::{Item, Operation, RelPath, Side};

use crate::{
    Failure, PairError, Report, Told,
    base::{Base, Change, at},
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
    /// Paths whose names could not be had: of what is below nothing is where it is expected.
    unnamed: Vec<RelPath>,
    /// Files that the other side has no room for all attributes of.
    without_attributes: Vec<String>,
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
            unnamed: Vec::new(),
            without_attributes: Vec::new(),
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
            if self.is_unnamed(operation.path()) {
                continue;
            }
            if !matches!(operation, Operation::Put { .. }) {
                self.place(report)?;
            }
            let done = self.one(operation);
            monitor.advance(bytes_of(operation));
            match done {
                Ok(true) => {
                    if let Operation::Rename { base, to, .. } = operation {
                        self.rename_known(base.as_ref(), to)?;
                    }
                    report.count(operation);
                }
                Ok(false) => {}
                Err(error) if error.is_full() => {
                    self.place(report)?;
                    fail(report, operation, &error);
                    return self.note();
                }
                Err(error) => {
                    if let Operation::Rename { to, .. } = operation {
                        self.unnamed.push(to.clone());
                    }
                    fail(report, operation, &error);
                }
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
    fn one(&mut self, operation: &'a Operation) -> Result<bool, FilesError> {
        match operation {
            Operation::Rename {
                on, from, to, item, ..
            } => {
                self.changes[at(*on)].rename(from, to, &self.known(*on, from, item))?;
            }
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
            } => return self.put(operation, *to, path, expect.as_ref(), item),
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

    /// What the base has at `from` and below it has at `to` from now on: what is renamed next may be in it.
    fn rename_known(&mut self, from: Option<&RelPath>, to: &RelPath) -> Result<(), PairError> {
        let Some(from) = from else { return Ok(()) };
        let mut moved = vec![(from.clone(), to.clone())];
        self.noted.push(Change::Gone(from.clone()));
        while let Some((from, to)) = moved.pop() {
            let Some(known) = self.base.get(&from)? else {
                continue;
            };
            if known.item.is_folder() {
                let names = self.base.side(Side::Left).children(&from)?.into_keys();
                moved.extend(names.map(|name| (from.join(&name), to.join(&name))));
            }
            self.noted.push(Change::Has(to, known.item, known.stamps));
        }
        self.note()
    }

    fn is_unnamed(&self, path: &RelPath) -> bool {
        self.unnamed.iter().any(|unnamed| {
            let rest = path.as_bytes().strip_prefix(unnamed.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        })
    }

    fn put(
        &mut self,
        operation: &'a Operation,
        to: Side,
        path: &RelPath,
        expect: Option<&Item>,
        item: &Item,
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
                let staged = changes.stage(path, file, mtime, mode, &mut from)?;
                from.finish()?;
                if !staged.has_attributes() {
                    self.without_attributes.push(path.to_string());
                }
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

    /// What came without all that belongs to it.
    pub(crate) fn told(self) -> impl Iterator<Item = Told> {
        self.without_attributes
            .into_iter()
            .map(|path| Told::Attributes { path })
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
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    report.failures.push(Failure {
        path: operation.path().to_string(),
        code: error.code().to_owned(),
        text,
    });
}
