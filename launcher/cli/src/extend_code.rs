//! The stick's end of an extension over the telephone: it shows a question, and takes officers' codes.
//!
//! What was answered is in the ledger before the person hears of it, so that neither a pulled stick nor a killed program gives a second try.

use std::time::Duration;

use gobag_bundle::{Bundle, ledger::LedgerAccessError};
use gobag_format::{
    lease::{
        LeasePolicy,
        phone::{Answered, PhoneError, Question, Whose},
    },
    ledger::LedgerRecord,
};
use gobag_term::{CliError, ExitCode, Ui, ask::Question as Prompt, human};
use serde::Serialize;

use crate::{args::UnlockArgs, environment::Environment, error::OrExplain, find, host_memory, unlock};

/// Start although the lease has ended, by codes that officers of your company read to you
///
/// When your company's server is gone, phone the officers that your IT named to you, and read them the stick's number and the question that is
/// shown. Each gives you a code. The question stands until enough of them did, at most until tomorrow; you can end this in between, and go on.
#[derive(Debug, clap::Args)]
pub(crate) struct ExtendCodeArgs {
    #[command(flatten)]
    unlock: UnlockArgs,
    /// An officer's code; may be given several times. Without it the terminal is asked. No secret: it answers this one question
    #[arg(long = "code", value_name = "CODE")]
    codes: Vec<String>,
}

#[derive(Serialize)]
struct ExtendReport {
    bundle: String,
    /// The question that still stands.
    question: Option<String>,
    officers: usize,
    needed: usize,
    /// When the extension ends, where enough officers answered.
    until_s: Option<u64>,
}

/// A stick that is asked to be extended.
struct Stick<'a> {
    bundle: &'a Bundle,
    policy: LeasePolicy,
    whose: Whose,
    now_s: u64,
}

pub(crate) fn extend_code(
    args: &ExtendCodeArgs,
    ui: &Ui,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let stick =
        find::find(args.unlock.stick.stick.as_deref(), environment.program.as_deref()).or_explain()?;
    let bundle = unlock::unlock(&args.unlock, &stick, true, ui)?;
    let witness = host_memory::recall(&bundle, environment, ui);
    bundle.judge(&witness).or_explain()?;
    let stated = bundle.first_policy().or_explain()?;
    let policy = LeasePolicy::of_policy(&stated).or_explain()?;
    let stick = Stick {
        policy: policy.ok_or(PhoneError::NoCodes).or_explain()?,
        whose: Whose {
            org: bundle.record().org,
            bundle: bundle.id(),
        },
        // A clock that is wrong shows in the question, and the officers' programs say so.
        now_s: (gobag_bundle::Ambient::system().clock)(),
        bundle: &bundle,
    };
    let report = converse(&stick, &args.codes, ui)?;
    ui.answer(&report, |report| page(report, stick.now_s))?;
    Ok(ExitCode::Ok)
}

fn converse(stick: &Stick<'_>, codes: &[String], ui: &Ui) -> Result<ExtendReport, CliError> {
    let question = stick.ask()?;
    let text = question.text(stick.whose.bundle);
    let mut report = ExtendReport {
        bundle: stick.whose.bundle.to_string(),
        question: Some(text.clone()),
        officers: 0,
        needed: stick.policy.threshold,
        until_s: None,
    };
    ui.say(&format!(
        "Stick {}, question {text}: read both to officers; {} of them have to answer.",
        stick.whose.bundle, stick.policy.threshold
    ));
    let mut given = codes.iter();
    loop {
        let code = match given.next() {
            Some(code) => code.clone(),
            None if codes.is_empty() && ui.can_ask() => typed(ui)?,
            None => return Ok(report),
        };
        match stick.answer(&code)? {
            Ok(Answered::More { officers, needed }) => {
                (report.officers, report.needed) = (officers, needed);
                ui.say(&format!("{officers} of {needed} officers answered."));
            }
            Ok(Answered::Extended { until_s }) => {
                (report.officers, report.question) = (report.needed, None);
                report.until_s = Some(until_s);
                return Ok(report);
            }
            // A person who sits at the terminal can ask for it once more.
            Err(error @ (PhoneError::Mistyped | PhoneError::Wrong { .. })) if codes.is_empty() => {
                ui.warn(&error.to_string());
            }
            Err(error) => return Err(error).or_explain(),
        }
    }
}

fn typed(ui: &Ui) -> Result<String, CliError> {
    let prompt = Prompt {
        heading: "",
        text: "An officer's code, 20 characters",
        help: "spaces, dashes and small letters do not matter",
        label: "code",
    };
    Ok(ui.ask_line(&prompt, None, None, Box::new(|_| Ok(())))?)
}

impl Stick<'_> {
    fn ask(&self) -> Result<Question, CliError> {
        let random = gobag_bundle::Ambient::system().random;
        let asked = self.noted(|ledger| ledger.phone.ask(&self.policy, self.now_s, &*random));
        asked.or_explain()?.or_explain()
    }

    /// What the code came to, which is in the ledger already.
    fn answer(&self, code: &str) -> Result<Result<Answered, PhoneError>, CliError> {
        self.noted(|ledger| {
            let key = ledger.code_key();
            ledger
                .phone
                .answer(code, &key, &self.policy, self.whose, self.now_s)
        })
        .or_explain()
    }

    fn noted<T>(&self, change: impl FnOnce(&mut LedgerRecord) -> T) -> Result<T, LedgerAccessError> {
        let mut outcome = None;
        self.bundle
            .change_ledger(|ledger| outcome = Some(change(ledger)))?;
        Ok(outcome.expect("the ledger was changed"))
    }
}

fn page(report: &ExtendReport, now_s: u64) -> String {
    match report.until_s {
        Some(until_s) => format!(
            "The stick may be started for {} more. Start it with `gobag start`.\n",
            human::duration(Duration::from_secs(until_s.saturating_sub(now_s)))
        ),
        None => format!(
            "{} of {} officers answered. Go on with the same command.\n",
            report.officers, report.needed
        ),
    }
}
