//! Sending packs while the next ones are filled.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use gobag_format::digest::Digest;

use crate::{NewHead, Store, StoreError, StoredHead, StoredPoint, limits};

/// A store that takes packs before they are there: they are on their way, two at a time, while whoever put them goes on. All are there before a point is published; that
/// one did not get there is told with a later call, and it is sent once more. Who does not wait for a point leaves them to themselves.
pub struct Ahead {
    store: Arc<dyn Store>,
    flying: Mutex<Flying>,
}

#[derive(Default)]
struct Flying {
    /// The first that was sent first.
    on_the_way: VecDeque<(Pack, JoinHandle<Result<(), StoreError>>)>,
    /// What did not get there.
    unsent: VecDeque<Pack>,
}

#[derive(Clone)]
struct Pack {
    id: Digest,
    bytes: Arc<Vec<u8>>,
}

impl Ahead {
    /// Sends to `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            flying: Mutex::default(),
        }
    }

    fn flying(&self) -> MutexGuard<'_, Flying> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flying {
    fn has(&self, id: Digest) -> bool {
        let mut packs = self.on_the_way.iter().map(|(pack, _)| pack).chain(&self.unsent);
        packs.any(|pack| pack.id == id)
    }

    fn send(&mut self, store: &Arc<dyn Store>, pack: Pack) -> Result<(), StoreError> {
        let (to, sent) = (Arc::clone(store), pack.clone());
        let sender = thread::Builder::new().name("send".to_owned());
        match sender.spawn(move || to.put(sent.id, &sent.bytes)) {
            Ok(sending) => {
                self.on_the_way.push_back((pack, sending));
                Ok(())
            }
            // Where there are no threads to be had, it waits.
            Err(_) => {
                let put = store.put(pack.id, &pack.bytes);
                put.inspect_err(|_| self.unsent.push_back(pack))
            }
        }
    }

    /// Waits until at most so many are on the way.
    fn wait(&mut self, most: usize) -> Result<(), StoreError> {
        while self.on_the_way.len() > most
            && let Some((pack, sending)) = self.on_the_way.pop_front()
        {
            match sending.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    self.unsent.push_back(pack);
                    return Err(error);
                }
                Err(panic) => {
                    self.unsent.push_back(pack);
                    std::panic::resume_unwind(panic);
                }
            }
        }
        Ok(())
    }

    /// Waits until all are there. Those that did not get there before are sent again.
    fn settle(&mut self, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        self.wait(0)?;
        while let Some(pack) = self.unsent.pop_front() {
            self.send(store, pack)?;
            self.wait(limits::PACKS_AHEAD - 1)?;
        }
        self.wait(0)
    }
}

impl Store for Ahead {
    fn newest(&self) -> Result<Option<StoredHead>, StoreError> {
        self.store.newest()
    }

    fn head(&self, generation: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.head(generation)
    }

    fn points(&self, before: Option<u64>) -> Result<Vec<StoredPoint>, StoreError> {
        self.store.points(before)
    }

    fn get(&self, pack: Digest, range: Option<Range<u32>>) -> Result<Vec<u8>, StoreError> {
        let mut flying = self.flying();
        if flying.has(pack) {
            flying.settle(&self.store)?;
        }
        drop(flying);
        self.store.get(pack, range)
    }

    fn missing(&self, packs: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        self.store.missing(packs)
    }

    fn put(&self, id: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let mut flying = self.flying();
        flying.wait(limits::PACKS_AHEAD - 1)?;
        let bytes = Arc::new(bytes.to_vec());
        flying.send(&self.store, Pack { id, bytes })
    }

    fn lets_go(&self) -> bool {
        self.store.lets_go()
    }

    fn publish(&self, new: &NewHead) -> Result<(), StoreError> {
        self.flying().settle(&self.store)?;
        self.store.publish(new)
    }
}
