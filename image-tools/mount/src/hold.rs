//! Requests that wait for a stick to come back.
//!
//! A virtual machine pauses itself when its disk fails. Other users of a mount cannot: an error would reach the file
//! system in the volume, which then turns read-only or loses what it was about to write. For them a mount can hold every
//! request that the medium did not answer, until the stick is back ([`Hold::release`]) or is not waited for any more
//! ([`Hold::give_up`]). To a program in a container the disk is slow, and nothing is lost.
//!
//! Held requests occupy event and spare threads (see [`crate::lanes`]); names and attributes are answered all the same.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use gobag_bundle::VolumeError;

/// Lets requests wait; shared between a mount and whoever brings the stick back.
#[derive(Default)]
pub struct Hold {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    releases: u64,
    gave_up: bool,
    held: usize,
}

impl Hold {
    /// Every held request is tried again; those that fail again are held again.
    pub fn release(&self) {
        self.lock().releases += 1;
        self.changed.notify_all();
    }

    /// Every held request fails, and from now on none is held.
    pub fn give_up(&self) {
        self.lock().gave_up = true;
        self.changed.notify_all();
    }

    /// How many requests wait now.
    pub fn held(&self) -> usize {
        self.lock().held
    }

    /// Calls `work` until it succeeds, fails for another reason than the medium, or is not waited for any more.
    /// `report` hears of each error.
    pub(crate) fn run(
        &self,
        mut work: impl FnMut() -> Result<(), VolumeError>,
        report: impl Fn(&VolumeError),
    ) -> Result<(), VolumeError> {
        loop {
            // Read before the attempt, so that a release during it is not missed.
            let releases = self.lock().releases;
            let error = match work() {
                Err(error @ VolumeError::Medium(_)) => error,
                other => return other.inspect_err(&report),
            };
            report(&error);
            let mut state = self.lock();
            state.held += 1;
            let waits = |state: &mut State| state.releases == releases && !state.gave_up;
            let waited = self.changed.wait_while(state, waits);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            state.held -= 1;
            if state.gave_up {
                return Err(error);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
