//! Replication that goes on by itself while a session lasts, and what it tells of itself.
//!
//! A pass every half minute while there is something new; one right after the other while more has gathered. Without a network
//! it tries again, at longer and longer intervals. Nothing here can stop a guest for longer than a snapshot takes: what cannot be sent stays
//! on the stick.
//!
//! - `status`: what others see; `pace`: how much a pass takes and when the next one comes; `marks`: names for moments
//! - a second thread looks after each pass: it tells how far it is, and ends it where nothing may be sent any more ([`Rules`])

mod marks;
mod pace;
mod status;

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use gobag_bundle::{ReplicaSource, store::Clock};
use gobag_client::UploadLimit;
use gobag_protocol::points::BookmarkKind;

pub use self::{
    marks::Freezer,
    status::{MarkStatus, PassStatus, Phase, Problem, ReplicaStatus},
};
use self::{
    marks::{Mark, Marks},
    pace::Pace,
};
use crate::{
    allowance::{Allowance, ReplicationPolicy, Standing, Surroundings, Wish, allowance},
    error::SendError,
    remote::Remote,
    sender::{Passed, Progress, Sender},
};

/// From the begin of one pass to that of the next.
const EVERY: Duration = Duration::from_secs(30);
/// How often the stick notes what the server has, if little is sent.
const NOTE_EVERY: Duration = Duration::from_secs(300);
/// How often a pass under way tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked at whether it may still go on, and how fast.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How often the server is asked whether it still has what it was sent, a part each time.
const ASK_AFTER_EVERY: Duration = Duration::from_secs(600);
/// How long a pass takes until its own speed counts.
const SPEED_AFTER: Duration = Duration::from_secs(3);
/// Longest name of a moment, bytes: sealed, it fits a label.
const MAX_NAME: usize = 512;

/// What decides how fast is sent, and whether.
pub struct Rules {
    /// IT's word.
    pub policy: ReplicationPolicy,
    /// The person's.
    pub wish: Wish,
    /// Looks around; may take seconds.
    pub look: Box<dyn Fn() -> Surroundings + Send + Sync>,
    /// That of the remote's connections.
    pub limit: UploadLimit,
    /// What can hold the guest's file systems still, where there is something.
    pub freezer: Option<Box<dyn Freezer>>,
}

impl Default for Rules {
    /// Nobody has said anything, and nothing can be seen.
    fn default() -> Self {
        Self {
            policy: ReplicationPolicy::default(),
            wish: Wish::default(),
            look: Box::new(Surroundings::default),
            limit: UploadLimit::default(),
            freezer: None,
        }
    }
}

impl Rules {
    /// What may be sent now; how fast counts from now on.
    fn apply(&self, standing: Standing) -> Allowance {
        let allowed = allowance(&self.policy, self.wish, (self.look)(), standing);
        if let Allowance::Send(limit) = allowed {
            self.limit.set(limit.map(|limit| limit.bytes_per_s));
        }
        allowed
    }
}

#[derive(Default)]
struct Shared {
    status: ReplicaStatus,
    marks: Vec<Mark>,
    /// Something new is to be done since it was last waited.
    is_woken: bool,
    ending: bool,
}

/// Between the thread that replicates and everybody else.
#[derive(Default)]
pub struct Control {
    shared: Mutex<Shared>,
    wake: Condvar,
    progress: Progress,
}

impl Control {
    /// What replication tells of itself now.
    pub fn status(&self) -> ReplicaStatus {
        self.shared().status.clone()
    }

    /// Names the first state that is sent complete from now on; [`ReplicaStatus::marks`] counts those that were. With
    /// [`BookmarkKind::Application`] the guest's file systems are held still for it; where nothing can do that, it is a
    /// [`BookmarkKind::User`]'s. `false` if the name is too long.
    pub fn mark(&self, kind: BookmarkKind, name: &str) -> bool {
        let fits = name.len() <= MAX_NAME;
        if fits {
            let name = name.to_owned();
            let mut shared = self.shared();
            shared.marks.push(Mark {
                kind,
                name,
                frozen: None,
            });
            shared.is_woken = true;
            self.wake.notify_all();
        }
        fits
    }

