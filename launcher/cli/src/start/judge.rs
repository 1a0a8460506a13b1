//! Before a start: does this computer meet what the image requires, and in which mode?
//!
//! What is required stands in the signed manifest; waivers are IT's signed letters. Whoever is refused can mend what is named and
//! have the computer looked at again, with the stick unlocked all the while: a passphrase is asked for once.

use std::{
    io::{self, Read},
    path::Path,
};

use gobag_bundle::Bundle;
use gobag_checklists::{Decision, Finding, HostFacts, Mode, Requirements, Verdict, Waiver, decide, regular};
use gobag_format::{limits::MAX_TOKEN_LEN, waiver::SignedWaiver};
use gobag_term::{CliError, ExitCode, Ui, human};

use super::StartArgs;
use crate::{
    args::ModeArg,
    check,
    error::{OrExplain, said, unusable},
    open::Work,
};

/// Offered to whoever is refused.
const AGAIN: &str = "Put right what stands above, and then: check this computer again (your passphrase is not asked for again)";

/// What the image asks, and what IT lets pass.
pub(super) struct Judge {
    pub(super) requirements: Requirements,
    waivers: Vec<Waiver>,
}

/// The waivers in these files, if they are IT's and for this stick.
pub(super) fn waivers(args: &StartArgs, bundle: &Bundle, ui: &Ui) -> Result<Vec<Waiver>, CliError> {
    let record = bundle.record();
    let read = |path: &Path| -> Result<Waiver, CliError> {
        let text = read_letter(path)
            .map_err(|error| unusable("gobag.waiver-file", "read the waiver in", path, &error))?;
        let signed = SignedWaiver::parse(&text).or_explain()?;
        signed
            .verify(record.org, bundle.id(), &record.publisher)
            .or_explain()
    };
    let waivers = args.waiver.iter().map(|path| read(path));
    let waivers = waivers.collect::<Result<Vec<_>, _>>()?;
    let now_s = (gobag_bundle::Ambient::system().clock)();
    for waiver in &waivers {
        if waiver.has_ended(now_s) {
            ui.warn(&format!(
                "what your IT let pass of `{}` ended with {} and does not count any more; ask them for a new letter if you need one",
                human::printable(&waiver.rule),
                waiver.until
            ));
            continue;
        }
        ui.say(&format!(
            "Your IT lets `{}` pass until {}: {}",
            waiver.rule,
            waiver.until,
            human::printable(&waiver.reason)
        ));
    }
    Ok(waivers)
}

fn read_letter(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    regular::open(path)?
        .take(MAX_TOKEN_LEN as u64 + 1)
        .read_to_end(&mut text)?;
    Ok(text)
}

impl Judge {
    /// By what the image asks of a computer, from its signed manifest.
    pub(super) fn new(work: &Work, waivers: Vec<Waiver>) -> Result<Self, CliError> {
        let requirements = check::signed_requirements(work.session().manifest())?;
        tracing::debug!(?requirements, "requirements");
        Ok(Self {
            requirements,
            waivers,
        })
    }

    /// The mode to start in, and the facts that spoke for it. `look` looks at the computer again; `told` hears of each judgement.
    pub(super) fn choose(
        &self,
        args: &StartArgs,
        mut facts: HostFacts,
        look: impl Fn() -> HostFacts,
        told: impl Fn(&Decision, &HostFacts),
        ui: &Ui,
    ) -> Result<(Mode, HostFacts), CliError> {
        loop {
            let decision = decide(&self.requirements, &facts, args.mode.into(), &self.waivers);
            told(&decision, &facts);
            match decision.mode {
                Some(Mode::RemoteOnly) | None if args.force => {
                    ui.warn("This computer does not meet the requirements of your workstation; it is tried all the same.");
                    let mode = match args.mode {
                        ModeArg::Container => Mode::Container,
                        ModeArg::Auto | ModeArg::Vm => Mode::Vm,
                    };
                    return Ok((mode, facts));
                }
                Some(Mode::RemoteOnly) => return Err(self.remote_only(&decision)),
                Some(mode) => {
                    tell(args, mode, &decision, ui);
                    return Ok((mode, facts));
                }
                None => {}
            }
            // Part of the conversation, for there may be another look; the answer of this run is that nothing was started.
            if !ui.is_json() {
                let page = check::page(&decision, ui.columns());
                // Colours are for whoever draws on the terminal; what is said is text.
                let page = anstream::adapter::strip_str(&page).to_string();
                page.lines().for_each(|line| ui.say(line));
            }
            if !ui.offer(AGAIN)? {
                return Err(unfit(&decision));
            }
            facts = look();
        }
    }

    fn remote_only(&self, decision: &Decision) -> CliError {
        let text = "this computer can only be used for remote access; nothing was started";
        let error = hints(decision, said(ExitCode::HostUnfit, "gobag.remote-only", text));
        let address = &self.requirements.remote_only.address;
        match address.is_empty() {
            true => error,
            false => error.hint(format!("for remote access go to {}", human::printable(address))),
        }
    }
}

/// What a person should know although it starts.
fn tell(args: &StartArgs, mode: Mode, decision: &Decision, ui: &Ui) {
    for reason in &decision.reasons {
        tracing::info!(%reason, "mode");
    }
    if args.mode == ModeArg::Auto && mode == Mode::Container {
        ui.say("This computer cannot run a virtual machine; your workstation opens as a container.");
    }
    let findings = decision.relevant().map_or(&[][..], |findings| &findings.findings);
    let warned: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Warn && finding.matters())
        .collect();
    if !warned.is_empty() {
        let titles: Vec<&str> = warned.iter().map(|finding| finding.title).collect();
        ui.warn(&format!(
            "This computer will do, but could be better: {}. What to do about it: `gobag check`.",
            titles.join(", ")
        ));
    }
}

fn unfit(decision: &Decision) -> CliError {
    let text = "this computer cannot run your workstation; nothing was started";
    hints(decision, said(ExitCode::HostUnfit, "gobag.host-unfit", text))
        .hint("another PC is often the fastest help")
}

/// Every obstacle with its rule, so that whoever is phoned knows which one.
fn hints(decision: &Decision, error: CliError) -> CliError {
    let blocking = decision.findings.iter().flat_map(|findings| findings.blocking());
    blocking.fold(error, |error, finding| {
        let advice = finding.what_to_do.as_deref().unwrap_or("ask your IT");
        error.hint(format!(
            "{} ({}): found {}, needed {}: {advice}",
            finding.title, finding.rule, finding.found, finding.needed
        ))
    })
}
