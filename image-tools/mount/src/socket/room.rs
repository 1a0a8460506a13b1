//! Who is at the door: a bounded number of clients, and an end for each of them.
//!
//! On the loopback network anybody on this computer can connect. So who has not chosen a volume yet (and on the loopback
//! network, has not shown the secret) takes none of the places of those who have; and where too many stand and say
//! nothing, the one who has stood longest makes room.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::address::Stream;
use crate::Holder;

/// Clients served at the same time; QEMU has one for each disk, copying tools have several.
const MAX_SERVED: usize = 16;
/// Clients that may be choosing at the same time.
const MAX_CHOOSING: usize = 16;
/// Those who were sent away and have not left yet count as well.
const MAX_SEATS: usize = MAX_SERVED + 2 * MAX_CHOOSING;

/// How long a new client waits for those who were sent away and are still leaving.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// All clients of one door.
#[derive(Default)]
pub(super) struct Room {
    table: Mutex<Table>,
    changed: Condvar,
}

#[derive(Default)]
struct Table {
    last: u64,
    is_closed: bool,
    seats: BTreeMap<u64, Seat>,
}

struct Seat {
    stream: Arc<Stream>,
    standing: Standing,
}

#[derive(PartialEq)]
enum Standing {
    Choosing,
    /// Of the export with this name.
    Served(String),
    SentAway,
}

/// A client's place, which it leaves when this is dropped.
pub(super) struct Place {
    room: Arc<Room>,
    number: u64,
}

impl Room {
    /// Lets a client in to choose; `None` when it has to go at once.
    pub(super) fn enter(self: &Arc<Self>, stream: &Arc<Stream>) -> Option<Place> {
        let is_crowded = |table: &mut Table| {
            let mut seats = table.seats.values();
            !table.is_closed
                && seats.len() >= MAX_SEATS
                && seats.any(|seat| seat.standing == Standing::SentAway)
        };
        let left = self
            .changed
            .wait_timeout_while(self.lock(), LEAVE_WITHIN, is_crowded);
        let (mut table, _) = left.unwrap_or_else(PoisonError::into_inner);
        if table.is_closed || table.seats.len() >= MAX_SEATS {
            return None;
        }
        let mut choosing = table
            .seats
            .values_mut()
            .filter(|seat| seat.standing == Standing::Choosing);
        if let Some(longest) = choosing.next()
            && choosing.count() + 1 >= MAX_CHOOSING
        {
            longest.send_away();
        }
        table.last += 1;
        let number = table.last;
        let seat = Seat {
            stream: Arc::clone(stream),
            standing: Standing::Choosing,
        };
        table.seats.insert(number, seat);
        Some(Place {
            room: Arc::clone(self),
            number,
        })
    }

    /// Lets nobody in any more, or somebody again.
    pub(super) fn close(&self, close: bool) {
        self.lock().is_closed = close;
        self.changed.notify_all();
    }

    /// Waits until nobody is served or `deadline` has passed; tells which.
    pub(super) fn wait_for_last(&self, deadline: Instant) -> bool {
        self.wait(deadline, |table| {
            let mut seats = table.seats.values();
            seats.any(|seat| matches!(seat.standing, Standing::Served(_)))
        })
    }

    /// Sends everybody away, and waits for their threads until `deadline`; tells whether all have ended.
    pub(super) fn clear(&self, deadline: Instant) -> bool {
        self.lock().seats.values_mut().for_each(Seat::send_away);
        self.wait(deadline, |table| !table.seats.is_empty())
    }

    /// Those who are served and have not left.
    pub(super) fn holders(&self) -> Vec<Holder> {
        let table = self.lock();
        let mut holders: Vec<Holder> = table.seats.values().filter_map(Seat::holder).collect();
        holders.sort();
        holders.dedup();
        holders
    }

    fn wait(&self, deadline: Instant, is_waited_for: impl Fn(&Table) -> bool) -> bool {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |table| is_waited_for(table));
        let (table, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !is_waited_for(&table)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn send_away(&mut self) {
        self.stream.shut_down();
        self.standing = Standing::SentAway;
    }

    fn holder(&self) -> Option<Holder> {
        match &self.standing {
            Standing::Served(export) if !self.stream.is_left() => {
                Some(Holder::of(self.stream.process(), export.into()))
            }
            _ => None,
        }
    }
}

impl Place {
    /// The client has chosen; whether it may be served.
    pub(super) fn serve(&self, export: &str) -> bool {
        let mut table = self.room.lock();
        let served = table
            .seats
            .values()
            .filter(|seat| matches!(seat.standing, Standing::Served(_)))
            .count();
        let is_free = served < MAX_SERVED && !table.is_closed;
        match table.seats.get_mut(&self.number) {
            Some(seat) if is_free && seat.standing == Standing::Choosing => {
                seat.standing = Standing::Served(export.to_owned());
                true
            }
            _ => false,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let seat = self.room.lock().seats.remove(&self.number);
        if let Some(seat) = seat {
            // The thread that waits may still hold the connection; the client must see that it is over.
            seat.stream.shut_down();
        }
        self.room.changed.notify_all();
    }
}
