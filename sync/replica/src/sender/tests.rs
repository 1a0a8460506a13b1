//! How a point is offered to a server that forgets its parts.

use std::sync::Mutex;

use gobag_protocol::limits::MAX_POINT_IDS;

use super::*;
use crate::remote::Archive;
use crate::remote::StoredPoint;

/// A server that counts as ours does, and forgets its parts so many times.
#[derive(Default)]
struct Forgetful {
    parts: Mutex<Vec<Part>>,
    forgets: Mutex<u32>,
}

impl Archive for Forgetful {
    fn newest(&self) -> Result<Option<StoredPoint>, RemoteError> {
        Ok(None)
    }

    fn point(&self, _generation: u64) -> Result<Option<StoredPoint>, RemoteError> {
        Ok(None)
    }

    fn get(&self, id: ObjectId) -> Result<Vec<u8>, RemoteError> {
        Err(RemoteError::Missing { what: id.to_string() })
    }
}

impl Remote for Forgetful {
    fn put(&self, _id: ObjectId, _sealed: &[u8]) -> Result<(), RemoteError> {
        Ok(())
    }

    fn missing(&self, _ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError> {
        Ok(Vec::new())
    }

    fn part(&self, part: &Part) -> Result<(), RemoteError> {
        self.parts.lock().unwrap().push(part.clone());
        Ok(())
    }

    fn publish(&self, point: &NewPoint) -> Result<MadePoint, RemoteError> {
        let mut parts = self.parts.lock().unwrap();
        let mut forgets = self.forgets.lock().unwrap();
        if *forgets > 0 {
            *forgets -= 1;
            parts.clear();
        }
        let count = |own: &[ObjectId], of: fn(&Part) -> &Ids| {
            let parts = parts.iter().flat_map(|part| of(part).iter());
            Some(each_once(own.iter().chain(parts).copied().collect()).len() as u64)
        };
        let adds = count(&point.adds, |part| &part.adds);
        let drops = count(&point.drops, |part| &part.drops);
        match (adds, drops) == (point.all_adds, point.all_drops) {
            true => Ok(MadePoint {
                generation: point.generation,
                time_s: 0,
            }),
            false => Err(RemoteError::PartsMissing),
        }
    }
}

fn large_point() -> (Vec<Part>, NewPoint) {
    let request = RequestId([1; 16]);
    let ids = |count: usize, word: &str| -> Vec<ObjectId> {
        let ids = (0..count).map(|number| ObjectId::of(format!("{word} {number}").as_bytes()));
        each_once(ids.collect())
    };
    let (adds, drops) = (ids(2 * MAX_POINT_IDS + 7, "add"), ids(MAX_POINT_IDS + 3, "drop"));
    let (all_adds, all_drops) = (Some(adds.len() as u64), Some(drops.len() as u64));
    let (parts, adds, drops) = in_parts(request, 1, adds, drops).unwrap();
    let new = NewPoint {
        request,
        generation: 1,
        after: None,
        complete: true,
        head: Sealed::new(vec![0]).unwrap(),
        adds,
        drops,
        all_adds,
        all_drops,
        bookmarks: Bounded::default(),
    };
    (parts, new)
}

#[test]
fn parts_that_the_server_forgot_are_sent_again() {
    let (parts, new) = large_point();
    assert_eq!(parts.len(), 2);
    let server = Forgetful::default();
    *server.forgets.lock().unwrap() = 2;
    assert_eq!(offer(&server, &parts, &new).unwrap().generation, 1);
    assert_eq!(*server.parts.lock().unwrap(), parts);
}

#[test]
fn a_server_that_keeps_no_parts_is_not_asked_forever() {
    let (parts, new) = large_point();
    let server = Forgetful::default();
    *server.forgets.lock().unwrap() = u32::MAX;
    let error = offer(&server, &parts, &new).unwrap_err();
    assert_eq!(error.code(), "replica.parts-missing");
    assert!(error.is_transient());
    assert_eq!(*server.forgets.lock().unwrap(), u32::MAX - ATTEMPTS);
}
