//! The device's clock: requests are charged in order of arrival, answers leave when they are due.
//!
//! One thread serves FUSE, so arrival is the order in which the kernel sent the requests. It does the real work at once
//! (reading or writing the backing file) and hands the answer to a second thread, which sends it when the model says so.
//! The real work thus happens while the modelled one is under way and costs nothing extra as long as it is quicker.

use std::{
    num::NonZeroU64,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Sender},
    },
    time::Duration,
};

use rustix::{
    thread::{ClockId, clock_nanosleep_absolute, set_current_timer_slack},
    time::{Timespec, clock_gettime},
};

use crate::{
    model::Model,
    schedule::Schedule,
    stats::Stats,
    volume::{Planned, Purpose},
};

type Answer = Box<dyn FnOnce() + Send>;

struct State {
    model: Model,
    schedule: Schedule,
    stats: Stats,
}

/// The device.
pub(crate) struct Device {
    state: Arc<Mutex<State>>,
    answers: Sender<(Duration, Answer)>,
    scale: f64,
}

impl Device {
    /// Starts the thread that answers. All waiting is divided by `scale`.
    pub(crate) fn start(model: Model, scale: f64) -> std::io::Result<Self> {
        let state = Arc::new(Mutex::new(State {
            model,
            schedule: Schedule::default(),
            stats: Stats::default(),
        }));
        let (answers, due_answers) = mpsc::channel::<(Duration, Answer)>();
        let shared = Arc::clone(&state);
        let answer = move || {
            // Without it the kernel may wake us 50 µs late; where it is refused, the schedule makes up for that.
            let _ = set_current_timer_slack(NonZeroU64::new(1));
            for (due, answer) in due_answers {
                sleep_until(due);
                answer();
                lock(&shared).schedule.answered(due, now());
            }
        };
        std::thread::Builder::new()
            .name("stick-answers".to_owned())
            .spawn(answer)?;
        Ok(Self {
            state,
            answers,
            scale,
        })
    }

    /// Charges requests that arrive now; returns when the last is done.
    pub(crate) fn charge(&self, planned: &[Planned]) -> Duration {
        let arrived = now();
        let mut state = lock(&self.state);
        let mut due = arrived;
        for (index, Planned { op, purpose }) in planned.iter().enumerate() {
            let queued = index > 0 || state.schedule.is_busy(arrived);
            let cost = state.model.charge(*op, queued);
            state.stats.cost.add(&cost);
            if let crate::model::Op::Write { len, .. } = op {
                match purpose {
                    Purpose::Metadata => state.stats.metadata.count(*len),
                    Purpose::Zeroes => state.stats.zeroes.count(*len),
                    Purpose::Data | Purpose::Sync => {}
                }
            }
            let time = Duration::from_nanos(cost.total_ns()).div_f64(self.scale);
            due = state.schedule.admit(arrived, time);
        }
        due
    }

    /// Sends an answer at `due`.
    pub(crate) fn answer_at(&self, due: Duration, answer: impl FnOnce() + Send + 'static) {
        // The thread lives as long as this sender; should it have died, the kernel gets an error for the lost answer.
        let _ = self.answers.send((due, Box::new(answer)));
    }

    /// Changes the counters.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut lock(&self.state).stats);
    }

    /// The counters.
    pub(crate) fn stats(&self) -> Stats {
        lock(&self.state).stats
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The monotonic clock.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn sleep_until(due: Duration) {
    let until = Timespec {
        tv_sec: i64::try_from(due.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: due.subsec_nanos().into(),
    };
    while now() < due {
        // A signal ends it early; then it is taken up again.
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &until);
    }
}
