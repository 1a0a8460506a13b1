//! A result that the company can believe to be of one of its sticks: signed with the stick's key, and kept on the stick until somebody
//! of the company takes it. Nothing is sent from here.
//!
//! Names of people, of the computer and of its media are taken out first, as from a recording: the company learns what the computer is like.
//!
//! The signature says which stick looked, and when, and that nobody changed the words since. It does not make the computer honest:
//! what is judged is what a computer says of itself.

use gobag_bundle::{Bundle, ledger::LedgerAccessError};
use gobag_checklists::{Decision, HostFacts};
use gobag_format::{
    envelope::{CHECK_RESULT, Envelope},
    ids::BundleId,
    ledger::KeptResult,
};
use gobag_host::{GatherOptions, hide_persons};
use serde::Serialize;
use serde_json::Value;

use super::{Authority, pseudonym};

/// How long a result says something about a computer: a quarter, for those who ask their people to check so often.
const LASTS_DAYS: u64 = 90;
const DAY_S: u64 = 86_400;
/// What stands for a computer that has no number of its own.
const NAMELESS: &str = "unknown";

/// The document that is signed (`docs/host-checks.md`, "Signed results").
#[derive(Serialize)]
struct Document {
    format: u32,
    program: &'static str,
    bundle: BundleId,
    made_s: u64,
    expires_s: u64,
    pseudonym: Option<String>,
    requirements: Authority,
    decision: Value,
    facts: Value,
}

/// Signs what was found and keeps it on the stick; an earlier result of this computer goes.
pub(crate) fn keep(
    bundle: &Bundle,
    decision: &Decision,
    facts: &HostFacts,
    options: &GatherOptions,
) -> Result<Envelope, LedgerAccessError> {
    let made_s = facts.gathered_at_s;
    let expires_s = made_s.saturating_add(LASTS_DAYS * DAY_S);
    let pseudonym = pseudonym::pseudonym();
    let about = pseudonym.clone().unwrap_or_else(|| NAMELESS.to_owned());
    let anonymous = |document: serde_json::Result<Value>| {
        let mut document = document.expect("facts always serialise");
        hide_persons(options, &mut document);
        document
    };
    let document = Document {
        format: 1,
        program: concat!("gobag ", env!("CARGO_PKG_VERSION")),
        bundle: bundle.id(),
        made_s,
        expires_s,
        pseudonym,
        requirements: Authority::Signed,
        decision: anonymous(serde_json::to_value(decision)),
        facts: anonymous(serde_json::to_value(facts)),
    };
    let payload = serde_json::to_vec(&document).expect("facts always serialise");
    let key = bundle.ledger()?.signing_key();
    let envelope = Envelope::sign(CHECK_RESULT, &payload, &key);
    // One that its readers would refuse is no use to anybody.
    Envelope::parse(envelope.to_json().as_bytes()).map_err(LedgerAccessError::Document)?;
    let kept = KeptResult {
        made_s,
        expires_s,
        about,
        envelope: envelope.to_json(),
    };
    bundle.change_ledger(|ledger| ledger.keep(kept))?;
    Ok(envelope)
}
