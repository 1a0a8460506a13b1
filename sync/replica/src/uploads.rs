//! Objects on their way to the server: made by one thread, carried by several.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use crossbeam_channel::{Sender as Channel, bounded};
use gobag_format::digest::Digest;
use gobag_protocol::ids::ObjectId;

use crate::{
    error::SendError,
    remote::{Remote, RemoteError},
};

/// Objects that travel at once: enough to fill a line with a long way.
const CARRIERS: usize = 4;

/// What others see of a pass under way, and how they end it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of data that were taken from the stick.
    pub data_bytes: AtomicU64,
    /// Bytes that reached the server.
    pub sent_bytes: AtomicU64,
    /// Set by whoever wants the pass to end.
    pub stop: AtomicBool,
}

impl Progress {
    /// Fails once somebody asked to stop.
    pub(crate) fn go_on(&self) -> Result<(), SendError> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(SendError::Stopped),
            false => Ok(()),
        }
    }
}

/// Takes objects that are ready.
pub(crate) struct Uploads<'a> {
    channel: Channel<(ObjectId, Vec<u8>)>,
    ids: Vec<ObjectId>,
    progress: &'a Progress,
}

impl Uploads<'_> {
    /// Hands an object over; waits while too many travel.
    pub(crate) fn push(&mut self, sealed: Vec<u8>) -> Result<Digest, SendError> {
        self.progress.go_on()?;
        let id = ObjectId::of(&sealed);
        // No carrier takes any more when one has failed: the reason is known to `carry`.
        self.channel.send((id, sealed)).map_err(|_| SendError::Stopped)?;
        self.ids.push(id);
        Ok(id.0)
    }
}

/// Runs `make`, whose objects are carried to the server meanwhile; returns when all are there.
pub(crate) fn carry<T>(
    remote: &dyn Remote,
    progress: &Progress,
    make: impl FnOnce(&mut Uploads<'_>) -> Result<T, SendError>,
) -> Result<(T, Vec<ObjectId>), SendError> {
    let failed: Mutex<Option<RemoteError>> = Mutex::default();
    let made = thread::scope(|scope| {
        let (channel, objects) = bounded::<(ObjectId, Vec<u8>)>(CARRIERS);
        for _ in 0..CARRIERS {
            let (objects, failed) = (objects.clone(), &failed);
            scope.spawn(move || {
                for (id, sealed) in objects {
                    if failed.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                        return;
                    }
                    match remote.put(id, &sealed) {
                        Ok(()) => {
                            progress
                                .sent_bytes
                                .fetch_add(sealed.len() as u64, Ordering::Relaxed);
                        }
                        Err(error) => {
                            failed
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .get_or_insert(error);
                            return;
                        }
                    }
                }
            });
        }
        drop(objects);
        let mut uploads = Uploads {
            channel,
            ids: Vec::new(),
            progress,
        };
        make(&mut uploads).map(|made| (made, uploads.ids))
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error.into()),
        None => made,
    }
}
