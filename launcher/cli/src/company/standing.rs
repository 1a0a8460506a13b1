//! Whether a stick may be started, by its lease; and if not, what its company says to that when it is asked.

use std::{fmt, sync::Arc};

use gobag_bundle::{Ambient, Bundle, ledger::LedgerAccessError};
use gobag_format::{
    envelope::Envelope,
    lease::{Held, Lease, LeaseError, LeasePolicy, Standing, Stick, UnlockMode, judge},
    manifest::Manifest,
};
use gobag_protocol::error::Code;
use gobag_term::{CliError, ExitCode, Ui};
use jiff::Timestamp;

use super::{Trouble, contact, desk::Desk, share};
use crate::{
    error::{Explain, OrExplain, said},
    open::{Fate, Work},
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
    // What an earlier version noted of one that wants a share does not count: that one is never erased, its share is taken off it.
    let is_offline = bundle.unlock_mode() == UnlockMode::Offline;
    let is_cut_off = ledger.as_ref().is_some_and(|ledger| ledger.revoked) && is_offline;
    let held = held.map(|held| Held {
        revoked: is_cut_off,
        ..held
    });
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
        // IT may have taken it back since; nobody who keeps it from asking keeps it from being erased.
        let before = work.session().bundle().unlock_mode();
        let asked = contact::contact(&desk);
        if !lets_in(&asked) || work.session().bundle().take_back().is_err() {
            let _ = contact::cut_off(&desk);
            return Err(cut_off(work.take_fate()));
        }
        ui.say("Your company had cut this stick off, and has taken that back.");
        contact::told(&asked, ui);
        share::tell(before, work.session().bundle().unlock_mode(), ui);
        return admit_again(work, ui);
    }
    if !found.is_enrolled {
        return Err(error.explain());
    }
    // What waits for the company goes there, too, whatever becomes of the lease.
    ui.say("This stick has no lease that counts now; your company is asked for one.");
    let mode = || work.session().bundle().unlock_mode();
    let before = mode();
    let asked = contact::contact(&desk);
    contact::told(&asked, ui);
    if let Err(Trouble::CutOff { .. }) = asked {
        return Err(cut_off(work.take_fate()));
    }
    share::tell(before, mode(), ui);
    match judged_at(work)?.standing {
        Ok(standing) => {
            tell(standing, ui);
            Ok(())
        }
        Err(error) => Err(refused(work, error, &asked)),
    }
}

/// Whether the company knows the stick and did not cut it off, though it may have given it nothing.
fn lets_in(asked: &Result<(), Trouble>) -> bool {
    match asked {
        Ok(()) | Err(Trouble::Lease(_) | Trouble::Header(_) | Trouble::Card(_)) => true,
        Err(Trouble::Client(error)) => {
            error.is_refused(Code::StickCloneSuspected) || error.is_refused(Code::LeaseToken)
        }
        Err(_) => false,
    }
}

/// What is left to judge of a stick that the company lets in.
fn admit_again(work: &Arc<Work>, ui: &Ui) -> Result<(), CliError> {
    let standing = judged_at(work)?.standing.map_err(LeaseError::explain)?;
    tell(standing, ui);
    Ok(())
}

/// A lease that has ended also takes a share off the stick, if that is certain: by what the company signed and what the stick worked, not by a clock that
/// anybody can set, and only when the company's server answered and gave no lease: where it is gone, letters of officers help, as they do not from then on.
fn refused(work: &Work, error: LeaseError, asked: &Result<(), Trouble>) -> CliError {
    let (bundle, manifest) = (work.session().bundle(), work.session().manifest());
    let is_leased = bundle.unlock_mode() == UnlockMode::Leased && bundle.share_name().is_some();
    let is_ended = matches!(error, LeaseError::Ended { .. });
    let client = asked.as_ref().err().and_then(Trouble::client);
    // A server that is not well, or whoever stands in front of it, has not given an answer.
    let is_answered = client.is_some_and(|error| error.refused().is_some() && !error.is_transient());
    let shown = error.explain();
    if !(is_answered && is_ended && is_leased && has_ended_by_mark(bundle, manifest)) {
        return shown;
    }
    match bundle.forget_share() {
        Ok(()) => shown.hint(
            "from now on the stick opens only while your company's server answers; it gives back what it needs",
        ),
        Err(error) => {
            tracing::warn!(code = error.code(), %error, "the share is still on the stick");
            shown
        }
    }
}

/// Whether the lease has ended by the latest moment that is known to have been.
fn has_ended_by_mark(bundle: &Bundle, manifest: &Manifest) -> bool {
    let held = bundle.ledger().ok().and_then(|ledger| ledger.held().ok());
    let policy = LeasePolicy::of_policy(&manifest.policy).ok().flatten();
    let (Some(held), Some(policy)) = (held, policy) else {
        return false;
    };
    let judged = judge(&policy, &held, stick(bundle, manifest), held.high_water_s);
    matches!(judged, Err(LeaseError::Ended { .. }))
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
pub(crate) fn cut_off(fate: Fate) -> CliError {
    let text = match fate {
        Fate::Erased => "your company cut this stick off, and what unlocks it is erased".to_owned(),
        Fate::Kept | Fate::Escrow => format!("your company cut this stick off; {fate}"),
        Fate::Left(_) => "your company cut this stick off".to_owned(),
    };
    let error = said(ExitCode::LockedOut, "lease.revoked", text)
        .hint("what was sent to the company before is there; phone your IT, also if you think that this is a mistake");
    match fate {
        Fate::Left(left) => error.hint(format!(
            "not all that unlocks it could be erased ({left}); it is tried again when the stick is next opened"
        )),
        Fate::Erased | Fate::Kept | Fate::Escrow => error,
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Erased => f.write_str("what unlocks it is erased"),
            Self::Kept => f.write_str("it opens again only when your company takes that back"),
            Self::Escrow => f.write_str(
                "its passphrase was changed since the company was last reached, so from now on only your IT's escrow key opens it",
            ),
            Self::Left(left) => write!(f, "not all that unlocks it could be erased ({left})"),
        }
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
