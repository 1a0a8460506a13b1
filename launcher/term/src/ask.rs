//! Questions with choices, lists and checked texts, for wizards: `dialoguer` asks, on standard error and the terminal.
//!
//! A prompt runs in a thread of its own while the asker waits for its answer or for a signal, whichever comes first: `dialoguer` knows
//! of Ctrl-C only as a key, and not at all of `kill` and a closed terminal. After a signal the terminal is put back as it was and the
//! prompt is left behind, which is right because the program ends then.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};

use crossbeam_channel::{Receiver, bounded, never, select};
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, MultiSelect, Select};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::error::CliError;
use crate::exit::ExitCode;
use crate::human::printable;
use crate::table::{cut, wrap};
use crate::tty;
use crate::ui::Ui;

/// What stands before an option on its line.
const OPTION_MARGIN: usize = 8;

/// Says what is wrong with a text that was typed.
pub type Check = Box<dyn Fn(&str) -> Result<(), String> + Send>;

/// What is shown before the prompt.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Where in the conversation we are.
    pub heading: &'a str,
    /// The question.
    pub text: &'a str,
    /// Why it is asked.
    pub help: &'a str,
    /// A word or two for the prompt itself.
    pub label: &'a str,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Nobody can be asked, and `--yes` was not given where it answers.
    #[error("cannot ask {asked}: there is no terminal")]
    NoTerminal {
        /// What was to be asked.
        asked: Asked,
        /// What the system said.
        source: io::Error,
    },
    /// The terminal failed while asking.
    #[error("cannot read from the terminal what was asked {asked}")]
    Terminal {
        /// What was asked.
        asked: Asked,
        /// What the system said.
        source: io::Error,
    },
    /// Ctrl-C, another signal, or the terminal was closed.
    #[error("interrupted while asking {asked}")]
    Interrupted {
        /// What was asked.
        asked: Asked,
    },
}

/// What a person was asked, as it stands in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// May this be done? `--yes` answers that.
    Leave(String),
    /// For a value, by its label.
    Value(String),
}

impl fmt::Display for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leave(question) => write!(formatter, "\"{question}\""),
            Self::Value(label) => write!(formatter, "for `{label}`"),
        }
    }
}

impl AskError {
    /// Stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTerminal { .. } => "term.no-terminal",
            Self::Terminal { .. } => "term.terminal-failed",
            Self::Interrupted { .. } => "term.interrupted",
        }
    }
}

impl From<AskError> for CliError {
    fn from(error: AskError) -> Self {
        let exit = match error {
            AskError::NoTerminal { .. } => ExitCode::Usage,
            AskError::Terminal { .. } => ExitCode::Failed,
            AskError::Interrupted { .. } => ExitCode::Interrupted,
        };
        let can_be_said = matches!(
            &error,
            AskError::NoTerminal {
                asked: Asked::Leave(_),
                ..
            }
        );
        let shown = Self::new(exit, error.code(), error);
        match can_be_said {
            true => shown.hint("if you are sure, run it again with `--yes`"),
            false => shown,
        }
    }
}

