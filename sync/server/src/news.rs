//! Waiting for a newer point of a line.
//!
//! Who waits is told at once of what is made at this server; what another server at the same database made is found by a look at the line once a
//! second, of all that wait for it together. So many wait at once and no more, of one stick and in all; nobody waits longer than the server works.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gobag_protocol::{error::Code, ids::LineName, limits::MAX_WAITS};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use crate::{
    refusal::{Answer, Refusal},
    store::{
        OwnerKey, StickKey,
        database::Database,
        points::{self, LineKey},
    },
};

/// How long nobody looks at a line again.
const LOOK_EACH: Duration = Duration::from_secs(1);
/// Seconds after which one may ask again who may not wait now.
const LATER_S: u64 = 10;

/// All who wait at this server.
pub(crate) struct News {
    waiting: Mutex<Waiting>,
    turns: Arc<Semaphore>,
    ended: watch::Receiver<bool>,
}

#[derive(Default)]
struct Waiting {
    sticks: HashMap<StickKey, usize>,
    lines: HashMap<(OwnerKey, LineName), Arc<Line>>,
}

/// A line that somebody waits for.
struct Line {
    /// As far as it is known here.
    newest: watch::Sender<u64>,
    /// When it was last looked at; nobody else looks meanwhile.
    looked: tokio::sync::Mutex<Option<Instant>>,
}

impl News {
    /// Nobody waits yet: at most `most` at once, and none any more when `ended` says so.
    pub(crate) fn new(most: usize, ended: watch::Receiver<bool>) -> Self {
        Self {
            waiting: Mutex::default(),
            turns: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            ended,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().sticks.values().sum()
    }

    /// Tells those who wait for the line.
    pub(crate) fn made(&self, key: &LineKey<'_>, generation: u64) {
        if let Some(line) = self.lock().lines.get(&named(key)) {
            line.tell(generation);
        }
    }

    /// A turn for a stick to wait for the line, until it is dropped.
    pub(crate) fn wait(&self, stick: &StickKey, key: &LineKey<'_>) -> Answer<Wait<'_>> {
        let turn = self.turns.clone().try_acquire_owned().map_err(|_| later())?;
        let mut waiting = self.lock();
        let of_stick = waiting.sticks.entry(stick.clone()).or_default();
        if *of_stick >= MAX_WAITS {
            return Err(later());
        }
        *of_stick += 1;
        let line = waiting.lines.entry(named(key)).or_insert_with(|| {
            Arc::new(Line {
                newest: watch::Sender::new(0),
                looked: tokio::sync::Mutex::default(),
            })
        });
        Ok(Wait {
            line: Arc::clone(line),
            news: self,
            stick: stick.clone(),
            key: named(key),
            _turn: turn,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn tell(&self, generation: u64) {
        // What another saw earlier may come later.
        self.newest.send_if_modified(|newest| {
            let is_newer = generation > *newest;
            *newest = generation.max(*newest);
            is_newer
        });
    }
}

/// One that waits.
pub(crate) struct Wait<'n> {
    news: &'n News,
    line: Arc<Line>,
    stick: StickKey,
    key: (OwnerKey, LineName),
    _turn: OwnedSemaphorePermit,
}

impl Wait<'_> {
    /// The line's newest generation as soon as it is above `after`; what it is otherwise when the time is over, or the server ends.
    pub(crate) async fn newer(&self, database: &Database, after: u64, until: Instant) -> Answer<u64> {
        let mut newest = self.line.newest.subscribe();
        let mut ended = self.news.ended.clone();
        loop {
            self.look(database).await?;
            let found = *newest.borrow_and_update();
            if found > after || *ended.borrow() || Instant::now() >= until {
                return Ok(found);
            }
            let next = (Instant::now() + LOOK_EACH).min(until);
            tokio::select! {
                _ = newest.changed() => {}
                _ = ended.wait_for(|ended| *ended) => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn look(&self, database: &Database) -> Answer<()> {
        let mut looked = self.line.looked.lock().await;
        if looked.is_some_and(|at| at.elapsed() < LOOK_EACH) {
            return Ok(());
        }
        let key = LineKey {
            owner: &self.key.0,
            line: &self.key.1,
        };
        self.line.tell(points::newest_generation(database, &key).await?);
        *looked = Some(Instant::now());
        Ok(())
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waiting = self.news.lock();
        if let Some(of_stick) = waiting.sticks.get_mut(&self.stick) {
            *of_stick -= 1;
            if *of_stick == 0 {
                waiting.sticks.remove(&self.stick);
            }
        }
        // The map's and ours: nobody else waits for it.
        if Arc::strong_count(&self.line) == 2 {
            waiting.lines.remove(&self.key);
        }
    }
}

fn named(key: &LineKey<'_>) -> (OwnerKey, LineName) {
    (key.owner.clone(), key.line.clone())
}

fn later() -> Refusal {
    let text = "too many wait already; what there is can be asked for without waiting";
    Refusal::new(Code::RequestTooMany, text).retry_after(LATER_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gobag_protocol::ids::{BundleId, TenantName};

    fn stick(number: u8) -> StickKey {
        StickKey {
            tenant: TenantName::parse("acme").unwrap(),
            bundle: BundleId([number; 16]),
        }
    }

    #[test]
    fn so_many_wait_of_one_stick_and_in_all_and_nothing_is_left_of_them() {
        let (_end, ended) = watch::channel(false);
        let news = News::new(MAX_WAITS + 1, ended);
        let line = LineName::parse("files").unwrap();
        let owner = stick(9);
        let key = LineKey {
            owner: &owner,
            line: &line,
        };
        let mut waits: Vec<Wait<'_>> = (0..MAX_WAITS)
            .map(|_| news.wait(&stick(1), &key).unwrap())
            .collect();
        assert!(news.wait(&stick(1), &key).is_err(), "of one stick");
        let other = news.wait(&stick(2), &key).unwrap();
        assert!(news.wait(&stick(3), &key).is_err(), "in all");
        assert_eq!(news.len(), MAX_WAITS + 1);
        waits.pop();
        waits.push(news.wait(&stick(1), &key).unwrap());
        drop((waits, other));
        assert_eq!(news.len(), 0);
        assert!(news.lock().lines.is_empty() && news.lock().sticks.is_empty());
    }
}
