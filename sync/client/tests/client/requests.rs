//! Every request of a stick, as it is meant.

use std::{
    thread,
    time::{Duration, Instant},
};

use gobag_client::{Client, Memory, Options, UploadLimit};
use gobag_protocol::{
    bounded::Bounded,
    bytes::Sealed,
    error::Code,
    ids::{ObjectId, RequestId},
    limits::MAX_OBJECT_BYTES,
    points::{Bookmark, BookmarkKind, Part, Wanted},
};
use gobag_server::testing::Site;

use crate::site::{identity, nobody, point, stick, volumes};

#[test]
fn objects_go_there_and_come_back_whole_and_in_part() {
    let site = Site::start();
    let hello = nobody(&site).hello().unwrap();
    assert_eq!(hello.limits.object_bytes, MAX_OBJECT_BYTES);
    let stick = stick(&site);
    let large: Vec<u8> = (0..MAX_OBJECT_BYTES).map(|at| ((at * 31) >> 3) as u8).collect();
    let (id, other) = (ObjectId::of(&large), ObjectId::of(b"other"));
    assert_eq!(stick.missing(&[other, id]).unwrap(), [other, id]);
    stick.put(id, &large).unwrap();
    stick.put(id, &large).unwrap();
    assert_eq!(stick.missing(&[other, id]).unwrap(), [other]);
    assert!(stick.get(id).unwrap() == large);
    assert_eq!(
        stick.get_range(id, 1_000_000..1_000_010).unwrap(),
        large[1_000_000..1_000_010]
    );
    assert_eq!(stick.get_range(id, 7..7).unwrap(), b"");
    assert!(stick.get(other).unwrap_err().is_refused(Code::ObjectUnknown));
    // More ids than fit one request.
    let many: Vec<ObjectId> = (0..5000_u32).map(|n| ObjectId::of(&n.to_le_bytes())).collect();
    assert_eq!(stick.missing(&many).unwrap(), many);
}

#[test]
fn points_parts_and_bookmarks() {
    let site = Site::start();
    let stick = stick(&site);
    let (line, ids) = (volumes(), [b"a", b"b"].map(|bytes| ObjectId::of(bytes)));
    stick.put(ids[0], b"a").unwrap();
    let refused = stick.publish(&line, &point(1, &ids)).unwrap_err();
    let refused = refused.refused().unwrap();
    assert!(refused.is(Code::PointMissingObjects) && refused.ids == [ids[1]]);
    stick.put(ids[1], b"b").unwrap();
    let new = point(1, &ids[..1]);
    let part = Part {
        request: new.request,
        generation: 1,
        adds: Bounded::new(ids[1..].to_vec()).unwrap(),
        drops: Bounded::default(),
    };
    stick.part(&line, &part).unwrap();
    let made = stick.publish(&line, &new).unwrap();
    assert_eq!(stick.publish(&line, &new).unwrap(), made);
    let mut late = point(4, &[]);
    late.request = RequestId([9; 16]);
    let refused = stick.publish(&line, &late).unwrap_err();
    assert_eq!(refused.refused().unwrap().generation, Some(1));
    stick.publish(&line, &point(2, &[])).unwrap();
    let bookmark = Bookmark {
        kind: BookmarkKind::User,
        label: Sealed::new(b"before".to_vec()).unwrap(),
    };
    stick.bookmark(&line, 1, &bookmark).unwrap();
    let listed = stick.points(&line, &Wanted::default()).unwrap();
    assert_eq!(
        listed.iter().map(|point| point.generation).collect::<Vec<_>>(),
        [2, 1]
    );
    let wanted = Wanted {
        before: Some(2),
        before_s: Some(made.time_s),
        complete: Some(true),
        bookmark: Some(BookmarkKind::User),
        limit: Some(1),
        ..Wanted::default()
    };
    let before = stick.points(&line, &wanted).unwrap();
    assert_eq!((before.len(), before[0].added), (1, 2));
    let one = stick.point(&line, 1).unwrap();
    assert_eq!(one.head.as_ref().unwrap().as_slice(), b"sealed");
    assert_eq!(one.bookmarks, [bookmark]);
    // With its head only where that is asked for, and it is one.
    let head = |wanted: Wanted| {
        let wanted = Wanted {
            head: Some(true),
            ..wanted
        };
        stick.points(&line, &wanted).unwrap().remove(0)
    };
    assert_eq!(before[0].head, None);
    assert_eq!(head(wanted), one);
    assert_eq!(head(Wanted::default()).head, None);
}

#[test]
fn a_memory_is_never_written_over_one_that_was_not_seen() {
    let site = Site::start();
    let stick = stick(&site);
    assert_eq!(stick.memory().unwrap(), None);
    let tag = stick.put_memory(&[1; 256], None).unwrap();
    let memory = Memory {
        sealed: [1; 256],
        tag: tag.clone(),
    };
    assert_eq!(stick.memory().unwrap(), Some(memory));
    stick.put_memory(&[2; 256], Some(&tag)).unwrap();
    let error = stick.put_memory(&[3; 256], Some(&tag)).unwrap_err();
    assert!(error.is_refused(Code::MemoryChanged) && !error.is_transient());
    assert_eq!(stick.memory().unwrap().unwrap().sealed, [2; 256]);
}

#[test]
fn results_are_handed_over_as_they_are_kept() {
    let site = Site::start();
    let stick = stick(&site);
    stick
        .result(r#"{"payload":"AAAA","payloadType":"x","signatures":[]}"#)
        .unwrap();
    let error = stick.result(r#"{"payload":1}"#).unwrap_err();
    assert!(error.is_refused(Code::RequestMalformed));
}

#[test]
fn uploads_of_all_threads_keep_to_the_limit_together() {
    let site = Site::start();
    let options = Options {
        upload: UploadLimit::new(Some(400_000)),
    };
    let stick = Client::new(&site.address(), site.ca(), Some(&identity(&site)), options).unwrap();
    let begin = Instant::now();
    thread::scope(|scope| {
        for fill in 0..4 {
            let (stick, bytes) = (&stick, vec![fill; 100_000]);
            scope.spawn(move || stick.put(ObjectId::of(&bytes), &bytes).unwrap());
        }
    });
    // 400,000 bytes and four heads.
    assert!(
        begin.elapsed() >= Duration::from_millis(850),
        "{:?}",
        begin.elapsed()
    );
}
