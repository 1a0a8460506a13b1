//! The conversation of one program run: standard output is the answer, standard error everything else.
//!
//! One lock guards standard error, so that messages, log lines and live progress never mix. A terminal that went away is
//! no error here: the work goes on, and the signal tells the program to end.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::args::{ColorWhen, GlobalArgs};
use crate::captured::{Buffer, Captured};
use crate::error::ErrorReport;
use crate::human::printable;
use crate::interrupt::Interrupt;
use crate::limits::DEFAULT_COLUMNS;
use crate::output::OutputError;
use crate::progress::ProgressBar;
use crate::table::Tone;

/// Speaks and asks. Clones share the streams.
#[derive(Clone)]
pub struct Ui {
    shared: Arc<Shared>,
}

struct Shared {
    json: bool,
    quiet: bool,
    yes: bool,
    answered: AtomicBool,
    out: Mutex<Stream>,
    err: Mutex<Stream>,
    interrupt: Mutex<Option<Interrupt>>,
}

struct Stream {
    to: Box<dyn Write + Send>,
    colour: bool,
    /// Is it a terminal on which a line can be taken back?
    terminal: bool,
    /// Is a live line shown that has no line end yet?
    live: bool,
}

impl Ui {
    /// The streams of this process.
    #[must_use]
    pub fn new(args: &GlobalArgs) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let obeys = obeys_sequences();
        let out = Stream {
            colour: colour(args.color, anstream::AutoStream::choice(&out)),
            terminal: out.is_terminal() && obeys,
            live: false,
            to: Box::new(out),
        };
        let err = Stream {
            colour: colour(args.color, anstream::AutoStream::choice(&err)),
            terminal: err.is_terminal() && obeys,
            live: false,
            to: Box::new(err),
        };
        Self::over(args, out, err)
    }

    /// Collects what is said instead of showing it: for tests of programs. Not a terminal, no colour unless forced.
    #[must_use]
    pub fn captured(args: &GlobalArgs) -> (Self, Captured) {
        let captured = Captured::default();
        let stream = |buffer: &Buffer| Stream {
            to: Box::new(buffer.clone()),
            colour: args.color == ColorWhen::Always,
            terminal: false,
            live: false,
        };
        (
            Self::over(args, stream(&captured.out), stream(&captured.err)),
            captured,
        )
    }

    fn over(args: &GlobalArgs, out: Stream, err: Stream) -> Self {
        let shared = Shared {
            json: args.json,
            quiet: args.quiet,
            yes: args.yes,
            answered: AtomicBool::new(false),
            out: Mutex::new(out),
            err: Mutex::new(err),
            interrupt: Mutex::new(None),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// From now on questions end, and progress reports itself cancelled, when this is raised.
    pub fn set_interrupt(&self, interrupt: &Interrupt) {
        *self
            .shared
            .interrupt
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(interrupt.clone());
    }

    /// What [`Ui::set_interrupt`] set.
    #[must_use]
    pub fn interrupt(&self) -> Option<Interrupt> {
        self.shared
            .interrupt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Is the answer wanted as JSON?
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.shared.json
    }

    /// Is every question answered with yes?
    #[must_use]
    pub fn assumes_yes(&self) -> bool {
        self.shared.yes
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.shared.quiet
    }

    pub(crate) fn err_is_terminal(&self) -> bool {
        self.err().terminal
    }

    pub(crate) fn err_has_colour(&self) -> bool {
        self.err().colour
    }

    /// Columns of the terminal that shows the answer.
    #[must_use]
    pub fn columns(&self) -> usize {
        if lock(&self.shared.out).terminal {
            columns(io::stdout())
        } else {
            DEFAULT_COLUMNS
        }
    }

    /// Gives the answer, once per run: the report as JSON, or the text made from it. A text may contain ANSI colours; they
    /// are removed where they are not wanted. Foreign texts in it must have gone through [`crate::human::printable`].
    pub fn answer<T: Serialize>(
        &self,
        report: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), OutputError> {
        if self.shared.answered.swap(true, Ordering::AcqRel) {
            return Err(OutputError::Twice);
        }
        let text = if self.shared.json {
            json(report)?
        } else {
            text(report)
        };
        self.write_out(&text)
    }

    /// Gives one answer of many, of a program that goes on: the report as one line of JSON, or the text made from it; nothing of an empty one.
    pub fn answer_line<T: Serialize>(
        &self,
        report: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), OutputError> {
        self.shared.answered.store(true, Ordering::Release);
        let text = if self.shared.json {
            let line = serde_json::to_string(report).map_err(|source| OutputError::Json { source })?;
            line + "\n"
        } else {
            text(report)
        };
        self.write_out(&text)
    }

    fn write_out(&self, text: &str) -> Result<(), OutputError> {
        self.hide_live();
        let mut out = lock(&self.shared.out);
        let written = if out.colour && !self.shared.json {
            out.to.write_all(text.as_bytes())
        } else {
            let plain = anstream::adapter::strip_str(text).to_string();
            out.to.write_all(plain.as_bytes())
        };
        written
            .and_then(|()| out.to.flush())
            .map_err(|source| OutputError::Write { source })
    }

    /// A remark; unsaid with `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.shared.quiet {
            self.line("", Tone::Plain, text);
        }
    }

    /// Something went well; unsaid with `--quiet`.
    pub fn ok(&self, text: &str) {
        if !self.shared.quiet {
            self.line("ok   ", Tone::Good, text);
        }
    }

    /// Something deserves attention.
    pub fn warn(&self, text: &str) {
        self.line("warn ", Tone::Warn, text);
    }

    /// Something went wrong, but the program goes on.
    pub fn fail(&self, text: &str) {
        self.line("FAIL ", Tone::Bad, text);
    }

    /// Shows the error a program ends with. With `--json` it is the one document on standard output; if an answer is there
    /// already, it is text on standard error like without.
    pub fn error(&self, report: &ErrorReport) {
        #[derive(Serialize)]
        struct Document<'a> {
            error: &'a ErrorReport,
        }
        if self.shared.json
            && self
                .answer(&Document { error: report }, |_| String::new())
                .is_ok()
        {
            return;
        }
        self.line("error: ", Tone::Bad, &report.message);
        for cause in &report.causes {
            self.line("caused by: ", Tone::Plain, cause);
        }
        for hint in &report.hints {
            self.line("hint: ", Tone::Good, hint);
        }
    }

    /// Progress of one task, shown on standard error.
    #[must_use]
    pub fn progress(&self) -> ProgressBar {
        ProgressBar::new(self.clone())
    }

    /// Writes finished text to standard error, as it is.
    pub(crate) fn write_err(&self, text: &[u8]) {
        let mut err = self.err();
        err.hide_live();
        // Nobody left to tell.
        let _ = err.to.write_all(text).and_then(|()| err.to.flush());
    }

    /// Replaces the live line; the text must fit into [`Ui::err_columns`].
    pub(crate) fn show_live(&self, text: &str) {
        let mut err = self.err();
        let _ = write!(err.to, "\r\u{1b}[2K{text}").and_then(|()| err.to.flush());
        err.live = true;
    }

    pub(crate) fn hide_live(&self) {
        self.err().hide_live();
    }

    pub(crate) fn err_columns(&self) -> usize {
        columns(io::stderr())
    }

    fn line(&self, word: &str, tone: Tone, text: &str) {
        let text = printable(text);
        let line = if self.err_has_colour() {
            let style = if word.is_empty() {
                anstyle::Style::new()
            } else {
                tone.style().bold()
            };
            format!("{style}{word}{style:#}{text}\n")
        } else {
            format!("{word}{text}\n")
        };
        self.write_err(line.as_bytes());
    }

    fn err(&self) -> MutexGuard<'_, Stream> {
        lock(&self.shared.err)
    }
}

impl Stream {
    fn hide_live(&mut self) {
        if self.live {
            self.live = false;
            let _ = self.to.write_all(b"\r\x1b[2K").and_then(|()| self.to.flush());
        }
    }
}

fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `auto` is decided by `anstream`: terminal, `TERM`, `NO_COLOR`, `CLICOLOR`.
fn colour(when: ColorWhen, auto: anstream::ColorChoice) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => auto != anstream::ColorChoice::Never,
    }
}

/// `TERM=dumb` is how editors and build systems say that theirs is a terminal only in name.
#[expect(
    clippy::disallowed_methods,
    reason = "what a terminal can do is told by the environment only"
)]
fn obeys_sequences() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn columns(fd: impl std::os::fd::AsFd) -> usize {
    let size = rustix::termios::tcgetwinsize(fd).map(|size| usize::from(size.ws_col));
    size.ok()
        .filter(|columns| *columns > 0)
        .unwrap_or(DEFAULT_COLUMNS)
}

fn json<T: Serialize>(report: &T) -> Result<String, OutputError> {
    let mut text = serde_json::to_string_pretty(report).map_err(|source| OutputError::Json { source })?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
