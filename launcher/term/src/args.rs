//! The options every command of every program has. Doc comments here are the help text.

use std::path::PathBuf;

/// Options of every command.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct GlobalArgs {
    /// Print the answer as one JSON document on standard output
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,

    /// Say only warnings and errors
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Global options"
    )]
    pub quiet: bool,

    /// Say more; repeat for even more (-vv, -vvv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,

    /// Use colour
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        help_heading = "Global options"
    )]
    pub color: ColorWhen,

    /// Write a detailed log to this file, at its end if it exists
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub log_file: Option<PathBuf>,

    /// Answer yes to every question
    #[arg(short = 'y', long, global = true, help_heading = "Global options")]
    pub yes: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Program {
        #[command(flatten)]
        global: GlobalArgs,
        #[command(subcommand)]
        command: Option<Command>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        Check,
    }

    #[test]
    fn they_are_accepted_before_and_after_the_subcommand() {
        for line in [["p", "--json", "-vv", "check"], ["p", "check", "--json", "-vv"]] {
            let program = Program::try_parse_from(line).expect("accepted");
            assert!(program.global.json && program.global.verbose == 2, "{line:?}");
            assert!(matches!(program.command, Some(Command::Check)));
        }
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(
            Program::try_parse_from(["p"]).expect("accepted").global,
            GlobalArgs::default()
        );
    }

    #[test]
    fn quiet_and_verbose_exclude_each_other() {
        let error = Program::try_parse_from(["p", "-q", "-v"]).expect_err("refused");
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
        assert_eq!(error.exit_code(), i32::from(crate::ExitCode::Usage.number()));
    }

    #[test]
    fn colour_has_three_words() {
        for (word, expected) in [
            ("auto", ColorWhen::Auto),
            ("always", ColorWhen::Always),
            ("never", ColorWhen::Never),
        ] {
            let program = Program::try_parse_from(["p", "--color", word]).expect("accepted");
            assert_eq!(program.global.color, expected);
        }
        assert!(Program::try_parse_from(["p", "--color", "maybe"]).is_err());
    }
}
