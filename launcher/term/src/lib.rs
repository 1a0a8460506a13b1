//! The terminal: output, prompts, progress, signals, exit codes. Knows nothing about bundles, images or hosts.
//!
//! * [`exit`]: what the programs' exit codes mean; [`error`]: the error a program ends with.
//! * [`args`]: the options every command has; [`parse`] reads the command line, [`docs`] makes documents of it;
//!   [`ui`]: standard output is the answer, standard error the conversation.
//! * [`passphrase`], [`ask`], `confirm`: questions, always asked on the terminal itself.
//! * [`page`]: an answer in a file that was named.
//! * [`progress`]: a live line on a terminal, one line per tenth elsewhere.
//! * [`interrupt`]: Ctrl-C, `kill` and a closed terminal, as something one can wait for.
//! * [`human`], [`table`]: sizes, times and tables as people read them.
//! * [`log`]: where `tracing` events go.
//!
//! What must stay true: with `--json` standard output carries exactly one document; nothing is said by colour alone;
//! control characters of foreign texts never reach the terminal; a secret never comes from an argument or the
//! environment.

pub mod args;
pub mod ask;
mod captured;
#[cfg(test)]
mod codes;
mod command_line;
mod confirm;
pub mod docs;
pub mod error;
pub mod exit;
pub mod human;
pub mod interrupt;
pub mod limits;
pub mod log;
mod output;
pub mod page;
pub mod passphrase;
pub mod progress;
mod run;
pub mod table;
mod tty;
pub mod ui;

pub use args::{ColorWhen, GlobalArgs};
pub use ask::{AskError, Asked};
pub use captured::Captured;
pub use command_line::parse;
pub use docs::DocsArgs;
pub use error::{CliError, ErrorReport};
pub use exit::ExitCode;
pub use interrupt::{Interrupt, Signal};
pub use output::OutputError;
pub use page::PageError;
pub use passphrase::{NewPassphraseArgs, Passphrase, PassphraseArgs, PassphraseError, PassphraseSource};
pub use progress::ProgressBar;
pub use run::run;
pub use table::{Cell, Table, Tone};
pub use ui::Ui;
