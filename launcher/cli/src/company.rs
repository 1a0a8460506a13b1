//! The company, as a stick knows it: before a start ([`standing`]), and on a thread of its own while a session lasts ([`Company`]).
//!
//! The thread never keeps a session waiting: it holds the stick only while it reads or changes the ledger ([`desk`]), its requests are
//! broken off at the end, and nobody waits for it. What one contact does is in [`contact`]; replication is called there.

pub(crate) mod contact;
pub(crate) mod desk;
mod replicating;
mod sending;
pub(crate) mod share;
pub(crate) mod standing;
mod trouble;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use gobag_bundle::SystemRandom;
use gobag_client::Backoff;
use gobag_format::lease::raised;
use gobag_replica::{allowance::Wish, behind::Behind, runner::ReplicaStatus};
use gobag_term::{Signal, Ui, human};
use serde::{Deserialize, Serialize};

use crate::{control::Board, open::Work};

use desk::Desk;
use replicating::Call;
pub(crate) use replicating::Replicating;
pub(crate) use sending::SendingArgs;
pub(crate) use trouble::Trouble;

/// How long after a contact that worked the next one comes.
const CONTACT_EVERY: Duration = Duration::from_secs(15 * 60);
/// How often the ledger notes that time has passed.
const NOTE_EVERY: Duration = Duration::from_secs(5 * 60);
/// How often it is looked at whether the company's copy falls behind.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How it stands between a running session and the company.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contact {
    /// Not yet reached.
    #[default]
    Trying,
    /// Reached, and everything that waited is there.
    Reached,
    /// Not reachable now.
    Offline,
    /// Reached, and something was refused or failed.
    Trouble,
    /// The company cut the stick off.
    CutOff,
    /// A state this program does not know.
    #[serde(other)]
    Unknown,
}

/// The same for others to see. Fields only get added, and each has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CompanyReport {
    /// How it stands.
    pub(crate) contact: Contact,
    /// When it last worked, seconds since 1970.
    pub(crate) reached_s: Option<u64>,
    /// Until when the stick may be started without the company, seconds since 1970.
    pub(crate) lease_until_s: Option<u64>,
    /// The stable code of what went wrong last.
    pub(crate) code: Option<String>,
    /// How far the company's copy of the volumes is; absent until it was begun.
    pub(crate) replica: Option<ReplicaStatus>,
    /// For how many seconds changes have gathered that the company does not get, if that is longer than IT wants.
    pub(crate) behind_s: Option<u64>,
}

impl CompanyReport {
    /// In words.
    pub(crate) fn text(&self) -> String {
        let text = match self.contact {
            Contact::Trying => "not reached yet",
            Contact::Reached => "reached; everything that waited is there",
            Contact::Offline => "not reachable now; it is tried again",
            Contact::Trouble => "reached, but not everything worked",
            Contact::CutOff => "cut this stick off",
            Contact::Unknown => "in a state that this version does not know",
        };
        let text = match &self.code {
            Some(code) => format!("{text} ({})", human::printable(code)),
            None => text.to_owned(),
        };
        let text = match &self.replica {
            Some(replica) => format!("{text}; {}", replicating::text(replica)),
            None => text,
        };
        match self.behind_s {
            Some(behind_s) => format!(
                "{text}; BEHIND: what is written stays on the stick alone for {} now",
                human::duration(Duration::from_secs(behind_s))
            ),
            None => text,
        }
    }
}

/// The threads. [`Company::see_off`] lets the last changes go; dropping it ends the rest, without waiting for it.
pub(crate) struct Company {
    desk: Arc<Desk>,
    replicating: Arc<Replicating>,
    _stop: Sender<()>,
    cut_off: Receiver<()>,
}

impl Company {
    /// Begins to look for the company of the stick that is at work. `agent`: where the socket of the guest's agent is.
    pub(crate) fn start(work: &Arc<Work>, wish: Wish, agent: Option<&Path>, board: &Board, ui: &Ui) -> Self {
        let (wake, woken) = bounded(1);
        let rules = sending::rules(&work.session().manifest().policy, wish, agent, ui);
        let target = Duration::from_secs(rules.policy.rpo_target_s);
        let replicating = Arc::new(Replicating::new(rules, wake, ui));
        let desk = Arc::new(Desk::new(work).replicating(&replicating, board));
        let (stop, stopped) = bounded::<()>(0);
        let (tell, cut_off) = bounded(1);
        let keeper = Keeper {
            desk: Arc::clone(&desk),
            board: board.clone(),
            ui: ui.clone(),
            tell,
            replicating: Arc::clone(&replicating),
            target,
        };
        let thread = std::thread::Builder::new().name("company".to_owned());
        if let Err(error) = thread.spawn(move || keeper.keep(&stopped, &woken)) {
            tracing::error!(%error, "cannot speak to the company while running");
        }
        Self {
            desk,
            replicating,
            _stop: stop,
            cut_off,
        }
    }

    /// Names the first state of the volumes that goes to the company from now on.
    pub(crate) fn mark(&self, name: &str) {
        self.replicating.mark(name);
    }

    /// The workplace has ended: the last changes go to the company, as long as they do and the person has patience. Afterwards no
    /// thread of this holds the stick. `at_once`: nobody waits for anything.
    pub(crate) fn see_off(&self, at_once: bool, signals: &Receiver<Signal>, ui: &Ui) {
        // First, so that no contact begins it anew.
        self.desk.leave_stick();
        if at_once {
            self.replicating.cut_off();
        }
        self.replicating.see_off(signals, ui);
    }

    /// Says once that the company cut the stick off; its keys are erased then, and the session has to end now.
    pub(crate) fn cut_off(&self) -> &Receiver<()> {
        &self.cut_off
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        self.desk.leave();
    }
}