    /// The next pass comes now: what kept the last one from the server may be over.
    pub fn hurry(&self) {
        self.shared().is_woken = true;
        self.wake.notify_all();
    }

    /// Lets [`run`] end: when everything is sent, or, if `at_once`, now.
    pub fn end(&self, at_once: bool) {
        self.shared().ending = true;
        if at_once {
            self.progress.stop.store(true, Ordering::Relaxed);
        }
        self.wake.notify_all();
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `at_most`, or until there is something new to do.
    fn wait(&self, at_most: Duration) {
        let idle = |shared: &mut Shared| !shared.ending && !shared.is_woken;
        // Poisoned or not, what it guards is only told.
        let waited = self.wake.wait_timeout_while(self.shared(), at_most, idle);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_woken = false;
    }

    fn is_ending(&self) -> bool {
        self.shared().ending
    }

    fn change(&self, change: impl FnOnce(&mut ReplicaStatus)) -> ReplicaStatus {
        let mut shared = self.shared();
        change(&mut shared.status);
        shared.status.clone()
    }
}

/// Replicates until [`Control::end`]; on a thread of its own. After each pass, and each second of one, `tell` hears how it stands.
pub fn run<R: Remote>(
    source: ReplicaSource,
    remote: R,
    control: &Control,
    rules: &Rules,
    clock: &Clock,
    tell: impl Fn(&ReplicaStatus) + Sync,
) {
    let runner = Runner {
        source: &source,
        control,
        rules,
        clock,
        tell: &tell,
    };
    runner.run(&mut Sender::new(source.clone(), remote));
}

struct Runner<'a> {
    source: &'a ReplicaSource,
    control: &'a Control,
    rules: &'a Rules,
    clock: &'a Clock,
    tell: &'a (dyn Fn(&ReplicaStatus) + Sync),
}

