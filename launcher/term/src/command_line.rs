//! Reading the command line, so that a wrong one is told like every other error: with `--json` as the one document.

use std::ffi::OsString;

use clap::{Parser, error::ErrorKind};

use crate::args::GlobalArgs;
use crate::error::ErrorReport;
use crate::exit::ExitCode;
use crate::ui::Ui;

/// The command line `line`, whose first word is the program. When it is wrong, or asks for help, that has been said and the
/// program ends with the given code.
pub fn parse<A: Parser>(line: impl IntoIterator<Item = OsString>) -> Result<A, std::process::ExitCode> {
    let line: Vec<OsString> = line.into_iter().collect();
    let error = match A::try_parse_from(&line) {
        Ok(args) => return Ok(args),
        Err(error) => error,
    };
    // Help and the version are asked for by people, and are no error.
    if !error.use_stderr() {
        // Whoever does not read to the end has read enough.
        let _ = error.print();
        return Err(ExitCode::Ok.into());
    }
    if wants_json(&line) {
        let ui = Ui::new(&GlobalArgs {
            json: true,
            ..GlobalArgs::default()
        });
        ui.error(&report(&error));
    } else {
        let _ = error.print();
    }
    Err(ExitCode::Usage.into())
}

/// Whether `--json` is among the options of a line that may be wrong everywhere else.
fn wants_json(line: &[OsString]) -> bool {
    line.iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "--json")
}

/// The parser's words, paragraph by paragraph: what is wrong, then what may help.
fn report(error: &clap::Error) -> ErrorReport {
    let text = error.render().to_string();
    let joined = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = text
        .split("\n\n")
        .map(joined)
        .filter(|paragraph| !paragraph.is_empty());
    let (message, hints) = match error.kind() {
        // Its text is the whole help.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => (
            "no command is given".to_owned(),
            vec!["see what there is with `--help`".to_owned()],
        ),
        _ => {
            let message = paragraphs.next().unwrap_or_default();
            (
                message.trim_start_matches("error: ").to_owned(),
                paragraphs.collect(),
            )
        }
    };
    ErrorReport {
        message,
        code: "term.usage",
        causes: Vec::new(),
        hints,
        exit: ExitCode::Usage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Program {
        #[command(flatten)]
        _global: GlobalArgs,
        #[command(subcommand)]
        _command: Command,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        Count {
            #[arg(long)]
            hive: u8,
        },
    }

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn report_of(line: &str) -> ErrorReport {
        report(&Program::try_parse_from(words(line)).expect_err("refused"))
    }

    #[test]
    fn a_right_line_is_read() {
        let program = parse::<Program>(words("bees count --hive 3")).expect("read");
        assert!(matches!(program._command, Command::Count { hive: 3 }));
    }

    #[test]
    fn json_is_asked_for_by_an_option_and_not_by_an_argument() {
        for (line, expected) in [
            ("bees --json hum", true),
            ("bees hum --json", true),
            ("bees hum", false),
            ("bees count -- --json", false),
        ] {
            assert_eq!(wants_json(&words(line)), expected, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_a_message_and_the_rest_are_hints() {
        let unknown = report_of("bees hum");
        assert_eq!(unknown.message, "unrecognized subcommand 'hum'");
        assert!(
            unknown.hints.iter().any(|hint| hint.contains("--help")),
            "{unknown:?}"
        );
        assert_eq!((unknown.code, unknown.exit), ("term.usage", ExitCode::Usage));
        let missing = report_of("bees count");
        assert!(
            missing.message.ends_with("not provided: --hive <HIVE>"),
            "{missing:?}"
        );
        assert_eq!(report_of("bees").message, "no command is given");
    }
}