struct Keeper {
    desk: Arc<Desk>,
    board: Board,
    ui: Ui,
    tell: Sender<()>,
    replicating: Arc<Replicating>,
    /// For how long changes may gather.
    target: Duration,
}

impl Keeper {
    /// Until it is stopped; a call makes it speak to the company at once.
    fn keep(&self, stopped: &Receiver<()>, woken: &Receiver<Call>) {
        let mut backoff = Backoff::new(&SystemRandom, None);
        let mut noted = Instant::now();
        let mut contact = Some(Instant::now());
        let mut behind = Behind::new(self.target, Instant::now());
        let mut look = Instant::now();
        loop {
            let note = noted + NOTE_EVERY;
            let next = note.min(look);
            let next = contact.map_or(next, |contact| contact.min(next));
            let wait = next.saturating_duration_since(Instant::now());
            select! {
                recv(stopped) -> _ => return,
                recv(woken) -> word => match word {
                    // Where the last contact failed, too, the next one has its time.
                    Ok(Call::Unreached) if !self.is_reached() => {}
                    Ok(_) => contact = Some(Instant::now()),
                    // Replication has ended, and with it the session.
                    Err(_) => return,
                },
                default(wait) => {}
            }
            if note <= Instant::now() {
                let worked = noted.elapsed();
                noted = Instant::now();
                self.note(worked);
            }
            if look <= Instant::now() {
                look = Instant::now() + LOOK_EVERY;
                self.look(&mut behind);
            }
            if contact.is_some_and(|contact| contact <= Instant::now()) {
                match self.contact(&mut backoff) {
                    Next::After(wait) => contact = Some(Instant::now() + wait),
                    Next::Never => contact = None,
                    Next::Over => return,
                }
            }
        }
    }

    fn is_reached(&self) -> bool {
        let shown = self.board.report().company;
        shown.is_some_and(|company| company.contact == Contact::Reached)
    }

    /// Whether the company gets what is written; says so once each time that it begins not to.
    fn look(&self, behind: &mut Behind) {
        let status = self.replicating.status();
        let unsent_bytes = match &status {
            Some(status) => status.unsent_bytes,
            // Never reached in this session.
            None => {
                let unsent = |work: &Work| work.session().replica().map_or(0, |source| source.unsent_bytes());
                self.desk.with(unsent).unwrap_or(0)
            }
        };
        let complete_s = status.and_then(|status| status.complete_s);
        let is_behind = behind.look(unsent_bytes, complete_s, Instant::now());
        let behind_s = is_behind.map(|time| time.as_secs());
        let mut was_behind = false;
        // Where nothing is to be said, a stick without a company shows none.
        if behind_s.is_some() || self.board.report().company.is_some() {
            self.board.update(|report| {
                let shown = &mut report.company.get_or_insert_default().behind_s;
                was_behind = shown.is_some();
                *shown = behind_s;
            });
        }
        if let (Some(time), false) = (is_behind, was_behind) {
            self.ui.warn(&format!(
                "For {} your company has not got what you write: {} are on the stick alone, and would be lost with it. Connect this computer to \
                 the internet, or to a faster one; `gobag status` shows how far it is.",
                human::duration(time),
                human::bytes(unsent_bytes)
            ));
        }
    }

    /// Time has passed, by a clock that only runs forward.
    fn note(&self, worked: Duration) {
        let noted = self.desk.change(|ledger| {
            // Where nobody looks at it, nothing is written about it.
            if ledger.high_water_s > 0 || ledger.lease.is_some() {
                ledger.high_water_s = raised(ledger.high_water_s, worked.as_secs(), []);
            }
        });
        if let Err(error) = noted {
            tracing::info!(code = error.code(), %error, "the time that has passed is not noted");
        }
    }

    fn contact(&self, backoff: &mut Backoff<'_>) -> Next {
        let mode = || self.desk.with(|work| work.session().bundle().unlock_mode()).ok();
        let before = mode();
        let contact = contact::contact(&self.desk);
        if let (Some(before), Some(now)) = (before, mode()) {
            share::tell(before, now, &self.ui);
        }
        let until_s = self.desk.with(standing::until).ok().flatten();
        let now_s = (gobag_bundle::Ambient::system().clock)();
        let show = |contact, code: Option<&str>| {
            self.board.update(|report| {
                let shown = report.company.get_or_insert_default();
                shown.contact = contact;
                shown.code = code.map(str::to_owned);
                shown.lease_until_s = until_s;
                if contact == Contact::Reached {
                    shown.reached_s = Some(now_s);
                }
            });
        };
        match contact {
            Ok(()) => {
                backoff.reset();
                show(Contact::Reached, None);
                Next::After(CONTACT_EVERY)
            }
            Err(Trouble::Over | Trouble::NotEnrolled) => Next::Never,
            Err(error @ Trouble::CutOff { .. }) => {
                show(Contact::CutOff, Some(error.code()));
                self.ui
                    .warn(&format!("{error}. The workstation is switched off now."));
                let _ = self.tell.try_send(());
                Next::Over
            }
            Err(error) => {
                tracing::info!(code = error.code(), %error, "the company");
                let client = error.client();
                let wait = client.and_then(|error| backoff.after(error));
                let is_offline = client.is_some_and(|error| error.code() == "client.offline");
                let contact = if is_offline {
                    Contact::Offline
                } else {
                    Contact::Trouble
                };
                show(contact, Some(error.code()));
                Next::After(wait.unwrap_or(CONTACT_EVERY))
            }
        }
    }
}

enum Next {
    After(Duration),
    Never,
    Over,
}
