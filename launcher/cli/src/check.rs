//! `gobag check`: can this computer run the workstation? Without unlocking anything.

use std::{fs, path::PathBuf};

use gobag_checklists::{Decision, Findings, HostFacts, Requirements, Severity, Verdict, decide};
use gobag_host::{GatherOptions, gather};
use gobag_term::{Cell, CliError, ExitCode, Table, Tone, Ui};
use serde::Serialize;

use crate::{
    args::ModeArg,
    environment::Environment,
    error::{explained, said},
    host_memory::HostMemory,
};

/// Longest file of requirements that is read.
const REQUIREMENTS_BYTES: u64 = 1 << 20;

/// Check whether this computer can run the workstation
///
/// Asks for no passphrase. The table says what is needed, what was found, and what to do. `unknown` means that it could
/// not be found out, which is no bad sign by itself. What an image needs beyond the usual is checked by `gobag start`,
/// or here with --requirements.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// How the workstation shall run
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    mode: ModeArg,
    /// Judge by these requirements (JSON, from IT) instead of the usual ones
    #[arg(long, value_name = "FILE")]
    requirements: Option<PathBuf>,
    /// Do not try whether a virtual machine runs; only look
    #[arg(long)]
    quick: bool,
}

#[derive(Serialize)]
struct CheckReport {
    decision: Decision,
    facts: HostFacts,
    /// What this computer remembers of sticks.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryReport>,
}

#[derive(Serialize)]
struct MemoryReport {
    folder: PathBuf,
    sticks: usize,
}

pub(crate) fn check(args: &CheckArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let requirements = match &args.requirements {
        None => Requirements::default(),
        Some(path) => read_requirements(path)?,
    };
    let facts = facts(environment, !args.quick);
    let decision = decide(&requirements, &facts, args.mode.into());
    let fits = decision.mode.is_some();
    let columns = ui.columns();
    let memory = HostMemory::of(environment)
        .survey()
        .map(|(folder, sticks)| MemoryReport { folder, sticks });
    if let Some(MemoryReport { folder, sticks }) = &memory {
        ui.say(&format!(
            "This computer remembers the last state of {sticks} stick(s) in {}, as IT chose; nothing of what is on them.",
            folder.display()
        ));
    }
    let report = CheckReport {
        decision,
        facts,
        memory,
    };
    ui.answer(&report, |report| page(&report.decision, columns))?;
    Ok(if fits { ExitCode::Ok } else { ExitCode::HostUnfit })
}

/// What can be found out about this computer.
pub(crate) fn facts(environment: &Environment, prove: bool) -> HostFacts {
    let mut options = GatherOptions::new(environment.path.clone(), environment.temporary_folder());
    options.prove_accelerators = prove;
    gather(&options)
}

fn read_requirements(path: &PathBuf) -> Result<Requirements, CliError> {
    let unreadable = |reason: String| {
        let text = format!("cannot use the requirements in {}: {reason}", path.display());
        said(ExitCode::Usage, "gobag.requirements", text)
    };
    let size = fs::metadata(path)
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if size > REQUIREMENTS_BYTES {
        return Err(unreadable(format!("{size} bytes are too many")));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let requirements: Requirements =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    match requirements.validate() {
        Ok(()) => Ok(requirements),
        Err(error) => Err(explained(error.code(), error)),
    }
}

/// The decision as a page for a person.
pub(crate) fn page(decision: &Decision, columns: usize) -> String {
    let mut text = String::new();
    for findings in &decision.findings {
        text.push_str(&format!("{}\n", heading(findings)));
        text.push_str(&table(findings).render(columns));
        for finding in &findings.findings {
            if let Some(advice) = &finding.what_to_do {
                text.push_str(&format!(
                    "  {} {}: {advice}\n",
                    word(finding.verdict),
                    finding.title
                ));
            }
        }
        text.push('\n');
    }
    text.push_str(&match decision.mode {
        Some(mode) => format!("This computer can run your workstation ({mode}).\n"),
        None => "This computer cannot run your workstation. What to do stands above; another PC is often the fastest help.\n"
            .to_owned(),
    });
    for reason in &decision.reasons {
        text.push_str(&format!("  {reason}\n"));
    }
    text
}

fn heading(findings: &Findings) -> String {
    let verdict = if findings.fit { "possible" } else { "not possible" };
    format!("As a {}: {verdict}", name(findings))
}

fn name(findings: &Findings) -> &'static str {
    match findings.mode {
        gobag_checklists::Mode::Vm => "virtual machine",
        gobag_checklists::Mode::Container => "container",
        gobag_checklists::Mode::Unknown => "mode this version does not know",
    }
}

fn table(findings: &Findings) -> Table {
    let mut table = Table::new(["", "what", "needed", "found"]);
    for finding in &findings.findings {
        let tone = match (finding.verdict, finding.severity) {
            (Verdict::Pass, _) => Tone::Good,
            (Verdict::Warn | Verdict::Unknown, _) => Tone::Warn,
            (Verdict::Fail, Severity::Must) => Tone::Bad,
            (Verdict::Fail, Severity::Should) => Tone::Warn,
        };
        table.row([
            Cell::toned(word(finding.verdict), tone),
            Cell::from(finding.title),
            Cell::from(finding.needed.as_str()),
            Cell::from(finding.found.as_str()),
        ]);
    }
    table
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "ok",
        Verdict::Warn => "warn",
        Verdict::Unknown => "unknown",
        Verdict::Fail => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use gobag_checklists::{Fact, ModeChoice};

    use super::*;

    #[test]
    fn a_computer_of_which_nothing_is_known_gets_a_page_with_advice() {
        let requirements = Requirements {
            on_unknown: gobag_checklists::OnUnknown::Fail,
            ..Requirements::default()
        };
        let decision = decide(&requirements, &HostFacts::default(), ModeChoice::Auto);
        let text = page(&decision, 100);
        assert!(text.contains("As a virtual machine: not possible"), "{text}");
        assert!(text.contains("As a container: not possible"), "{text}");
        assert!(
            text.contains("This computer cannot run your workstation"),
            "{text}"
        );
    }

    #[test]
    fn every_problem_comes_with_what_to_do() {
        let facts = HostFacts {
            cores: Fact::from_kernel(1, "test"),
            ..HostFacts::default()
        };
        let decision = decide(&Requirements::default(), &facts, ModeChoice::Vm);
        let text = page(&decision, 100);
        for finding in &decision.findings[0].findings {
            assert!(text.contains(finding.title), "{}", finding.title);
            if let Some(advice) = &finding.what_to_do {
                assert!(text.contains(advice.as_str()), "{advice}");
            }
        }
        assert!(text.contains("  warn Processor cores: "), "{text}");
    }
}
