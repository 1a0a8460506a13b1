//! Whether a stick may be started, by its lease; and if not, what its company says to that when it is asked.

use std::sync::Arc;

use gobag_bundle::{Ambient, Bundle, ledger::LedgerAccessError};
use gobag_format::{
    envelope::Envelope,
    lease::{Held, Lease, LeaseError, LeasePolicy, Standing, Stick, judge},
    manifest::Manifest,
};
use gobag_term::{CliError, ExitCode, Ui};
use jiff::Timestamp;

use super::{contact, desk::Desk};
use crate::{
    error::{Explain, OrExplain, said},
    open::Work,
};

/// A stick's lease, judged now.
pub(crate) struct Judged {
    /// What IT asks; `None` where sticks need no lease.
    pub(crate) policy: Option<LeasePolicy>,
    /// How it stands; `Ok(None)` where it needs no lease.
    pub(crate) standing: Result<Option<Standing>, LeaseError>,
    /// Whether it knows its company.
    pub(crate) is_enrolled: bool,
}

/// Judges the lease.
pub(crate) fn judged(bundle: &Bundle, manifest: &Manifest) -> Result<Judged, CliError> {
    let policy = LeasePolicy::of_policy(&manifest.policy).or_explain()?;
    let ledger = match bundle.ledger() {
        Ok(ledger) => Some(ledger),
        // A stick without a ledger holds no lease.
        Err(LedgerAccessError::None) => None,
        Err(error) if policy.is_some() => return Err(error.explain()),
        Err(_) => None,
    };
    let held = ledger
        .as_ref()
        .map_or_else(|| Ok(Held::default()), |ledger| ledger.held());
    let is_cut_off = ledger.as_ref().is_some_and(|ledger| ledger.revoked);
    let standing = match (&policy, held) {
        _ if is_cut_off => Err(LeaseError::Revoked),
        (None, _) => Ok(None),
        (Some(policy), held) => held
            .and_then(|held| judge(policy, &held, stick(bundle, manifest), now_s()))
            .map(Some),
    };
    Ok(Judged {
        policy,
        standing,
        is_enrolled: ledger.is_some_and(|ledger| ledger.company.is_some()),
    })
}

/// Lets a stick be started or opened, or refuses it. One whose lease has ended asks its company first; it is erased if it was cut off.
pub(crate) fn admit(work: &Arc<Work>, ui: &Ui) -> Result<(), CliError> {
    let found = judged_at(work)?;
    let error = match found.standing {
        Ok(standing) => {
            tell(standing, ui);
            return Ok(());
        }
        Err(error) => error,
    };
    let desk = Desk::new(work);
    if error == LeaseError::Revoked {
        let _ = contact::erase(&desk);
        return Err(cut_off(work.take_left()));
    }
    if !found.is_enrolled {
        return Err(error.explain());
    }
    // What waits for the company goes there, too, whatever becomes of the lease.
    ui.say("This stick has no lease that counts now; your company is asked for one.");
    let asked = contact::contact(&desk);
    contact::told(&asked, ui);
    if let Err(super::Trouble::CutOff { .. }) = asked {
        return Err(cut_off(work.take_left()));
    }
    tell(judged_at(work)?.standing.or_explain()?, ui);
    Ok(())
}

/// Until when the stick may be started without its company.
pub(crate) fn until(work: &Work) -> Option<u64> {
    let standing = judged_at(work).ok()?.standing.ok()??;
    Some(standing.until_s)
}

/// A new lease, if the policy asks for one and this is one for this stick.
pub(crate) fn verified(work: &Work, envelope: &Envelope) -> Result<Option<Lease>, LeaseError> {
    let policy = LeasePolicy::of_policy(&work.session().manifest().policy);
    let Ok(Some(policy)) = policy else {
        return Ok(None);
    };
    let lease = Lease::verified(envelope, &policy.server)?;
    let stick = stick(work.session().bundle(), work.session().manifest());
    match (lease.org, lease.bundle) == (stick.org, stick.bundle) {
        true => Ok(Some(lease)),
        false => Err(LeaseError::OtherStick),
    }
}

/// The last word to whoever has a stick that was cut off.
pub(crate) fn cut_off(left: Option<gobag_bundle::ReplaceError>) -> CliError {
    let error = said(
        ExitCode::LockedOut,
        "lease.revoked",
        "your company cut this stick off, and what unlocks it is erased",
    )
    .hint("what was sent to the company before is there; phone your IT, also if you think that this is a mistake");
    match left {
        None => error,
        Some(left) => error.hint(format!(
            "not all of it could be erased ({left}); it is tried again when the stick is next opened"
        )),
    }
}

/// A day, in UTC, and how many are left.
pub(crate) fn day(time_s: u64, now_s: u64) -> String {
    let time = i64::try_from(time_s)
        .ok()
        .and_then(|time_s| Timestamp::from_second(time_s).ok());
    let day = time.map_or_else(
        || "the end of time".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    );
    match time_s.saturating_sub(now_s) / 86_400 {
        0 => format!("{day} (less than a day)"),
        1 => format!("{day} (1 day)"),
        days => format!("{day} ({days} days)"),
    }
}

pub(crate) fn now_s() -> u64 {
    (Ambient::system().clock)()
}

fn judged_at(work: &Work) -> Result<Judged, CliError> {
    judged(work.session().bundle(), work.session().manifest())
}

fn stick<'a>(bundle: &Bundle, manifest: &'a Manifest) -> Stick<'a> {
    Stick {
        org: bundle.record().org,
        bundle: bundle.id(),
        image: &manifest.name,
        version: manifest.version,
    }
}

fn tell(standing: Option<Standing>, ui: &Ui) {
    let Some(standing) = standing.filter(|standing| standing.warn) else {
        return;
    };
    let until = day(standing.until_s, now_s());
    let text = match standing.extended {
        true => format!(
            "This stick starts by an emergency letter of your company until {until}. Connect this computer to the internet while you work, so that it gets a new lease."
        ),
        false => format!(
            "This stick can be started until {until}. Connect this computer to the internet while you work, so that it gets a new lease."
        ),
    };
    ui.warn(&text);
}
