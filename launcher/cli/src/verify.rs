//! `gobag verify`: reads everything on the stick.

use gobag_bundle::verify::{VerifyReport, verify_before};
use gobag_format::Monitor;
use gobag_term::{CliError, ExitCode, ProgressBar, Ui, human};

use crate::{
    args::UnlockArgs,
    environment::Environment,
    error::{OrExplain, explained},
    find, host_memory, unlock,
};

/// Read everything on the stick and report damage
///
/// Changes nothing. Takes as long as reading the whole stick takes. Exit code 3 means that damage was found, or an earlier copy of the
/// stick.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    unlock: UnlockArgs,
}

pub(crate) fn verify(args: &VerifyArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let stick =
        find::find(args.unlock.stick.stick.as_deref(), environment.program.as_deref()).or_explain()?;
    let bundle = unlock::unlock(&args.unlock, &stick, false, ui)?;
    let witness = host_memory::recall(&bundle, environment, ui);
    host_memory::announce(&witness, environment, ui);
    let progress = ui.progress();
    let result = verify_before(&bundle, Some(&witness), &Shown(&progress));
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            let interrupted = error.code() == "verify.cancelled";
            let mut shown = explained(error.code(), error);
            if interrupted {
                shown.exit = ExitCode::Interrupted;
            }
            return Err(shown);
        }
    };
    progress.finish();
    let is_sound = report.findings.is_empty();
    ui.answer(&report, page)?;
    Ok(if is_sound {
        ExitCode::Ok
    } else {
        ExitCode::Findings
    })
}

fn page(report: &VerifyReport) -> String {
    let mut text = format!(
        "Read {} in {} packs of {} images, and {} changed blocks.\n",
        human::bytes(report.pack_bytes),
        report.packs,
        report.images,
        report.changed_blocks
    );
    for finding in &report.findings {
        text.push_str(&format!(
            "FAIL {} ({})\n",
            human::printable(&finding.message),
            finding.code
        ));
    }
    text.push_str(match report.findings.is_empty() {
        true => "ok   No damage was found.\n",
        false => "What is not named here is sound. Phone your IT: they can repair or replace the stick.\n",
    });
    text
}

/// Progress of the libraries on the terminal.
struct Shown<'a>(&'a ProgressBar);

impl Monitor for Shown<'_> {
    fn phase(&self, name: &str, total_bytes: Option<u64>) {
        self.0.phase(name, total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}
