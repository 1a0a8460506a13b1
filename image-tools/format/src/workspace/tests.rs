//! What is written is read again, and nothing else is.

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::ids::{PointId, WorkspaceId};

fn keys() -> WorkspaceKeys {
    WorkspaceKeys::of(&Key::from_bytes([7; 32]))
}

fn blob() -> impl Strategy<Value = BlobRef> {
    (0_u8..4, 0_u32..4_000_000, 17_u32..70_000, any::<[u8; 16]>()).prop_map(|(pack, offset, len, name)| {
        BlobRef {
            pack: Digest([pack; 32]),
            offset,
            len,
            name: BlobName(name),
        }
    })
}

fn kind() -> impl Strategy<Value = EntryKind> {
    let body = prop_oneof![
        blob().prop_map(Body::Piece),
        (0_u8..=12, blob()).prop_map(|(level, blob)| Body::List(level, blob)),
    ];
    let mtime = (any::<i64>(), 0_u32..1_000_000_000);
    let file = (
        any::<bool>(),
        any::<u64>(),
        any::<[u8; 32]>(),
        mtime,
        0_u32..0o1000,
        body,
    );
    prop_oneof![
        Just(EntryKind::Folder),
        vec(any::<u8>(), 0..40).prop_map(EntryKind::Link),
        file.prop_map(|(executable, len, content, mtime, mode, body)| EntryKind::File {
            executable,
            len,
            content,
            mtime,
            mode,
            body: if len == 0 { Body::Empty } else { body },
        }),
    ]
}

fn leaf() -> impl Strategy<Value = Leaf> {
    proptest::collection::btree_map(vec(any::<u8>(), 1..30), kind(), 1..20).prop_map(|entries| Leaf {
        entries: entries
            .into_iter()
            .map(|(key, kind)| Entry { key, kind })
            .collect(),
    })
}

const OWN: Digest = Digest([9; 32]);

fn resolved(mut blob: BlobRef) -> BlobRef {
    if blob.pack == THIS_PACK {
        blob.pack = OWN;
    }
    blob
}

proptest! {
    #[test]
    fn a_leaf_is_what_was_written(mut leaf in leaf()) {
        let read = Leaf::decode(&leaf.encode(), OWN).unwrap();
        for entry in &mut leaf.entries {
            if let EntryKind::File { body: Body::Piece(blob) | Body::List(_, blob), .. } = &mut entry.kind {
                *blob = resolved(*blob);
            }
        }
        prop_assert_eq!(read, leaf);
    }

    #[test]
    fn nodes_and_lists_are_what_was_written(
        firsts in proptest::collection::btree_map(vec(any::<u8>(), 1..30), (0_u64..1 << 40, blob()), 1..20),
        parts in vec((1_u64..1 << 40, blob()), 1..20),
        packs in vec(any::<[u8; 32]>(), 0..5),
        older in option::of(blob()),
    ) {
        let children = firsts.into_iter().map(|(first, (entries, blob))| NodeChild { first, entries, blob: resolved(blob) });
        let node = Node { children: children.collect() };
        prop_assert_eq!(&Node::decode(&node.encode(3), OWN, 3).unwrap(), &node);
        prop_assert!(Node::decode(&node.encode(3), OWN, 2).is_err());
        let parts = parts.into_iter().map(|(len, blob)| Part { len, blob: resolved(blob) });
        let list = PartList { level: 1, parts: parts.collect() };
        prop_assert_eq!(&PartList::decode(&list.encode(), OWN, 1).unwrap(), &list);
        let list = PackList { packs: packs.into_iter().map(Digest).collect(), older: older.map(resolved) };
        prop_assert_eq!(&PackList::decode(&list.encode(), OWN).unwrap(), &list);
    }

    #[test]
    fn a_list_of_points_is_what_was_written(
        first in 1_u64..1 << 40,
        points in vec(any::<[u8; 16]>(), 1..20),
        older in option::of(blob()),
    ) {
        let list = PointList { first, points: points.into_iter().map(PointId).collect(), older: older.map(resolved) };
        prop_assert_eq!(&PointList::decode(&list.encode(), OWN).unwrap(), &list);
    }

    #[test]
    fn no_bytes_are_too_odd_to_be_refused(bytes in vec(any::<u8>(), 0..200), level in 0_u8..15) {
        let _ = Leaf::decode(&bytes, OWN);
        let _ = Node::decode(&bytes, OWN, level);
        let _ = PartList::decode(&bytes, OWN, level);
        let _ = PackList::decode(&bytes, OWN);
        let _ = PointList::decode(&bytes, OWN);
    }

    #[test]
    fn an_altered_blob_does_not_open(plain in vec(any::<u8>(), 0..300), at: prop::sample::Index, bit in 0_u8..8) {
        let keys = keys();
        let name = keys.name(BlobKind::Data, &plain);
        let sealed = keys.seal(BlobKind::Data, &name, &plain);
        prop_assert_eq!(keys.open(BlobKind::Data, &name, sealed.clone()).unwrap(), plain);
        prop_assert!(keys.open(BlobKind::List, &name, sealed.clone()).is_err());
        let other = keys.name(BlobKind::Data, b"other");
        prop_assert!(keys.open(BlobKind::Data, &other, sealed.clone()).is_err());
        let mut altered = sealed;
        let at = at.index(altered.len());
        altered[at] ^= 1_u8 << bit;
        prop_assert!(keys.open(BlobKind::Data, &name, altered).is_err());
    }
}

