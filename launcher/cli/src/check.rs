//! `gobag check`: can this computer run the workstation? Without unlocking anything, unless a signed result is asked for.

mod asked;
mod list;
mod pseudonym;
mod record;
mod signed;

use std::path::{Path, PathBuf};

use gobag_bundle::{Bundle, ledger::LedgerAccessError};
use gobag_checklists::{Decision, Fact, Findings, HostFacts, Requirements, Verdict, decide};
use gobag_host::{GatherOptions, gather, reach_company};
use gobag_term::{Cell, CliError, ExitCode, Table, Tone, Ui, human};
use serde::Serialize;

use crate::{
    args::{ModeArg, StickArgs, UnlockArgs},
    environment::Environment,
    error::{Explain, OrExplain},
    find::find,
    host_memory::HostMemory,
    unlock,
};

pub(crate) use asked::{Authority, public_copy_differs, signed as signed_requirements};

/// Check whether this computer can run the workstation
///
/// Asks for no passphrase (but for --sign), and sends nothing anywhere; where IT named an address of the company, a connection to it is opened and
/// closed, to see whether it answers. The table says what is needed, what was found, and what to do.
/// `unknown` means that it could not be found out, which is no bad sign by itself. Judged by what the stick says that its
/// image needs, where there is one, else by the usual; `gobag start` judges by what IT signed.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// How the workstation shall run
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    mode: ModeArg,
    #[command(flatten)]
    unlock: UnlockArgs,
    /// Unlock the stick, judge by what IT signed, sign the result with the stick's own key, and keep it there for your IT. With --json
    /// it is also the answer: a document that you can send to them
    #[arg(long, conflicts_with_all = ["requirements", "record", "checklist"])]
    sign: bool,
    /// Judge by these requirements (JSON, from IT) instead of the stick's
    #[arg(long, value_name = "FILE")]
    requirements: Option<PathBuf>,
    /// Do not try whether a virtual machine runs; only look
    #[arg(long)]
    quick: bool,
    /// Write down what was looked at, without names, addresses and serial numbers, for whoever looks into a wrong answer
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    #[command(flatten)]
    list: list::ListArgs,
}

#[derive(Serialize)]
struct CheckReport {
    /// What stands for this computer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pseudonym: Option<String>,
    /// By whose word it was judged.
    requirements: Authority,
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
    let stick = stick(&args.unlock.stick, environment)?;
    let options = record::options(environment, !args.quick, stick.as_deref());
    if let Some(folder) = &args.record {
        return record::answer(folder, &options, ui);
    }
    if args.sign {
        return sign(args, &options, ui, environment);
    }
    let (requirements, authority) = asked::asked(args.requirements.as_deref(), stick.as_deref())?;
    let facts = match &authority {
        // Anybody can have changed the copy: its address is not gone to.
        Authority::PublicCopy(_) => gather(&options),
        _ => asked_company(gather(&options), &requirements),
    };
    let decision = decide(&requirements, &facts, args.mode.into(), &[]);
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
    if let Authority::PublicCopy(path) = &authority {
        ui.say(&format!(
            "Judged by {}, which anybody can have changed; `gobag start` goes by what your IT signed.",
            path.display()
        ));
    }
    let exit = if fits { ExitCode::Ok } else { ExitCode::HostUnfit };
    if args.list.is_wanted() {
        args.list.answer(
            &requirements,
            &facts,
            &decision,
            args.requirements.as_deref(),
            ui,
            environment,
        )?;
        return Ok(exit);
    }
    let report = CheckReport {
        pseudonym: pseudonym::pseudonym(),
        requirements: authority,
        decision,
        facts,
        memory,
    };
    ui.answer(&report, |report| page(&report.decision, columns))?;
    Ok(exit)
}

/// The result as a signed document, which also stays on the stick.
fn sign(
    args: &CheckArgs,
    options: &GatherOptions,
    ui: &Ui,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let stick = find(args.unlock.stick.stick.as_deref(), environment.program.as_deref()).or_explain()?;
    let bundle = unlock::unlock(&args.unlock, &stick, true, ui)?;
    let requirements = asked::signed(&bundle.manifest(None).or_explain()?)?;
    let facts = completed(gather(options), &bundle, &requirements);
    let decision = decide(&requirements, &facts, args.mode.into(), &[]);
    let envelope = signed::keep(&bundle, &decision, &facts, options).or_explain()?;
    let columns = ui.columns();
    ui.answer(&envelope, |_| {
        format!(
            "{}Signed, and kept on the stick for your IT; nothing was sent. To send it yourself: `gobag check --sign --json > FILE`.\n",
            page(&decision, columns)
        )
    })?;
    Ok(match decision.mode {
        Some(_) => ExitCode::Ok,
        None => ExitCode::HostUnfit,
    })
}