impl Ui {
    /// Is there a person who can be asked with choices? Standard input and standard error must be a terminal that obeys.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        self.err_is_terminal() && io::stdin().is_terminal()
    }

    /// Asks for yes or no.
    pub fn ask_yes_no(&self, question: &Question<'_>, default: Option<bool>) -> Result<bool, AskError> {
        self.show(question, "");
        let label = prompt(question);
        self.guarded(question, move |theme| {
            let confirm = Confirm::with_theme(theme)
                .with_prompt(label)
                .wait_for_newline(true);
            match default {
                Some(default) => confirm.default(default).interact(),
                None => confirm.interact(),
            }
        })
    }

    /// Asks for one of `options`; gives its place in the list.
    pub fn ask_choice(
        &self,
        question: &Question<'_>,
        options: &[&str],
        default: Option<usize>,
    ) -> Result<usize, AskError> {
        self.show(question, "Arrow keys move, Enter chooses.");
        let (label, options) = (prompt(question), self.lines(options));
        let default = default.unwrap_or(0);
        self.guarded(question, move |theme| {
            let select = Select::with_theme(theme).with_prompt(label).items(&options);
            select.default(default).interact()
        })
    }

    /// Asks for some of `options`, at least `least`; gives their places in the list, in its order.
    pub fn ask_choices(
        &self,
        question: &Question<'_>,
        options: &[&str],
        chosen: &[usize],
        least: usize,
    ) -> Result<Vec<usize>, AskError> {
        self.show(question, "Arrow keys move, Space ticks, Enter ends.");
        let ticked: Vec<bool> = (0..options.len()).map(|at| chosen.contains(&at)).collect();
        loop {
            let (label, options, ticked) = (prompt(question), self.lines(options), ticked.clone());
            let answer = self.guarded(question, move |theme| {
                let select = MultiSelect::with_theme(theme).with_prompt(label).items(&options);
                select.defaults(&ticked).interact()
            })?;
            if answer.len() >= least {
                return Ok(answer);
            }
            self.warn("tick at least one with Space");
        }
    }

    /// Asks for a line of text. `current` stands there to be changed; `default` is taken for an empty line.
    pub fn ask_line(
        &self,
        question: &Question<'_>,
        current: Option<&str>,
        default: Option<&str>,
        check: Check,
    ) -> Result<String, AskError> {
        self.show(question, "");
        self.line_of(question, prompt(question), current, default, check)
    }

    /// Asks for lines of text, until an empty one. Those in `current` are offered first.
    pub fn ask_lines(
        &self,
        question: &Question<'_>,
        current: &[String],
        most: usize,
        check: impl Fn(&str) -> Result<(), String> + Clone + Send + 'static,
    ) -> Result<Vec<String>, AskError> {
        self.show(question, "One a line; an empty line ends.");
        let mut lines = Vec::new();
        while lines.len() < most {
            let number = lines.len() + 1;
            let label = format!("{} {number}", question.label);
            let current = current.get(lines.len()).map(String::as_str);
            let check = check.clone();
            // Whether an empty line may end it already, only the caller knows of the first.
            let check: Check = match number {
                1 => Box::new(check),
                _ => Box::new(move |text| {
                    if text.trim().is_empty() {
                        Ok(())
                    } else {
                        check(text)
                    }
                }),
            };
            let line = self.line_of(question, label, current, None, check)?;
            match line.trim() {
                "" => break,
                text => lines.push(text.to_owned()),
            }
        }
        Ok(lines)
    }

    fn line_of(
        &self,
        question: &Question<'_>,
        label: String,
        current: Option<&str>,
        default: Option<&str>,
        check: Check,
    ) -> Result<String, AskError> {
        let (current, default) = (current.map(str::to_owned), default.map(str::to_owned));
        let line = self.guarded(question, move |theme| {
            let mut input = Input::<String>::with_theme(theme)
                .with_prompt(label)
                .allow_empty(true);
            if let Some(default) = default {
                input = input.default(default);
            }
            if let Some(current) = current {
                input = input.with_initial_text(current);
            }
            input
                .validate_with(move |text: &String| check(text.trim()))
                .interact_text()
        })?;
        Ok(line.trim().to_owned())
    }

    /// The question above its prompt, wrapped: prompts of several lines would confuse the redrawing.
    fn show(&self, question: &Question<'_>, keys: &str) {
        self.hide_live();
        let width = self.err_columns().saturating_sub(1);
        let mut text = format!("\n{}\n", cut(&printable(question.heading), width));
        for paragraph in [question.text, question.help, keys] {
            for line in wrap(&printable(paragraph), width) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        self.write_err(text.as_bytes());
    }

    /// Options, each on one line of the terminal.
    fn lines(&self, options: &[&str]) -> Vec<String> {
        let width = self.err_columns().saturating_sub(OPTION_MARGIN);
        options
            .iter()
            .map(|option| cut(&printable(option), width))
            .collect()
    }

    /// Runs a prompt until it is answered or somebody wants the program to end.
    fn guarded<T: Send + 'static>(
        &self,
        question: &Question<'_>,
        ask: impl FnOnce(&dyn Theme) -> dialoguer::Result<T> + Send + 'static,
    ) -> Result<T, AskError> {
        let asked = || Asked::Value(printable(question.label).into_owned());
        let terminal = Terminal::remember().map_err(|source| AskError::NoTerminal {
            asked: asked(),
            source,
        })?;
        let interrupt = self.interrupt();
        if interrupt.as_ref().is_some_and(crate::Interrupt::is_set) {
            return Err(AskError::Interrupted { asked: asked() });
        }
        let signals = interrupt.map_or_else(never, |interrupt| interrupt.subscribe());
        let colour = self.err_has_colour();
        let (sender, answers) = bounded(1);
        let asking = std::thread::Builder::new()
            .name("question".to_owned())
            .spawn(move || {
                let answer = match colour {
                    true => ask(&ColorfulTheme::default()),
                    false => ask(&SimpleTheme),
                };
                // Nobody waits any more when a signal came first.
                let _ = sender.send(answer);
            });
        asking.map_err(|source| AskError::Terminal {
            asked: asked(),
            source,
        })?;
        match first(&answers, &signals) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) if !is_the_end(&error) => Err(AskError::Terminal {
                asked: asked(),
                source: error,
            }),
            _ => {
                terminal.restore();
                Err(AskError::Interrupted { asked: asked() })
            }
        }
    }
}

