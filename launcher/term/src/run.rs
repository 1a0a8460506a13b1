//! From a program's result to its exit code.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{CliError, ErrorReport};
use crate::exit::ExitCode;
use crate::ui::Ui;

/// Runs a program's body, shows the error it ends with, and gives the exit code for `main` to return.
///
/// A panic is a defect of ours: it is said like an error, with exit code 70. (Rust's own message, with the place, has
/// appeared before.)
pub fn run(ui: &Ui, body: impl FnOnce(&Ui) -> Result<ExitCode, CliError>) -> std::process::ExitCode {
    outcome(ui, body).into()
}

fn outcome(ui: &Ui, body: impl FnOnce(&Ui) -> Result<ExitCode, CliError>) -> ExitCode {
    // After a panic the body's state is dropped, and `Ui` survives poisoned locks.
    let report = match catch_unwind(AssertUnwindSafe(|| body(ui))) {
        Ok(Ok(exit)) => return exit,
        Ok(Err(error)) => error.report(),
        Err(_) => ErrorReport {
            message: "this is a defect in the program, not in your stick or computer".to_owned(),
            code: "term.bug",
            causes: Vec::new(),
            hints: vec![
                "run it again with `--log-file gobag.log -vv` and send IT that file and the lines above"
                    .to_owned(),
            ],
            exit: ExitCode::Bug,
        },
    };
    ui.error(&report);
    report.exit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::GlobalArgs;

    #[test]
    fn results_become_exit_codes_and_errors_are_shown() {
        type Body = fn(&Ui) -> Result<ExitCode, CliError>;
        let cases: [(Body, ExitCode, &str); 3] = [
            (|_| Ok(ExitCode::Findings), ExitCode::Findings, ""),
            (
                |_| Err(CliError::new(ExitCode::Busy, "x.busy", "in use")),
                ExitCode::Busy,
                "error: in use\n",
            ),
            (|_| panic!("on purpose"), ExitCode::Bug, "error: this is a defect"),
        ];
        for (body, expected, said) in cases {
            let (ui, captured) = Ui::captured(&GlobalArgs::default());
            assert_eq!(outcome(&ui, body), expected);
            assert!(captured.stderr().starts_with(said), "{}", captured.stderr());
        }
    }
}