/// The facts, and what an unlocked stick adds to them: how fast it was written when it was made, and whether the company answers
/// where IT said.
pub(crate) fn completed(facts: HostFacts, bundle: &Bundle, requirements: &Requirements) -> HostFacts {
    let mut facts = asked_company(facts, requirements);
    let noted = bundle.ledger().ok().and_then(|ledger| ledger.write_bytes_per_s);
    if let (Fact::Known(stick), Some(noted)) = (&mut facts.stick, noted)
        && stick.value.write_bytes_per_s.is_none()
    {
        stick.value.write_bytes_per_s = Some(noted);
        stick
            .source
            .push_str("; writing as measured when the stick was made");
    }
    facts
}

/// The facts, and whether the company answers where IT said.
fn asked_company(facts: HostFacts, requirements: &Requirements) -> HostFacts {
    if requirements.company.is_empty() {
        return facts;
    }
    HostFacts {
        network: reach_company(&requirements.company, facts.network),
        ..facts
    }
}

/// What can be found out about this computer.
pub(crate) fn facts(environment: &Environment, stick: &Path) -> HostFacts {
    gather(&record::options(environment, true, Some(stick)))
}

/// Keeps what was found of this computer on the stick, without the person at it.
pub(crate) fn keep(
    bundle: &Bundle,
    decision: &Decision,
    facts: &HostFacts,
    environment: &Environment,
) -> Result<(), LedgerAccessError> {
    let options = record::options(environment, true, None);
    signed::keep(bundle, decision, facts, &options).map(drop)
}

/// The stick that was named, or the one that is there; a computer can be checked without any.
fn stick(args: &StickArgs, environment: &Environment) -> Result<Option<PathBuf>, CliError> {
    match (
        find(args.stick.as_deref(), environment.program.as_deref()),
        &args.stick,
    ) {
        (Ok(stick), _) => Ok(Some(stick)),
        (Err(error), Some(_)) => Err(error.explain()),
        (Err(_), None) => Ok(None),
    }
}

/// The decision as a page for a person.
pub(crate) fn page(decision: &Decision, columns: usize) -> String {
    let mut text = String::new();
    for findings in &decision.findings {
        text.push_str(&format!("{}\n", heading(findings)));
        text.push_str(&table(findings).render(columns));
        for finding in &findings.findings {
            if let Some(advice) = finding.what_to_do.as_ref().filter(|_| finding.matters()) {
                text.push_str(&format!(
                    "  {} {}: {}\n",
                    word(finding.verdict),
                    finding.title,
                    human::printable(advice)
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
        text.push_str(&format!("  {}\n", human::printable(reason)));
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
        gobag_checklists::Mode::RemoteOnly => "screen for remote access",
        gobag_checklists::Mode::Unknown => "mode this version does not know",
    }
}

fn table(findings: &Findings) -> Table {
    let mut table = Table::new(["", "what", "needed", "found"]);
    for finding in &findings.findings {
        let tone = match finding.verdict {
            Verdict::Pass => Tone::Good,
            Verdict::Info => Tone::Plain,
            Verdict::Unknown if !finding.matters() => Tone::Plain,
            Verdict::Warn | Verdict::Unknown => Tone::Warn,
            Verdict::Fail => Tone::Bad,
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
        Verdict::Info => "info",
        Verdict::Warn => "warn",
        Verdict::Unknown => "unknown",
        Verdict::Fail => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use gobag_checklists::ModeChoice;

    use super::*;

    #[test]
    fn a_computer_of_which_nothing_is_known_gets_a_page_with_advice() {
        let requirements = Requirements {
            on_unknown: gobag_checklists::OnUnknown::Fail,
            ..Requirements::default()
        };
        let decision = decide(&requirements, &HostFacts::default(), ModeChoice::Auto, &[]);
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
        let decision = decide(&Requirements::default(), &facts, ModeChoice::Vm, &[]);
        let text = page(&decision, 100);
        for finding in &decision.findings[0].findings {
            assert!(text.contains(finding.title), "{}", finding.title);
            if let Some(advice) = finding.what_to_do.as_ref().filter(|_| finding.matters()) {
                assert!(text.contains(advice.as_str()), "{advice}");
            }
        }
        assert!(text.contains("  warn Processor cores: "), "{text}");
    }
}
