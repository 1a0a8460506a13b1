//! Invariant I6: a key and nonce never seal two different things.
//!
//! The store seals with positions as nonces under a key drawn afresh for each use of a segment or checkpoint
//! area. From outside that means: a use begins with a head at offset 0 whose first 32 bytes, the salt, never
//! come again; within a use no byte is written twice with different content; and nobody continues a use in
//! which a write or flush failed, or that another program began. Whoever breaks one of these panics here.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use gobag_bundle::medium::FileRef;

const SALT_LEN: usize = 32;

/// Every salt ever seen; shared by all copies of a medium, whose worlds draw from one source of randomness.
pub(super) type Salts = Arc<Mutex<HashSet<[u8; SALT_LEN]>>>;

/// One use of a segment or checkpoint area.
#[derive(Clone)]
pub(super) struct Use {
    session: u64,
    failed: bool,
    written: Vec<(u64, Arc<[u8]>)>,
}

impl Use {
    /// Looks at a write before it happens.
    pub(super) fn check(
        current: &mut Option<Arc<Self>>,
        salts: &Salts,
        file: FileRef,
        session: u64,
        offset: u64,
        data: &[u8],
    ) {
        if !matches!(file, FileRef::Segment(_) | FileRef::Checkpoint(_)) {
            return;
        }
        if offset == 0 {
            let salt = data
                .first_chunk()
                .unwrap_or_else(|| panic!("{file}: head without a salt"));
            let fresh = salts.lock().unwrap_or_else(PoisonError::into_inner).insert(*salt);
            assert!(fresh, "I6: {file}: a salt is used a second time");
            *current = Some(Arc::new(Self {
                session,
                failed: false,
                written: Vec::new(),
            }));
        }
        let current = current
            .as_mut()
            .unwrap_or_else(|| panic!("I6: {file}: written at {offset} before it has a head"));
        assert!(
            current.session == session,
            "I6: {file}: a use is continued by another program"
        );
        assert!(!current.failed, "I6: {file}: a use is continued after an error");
        for (at, before) in &current.written {
            let (from, upto) = (
                offset.max(*at),
                (offset + data.len() as u64).min(at + before.len() as u64),
            );
            assert!(
                from >= upto
                    || before[(from - at) as usize..(upto - at) as usize]
                        == data[(from - offset) as usize..(upto - offset) as usize],
                "I6: {file}: bytes {from}..{upto} are written twice in one use"
            );
        }
        Arc::make_mut(current).written.push((offset, data.into()));
    }

    /// Notes that a write or flush failed.
    pub(super) fn poison(current: &mut Option<Arc<Self>>) {
        if let Some(current) = current {
            Arc::make_mut(current).failed = true;
        }
    }
}
