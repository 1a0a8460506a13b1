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

use crate::{error::SendError, remote::Remote};

/// Objects that travel at once: enough to fill a line with a long way.
const CARRIERS: usize = 4;

/// What others see of a pass under way, and how they end it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of data in the pass.
    pub data_bytes: AtomicU64,
    /// Those of them that reached the server.
    pub done_bytes: AtomicU64,
    /// Bytes that reached it, as they were sealed.
    pub sent_bytes: AtomicU64,
    /// Set by whoever wants this pass and all others to end.
    pub stop: AtomicBool,
    /// Set by whoever wants this pass to end; whoever began it takes it back.
    pub pause: AtomicBool,
}

impl Progress {
    /// A pass of so many bytes of data begins.
    pub(crate) fn begin(&self, data_bytes: u64) {
        self.done_bytes.store(0, Ordering::Relaxed);
        self.sent_bytes.store(0, Ordering::Relaxed);
        self.data_bytes.store(data_bytes, Ordering::Relaxed);
    }

    /// Fails once somebody asked to stop.
    pub(crate) fn go_on(&self) -> Result<(), SendError> {
        match self.stop.load(Ordering::Relaxed) || self.pause.load(Ordering::Relaxed) {
            true => Err(SendError::Stopped),
            false => Ok(()),
        }
    }
}

/// An object on its way.
struct Object {
    id: ObjectId,
    sealed: Vec<u8>,
    /// Bytes of the stick's data in it.
    data_bytes: u64,
}

/// Takes objects that are ready.
pub(crate) struct Uploads<'a> {
    channel: Channel<Object>,
    ids: Vec<ObjectId>,
    progress: &'a Progress,
}

impl Uploads<'_> {
    /// Hands an object over; waits while too many travel.
    pub(crate) fn push(&mut self, sealed: Vec<u8>) -> Result<Digest, SendError> {
        self.push_data(sealed, 0)
    }

    /// The same for one that holds so many bytes of the stick's data.
    pub(crate) fn push_data(&mut self, sealed: Vec<u8>, data_bytes: u64) -> Result<Digest, SendError> {
        self.progress.go_on()?;
        let id = ObjectId::of(&sealed);
        let object = Object {
            id,
            sealed,
            data_bytes,
        };
        // No carrier takes any more when one has failed: the reason is known to `carry`.
        self.channel.send(object).map_err(|_| SendError::Stopped)?;
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
    let failed: Mutex<Option<SendError>> = Mutex::default();
    let made = thread::scope(|scope| {
        let (channel, objects) = bounded::<Object>(CARRIERS);
        for _ in 0..CARRIERS {
            let (objects, failed) = (objects.clone(), &failed);
            scope.spawn(move || {
                for object in objects {
                    if failed.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                        return;
                    }
                    let put = || Ok(remote.put(object.id, &object.sealed)?);
                    match progress.go_on().and_then(|()| put()) {
                        Ok(()) => {
                            let sent_bytes = object.sealed.len() as u64;
                            progress.sent_bytes.fetch_add(sent_bytes, Ordering::Relaxed);
                            progress
                                .done_bytes
                                .fetch_add(object.data_bytes, Ordering::Relaxed);
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
        Some(error) => Err(error),
        None => made,
    }
}