impl Runner<'_> {
    fn run<R: Remote>(&self, sender: &mut Sender<R>) {
        let mut pace = Pace::default();
        let mut marks = Marks::new(self.rules, Instant::now());
        let (mut noted, mut looked_after) = (Instant::now(), Instant::now());
        loop {
            let ending = self.control.is_ending();
            let (started, started_s) = (Instant::now(), (self.clock)());
            let passed = match self.may_send(sender) {
                Ok(Allowance::Wait(_)) => None,
                Ok(Allowance::Send(limit)) => {
                    let most_bytes = pace.most_bytes(limit.map(|limit| limit.bytes_per_s));
                    let passed = self.watched(|| marks.pass(sender, most_bytes, self.control));
                    let was_paused = self.control.progress.pause.swap(false, Ordering::Relaxed);
                    // What was under way counts as unsent again.
                    (!was_paused || passed.is_ok()).then_some(passed)
                }
                Err(error) => Some(Err(error)),
            };
            let (left, all_sent) = (self.source.unsent_bytes(), self.source.is_all_sent());
            let (wait, last) = match &passed {
                Some(passed) => {
                    let wait = pace.after(passed, started.elapsed(), left);
                    // Whoever ends it gets passes until all is sent, or one fails.
                    (wait, ending && !self.is_to_go_on(passed, &pace))
                }
                None => (LOOK_EVERY, ending),
            };
            let first_copied = sender.is_first_copied();
            let status = self.control.change(|status| {
                match &passed {
                    Some(passed) => status.learn(passed, &pace, first_copied, started_s, left),
                    None => (status.unsent_bytes, status.pass) = (left, None),
                }
                status.all_sent = all_sent;
            });
            (self.tell)(&status);
            if sender.is_note_due() || noted.elapsed() >= NOTE_EVERY || last {
                noted = Instant::now();
                if let Err(error) = sender.note() {
                    tracing::warn!(code = error.code(), %error, "the stick cannot note what the company has");
                }
            }
            if last {
                return;
            }
            if matches!(passed, Some(Ok(Passed::Nothing))) && looked_after.elapsed() >= ASK_AFTER_EVERY {
                looked_after = Instant::now();
                look_after(sender);
            }
            self.control.wait(wait.saturating_sub(started.elapsed()));
        }
    }

    /// Whether something may be sent now, once it is known what the server has.
    fn may_send<R: Remote>(&self, sender: &mut Sender<R>) -> Result<Allowance, SendError> {
        sender.ask(&self.control.progress)?;
        let unsent_bytes = self.source.unsent_bytes();
        let allowed = self.rules.apply(Standing {
            first_copied: sender.is_first_copied(),
            unsent_bytes,
        });
        self.control.change(|status| match allowed {
            // Whoever hears that it waits hears for how much.
            Allowance::Wait(why) => {
                (status.paused, status.limit) = (Some(why), None);
                status.unsent_bytes = unsent_bytes;
            }
            Allowance::Send(limit) => (status.paused, status.limit) = (None, limit),
        });
        Ok(allowed)
    }

    /// Whether there is more to be done at the end: changes that a pass did not come to, or names that one point had no room for.
    fn is_to_go_on(&self, passed: &Result<Passed, SendError>, pace: &Pace) -> bool {
        match passed {
            Ok(Passed::Point { complete: true, .. }) => !self.control.shared().marks.is_empty(),
            Ok(Passed::Point { more, .. }) => *more,
            Ok(Passed::Unreadable { more, .. }) => *more && pace.can_reach_further(),
            Ok(Passed::Nothing) | Err(_) => false,
        }
    }

    /// Does a pass while another thread looks after it.
    fn watched(&self, pass: impl FnOnce() -> Result<Passed, SendError>) -> Result<Passed, SendError> {
        self.control.progress.begin(0);
        thread::scope(|scope| {
            let (under_way, over) = bounded::<()>(0);
            scope.spawn(move || self.watch(&over));
            let passed = pass();
            drop(under_way);
            passed
        })
    }

    fn watch(&self, over: &Receiver<()>) {
        let progress = &self.control.progress;
        let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
        let first_copied = self.control.status().phase != Phase::FirstCopy;
        let started = Instant::now();
        let (mut looked, mut later_bytes) = (started, None);
        while over.recv_timeout(TELL_EVERY) == Err(RecvTimeoutError::Timeout) {
            let pass = PassStatus {
                data_bytes: count(&progress.data_bytes),
                done_bytes: count(&progress.done_bytes),
                sent_bytes: count(&progress.sent_bytes),
            };
            let is_time = looked.elapsed() >= LOOK_EVERY;
            // What the guest writes meanwhile; counting it reads a bit of each block, so it is not done each second.
            let later = match later_bytes.filter(|_| !is_time) {
                Some(later) => later,
                None => *later_bytes.insert(self.source.unsent_bytes()),
            };
            let unsent_bytes = later + pass.data_bytes;
            let took = started.elapsed();
            let rate = (took >= SPEED_AFTER && pass.done_bytes > 0)
                .then(|| (pass.done_bytes as u128 * 1000 / took.as_millis().max(1)) as u64);
            let allowed = is_time.then(|| {
                looked = Instant::now();
                self.rules.apply(Standing {
                    first_copied,
                    unsent_bytes,
                })
            });
            let status = self.control.change(|status| {
                status.advance(pass, unsent_bytes, rate);
                match allowed {
                    Some(Allowance::Wait(why)) => status.paused = Some(why),
                    Some(Allowance::Send(limit)) => status.limit = limit,
                    None => {}
                }
            });
            if let Some(Allowance::Wait(_)) = allowed {
                progress.pause.store(true, Ordering::Relaxed);
            }
            (self.tell)(&status);
        }
    }
}

/// Asks for a part of what the server was sent.
fn look_after<R: Remote>(sender: &mut Sender<R>) {
    match sender.look_after() {
        Ok(0) => {}
        Ok(packs) => {
            tracing::warn!(
                packs,
                "the company has lost parts of its copy; they are sent again"
            );
        }
        Err(error) => {
            tracing::warn!(code = error.code(), %error, "the company's copy cannot be looked at");
        }
    }
}