/// The answer, unless a signal comes before it.
fn first<T>(
    answers: &Receiver<dialoguer::Result<T>>,
    signals: &Receiver<crate::Signal>,
) -> Option<Result<T, io::Error>> {
    select! {
        recv(answers) -> answer => answer.ok().map(|answer| answer.map_err(io::Error::from)),
        recv(signals) -> _ => None,
    }
}

/// Ctrl-C as a key, or a terminal that is gone: both end the program, neither is a failure.
fn is_the_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof
    ) || error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

fn prompt(question: &Question<'_>) -> String {
    printable(question.label).into_owned()
}

/// The terminal as it was before a prompt.
struct Terminal {
    tty: File,
    before: Termios,
}

impl Terminal {
    fn remember() -> io::Result<Self> {
        let tty = tty::open()?;
        let before = tcgetattr(&tty)?;
        Ok(Self { tty, before })
    }

    /// Keys are lines again, and the cursor is visible. If the terminal is gone there is nothing to restore.
    fn restore(mut self) {
        let _ = tcsetattr(&self.tty, OptionalActions::Flush, &self.before);
        let _ = self.tty.write_all(b"\x1b[?25h\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::GlobalArgs;
    use crate::interrupt::{Interrupt, Signal};

    #[test]
    fn nobody_is_asked_where_nothing_is_shown() {
        let (ui, _) = Ui::captured(&GlobalArgs::default());
        assert!(!ui.can_ask());
    }

    #[test]
    fn ends_are_told_from_failures() {
        for (error, expected) in [
            (io::Error::from(io::ErrorKind::Interrupted), true),
            (io::ErrorKind::UnexpectedEof.into(), true),
            (Errno::IO.into(), true),
            (Errno::NOMEM.into(), false),
            (io::ErrorKind::NotConnected.into(), false),
        ] {
            assert_eq!(is_the_end(&error), expected, "{error}");
        }
    }

    #[test]
    fn a_signal_comes_before_an_answer_that_never_does() {
        let interrupt = Interrupt::unconnected().expect("made");
        let signals = interrupt.subscribe();
        let (_sender, answers) = bounded::<dialoguer::Result<bool>>(1);
        interrupt.raise(Signal::Terminate);
        assert!(first(&answers, &signals).is_none());
        let (sender, answers) = bounded(1);
        sender.send(Ok(true)).expect("sent");
        assert!(matches!(first(&answers, &never()), Some(Ok(true))));
    }

    #[test]
    fn the_question_is_shown_whole_and_cannot_steer() {
        let (ui, captured) = Ui::captured(&GlobalArgs::default());
        let question = Question {
            heading: "1 of 2",
            text: "Shall \u{1b}[2J it?",
            help: &"word ".repeat(40),
            label: "it",
        };
        ui.show(&question, "Enter ends.");
        let shown = captured.stderr();
        assert!(
            shown.starts_with("\n1 of 2\nShall \\u{1b}[2J it?\nword "),
            "{shown}"
        );
        assert!(shown.ends_with("\nEnter ends.\n"), "{shown}");
        assert_eq!(shown.matches("word").count(), 40);
        assert!(shown.lines().all(|line| line.len() < 80), "{shown}");
    }

    #[test]
    fn errors_end_programs_with_the_documented_codes() {
        let asked = || Asked::Value("it".to_owned());
        let source = || io::ErrorKind::NotFound.into();
        for (error, exit) in [
            (
                AskError::NoTerminal {
                    asked: asked(),
                    source: source(),
                },
                ExitCode::Usage,
            ),
            (
                AskError::Terminal {
                    asked: asked(),
                    source: source(),
                },
                ExitCode::Failed,
            ),
            (AskError::Interrupted { asked: asked() }, ExitCode::Interrupted),
        ] {
            assert_eq!(CliError::from(error).report().exit, exit);
        }
    }
}