#[test]
fn what_can_be_shortened_is_and_no_bomb_opens() {
    let keys = keys();
    let text = b"the same again ".repeat(1000);
    let name = keys.name(BlobKind::Data, &text);
    assert!(keys.seal(BlobKind::Data, &name, &text).len() < text.len() / 10);
    let bomb = bulk::compress(&vec![0; MAX_BLOB_LEN + 1], LEVEL).unwrap();
    let mut sealed = [&[CODEC_ZSTD], &bomb[..]].concat();
    keys.cipher(BlobKind::Data, &name)
        .seal(position_nonce(0, 0), &[], &mut sealed, 0);
    assert_eq!(keys.open(BlobKind::Data, &name, sealed), Err(BlobError::Damaged));
}

#[test]
fn a_head_is_of_one_workspace_and_a_later_format_is_said() {
    let keys = keys();
    let mut head = WorkspaceHead {
        format: WorkspaceHead::format(),
        workspace: WorkspaceId([1; 16]),
        generation: 5,
        point: PointId([2; 16]),
        by: "Ada".to_owned(),
        tree_level: 1,
        tree: Some(PackedIn::from(BlobRef {
            pack: OWN,
            offset: 3,
            len: 40,
            name: BlobName([4; 16]),
        })),
        packs: vec![OWN],
        older_packs: None,
        points: vec![PointId([5; 16]), PointId([6; 16])],
        older_points: None,
        sweep_in: Some(7),
    };
    let sealed = head.seal(&keys);
    let read = WorkspaceHead::open(&keys, head.workspace, &sealed).unwrap();
    assert_eq!(read, head);
    assert_eq!(read.tree.unwrap().blob().unwrap().name, BlobName([4; 16]));
    assert!(WorkspaceHead::open(&keys, WorkspaceId([3; 16]), &sealed).is_err());
    assert!(WorkspaceHead::open(&keys, head.workspace, &sealed[1..]).is_err());
    head.format += 1;
    let later = head.seal(&keys);
    assert_eq!(
        WorkspaceHead::open(&keys, head.workspace, &later),
        Err(BlobError::Newer)
    );
}

#[test]
fn what_would_come_to_no_end_is_refused() {
    let blob = BlobRef {
        pack: OWN,
        offset: 0,
        len: 40,
        name: BlobName([4; 16]),
    };
    let list = |parts| PartList { level: 1, parts }.encode();
    for parts in [Vec::new(), vec![Part { len: 0, blob }]] {
        assert!(PartList::decode(&list(parts), OWN, 1).is_err());
    }
    assert!(Leaf::decode(&Leaf::default().encode(), OWN).is_err());
    assert!(Node::decode(&Node::default().encode(1), OWN, 1).is_err());
    let entries = (0..=crate::limits::MAX_PAGE_ENTRIES as u32).map(|at| Entry {
        key: at.to_be_bytes().to_vec(),
        kind: EntryKind::Folder,
    });
    let leaf = Leaf {
        entries: entries.collect(),
    };
    assert!(Leaf::decode(&leaf.encode(), OWN).is_err());
}

#[test]
fn an_order_that_is_none_is_refused() {
    let entry = |key: &[u8]| Entry {
        key: key.to_vec(),
        kind: EntryKind::Folder,
    };
    for keys in [[b"b", b"a"], [b"a", b"a"]] {
        let leaf = Leaf {
            entries: keys.map(|key| entry(key)).to_vec(),
        };
        assert_eq!(Leaf::decode(&leaf.encode(), OWN), Err(BlobError::Damaged));
    }
}
