//! One pass over two paired folders, as the options say, remembered for those who ask later.

use std::path::Path;

use gobag_client::UploadLimit;
use gobag_files::KeepRules;
use gobag_format::Monitor;
use gobag_pair::{Book, Notes, Options, Pair, PairError, Report};
use gobag_reconcile::HoldLimits;
use jiff::Timestamp;

use crate::{ReachError, Shell, other::Right, progress::Watched, time::run_now, units::KeepArgs, who::who};

/// How passes are made.
pub(crate) struct Passing<'a> {
    pub(crate) left: &'a Path,
    pub(crate) right: &'a Right,
    /// By what name the left side of a conflict goes.
    pub(crate) label: &'a str,
    pub(crate) confirmed: bool,
    pub(crate) dry_run: bool,
    /// How long earlier versions are kept.
    pub(crate) keep: &'a KeepArgs,
    /// What is left out besides what the folders' own files say.
    pub(crate) patterns: &'a [String],
    /// By all passes together.
    pub(crate) limit: UploadLimit,
}

impl Passing<'_> {
    /// Makes one.
    pub(crate) fn pass(&self, shell: &Shell<'_>, monitor: &dyn Monitor) -> Result<Report, PairError> {
        let monitor = &Watched::new(monitor, &*shell.program);
        let right = self
            .right
            .open(self.left, &*shell.program, &self.limit, shell.ui.interrupt());
        let mut pair = right
            .and_then(|right| Pair::open(self.left, right))
            .inspect_err(|error| self.note(error))?;
        let (limit, interrupt) = (self.limit.clone(), shell.ui.interrupt());
        // What goes to a workspace is limited where it leaves this computer: not all that is read is sent.
        if self.right.folder().is_some() {
            pair.set_pace(Box::new(move |bytes| {
                let wait = limit.reserve(bytes);
                if let (false, Some(interrupt)) = (wait.is_zero(), &interrupt) {
                    let _ = interrupt.wait(Some(wait));
                }
            }));
        }
        let keep = self.keep(&pair)?;
        let options = Options {
            label: self.label.to_owned(),
            run: run_now(),
            confirmed: self.confirmed,
            dry_run: self.dry_run,
            limits: HoldLimits::default(),
            patterns: self.patterns.to_vec(),
            slice: match self.right.folder() {
                Some(_) => gobag_pair::SLICE,
                None => gobag_pair::SLICE_OF_WORKSPACE,
            },
        };
        let notes = Notes {
            who: &who(),
            clock: &Timestamp::now,
            keep: keep.as_ref(),
        };
        let passed = pair.noted_pass(&options, &notes, monitor);
        match monitor.is_gone() {
            // Whatever came of it: that is why.
            true => Err(gone()),
            false => passed,
        }
    }

    /// What was said of it now, or before.
    fn keep(&self, pair: &Pair) -> Result<Option<KeepRules>, PairError> {
        if !self.dry_run {
            self.keep
                .said()
                .try_for_each(|(name, text)| pair.remember(name, text))?;
        }
        self.keep.rules(&|name| pair.remembered(name))
    }

    /// Remembers that there was none, if the left folder is there.
    fn note(&self, error: &PairError) {
        if self.dry_run || matches!(error, PairError::Busy { .. } | PairError::Overlap { .. }) {
            return;
        }
        let noted = Book::open(self.left).and_then(|mut book| book.note_failed(error, Timestamp::now()));
        if let Err(error) = noted {
            tracing::debug!(%error, "that no pass could be made is not remembered");
        }
    }
}

/// What workspaces are reached by was taken away.
pub(crate) fn gone() -> PairError {
    let error = ReachError::StickGone;
    PairError::Right {
        code: error.code(),
        reason: Box::new(error),
    }
}
