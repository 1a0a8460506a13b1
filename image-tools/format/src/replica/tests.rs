//! What sealing promises, and that decoders take nothing that writers do not make.

use proptest::prelude::*;

use super::*;
use crate::{
    crypto::Key,
    digest::Digest,
    header::LogGeometry,
    ids::{BundleId, PointId, VolumeId},
    limits::BLOCK_LEN,
    log::{UnitDecoder, UnitEncoder},
    memory::Moment,
    sign::SigningKey,
};

const BUNDLE: BundleId = BundleId([7; 16]);
const POINT: PointId = PointId([2; 16]);

fn keys() -> ReplicaKeys {
    ReplicaKeys::of_bundle(&Key::from_bytes([1; 32]))
}

fn stick() -> SigningKey {
    SigningKey::from_seed(&Key::from_bytes([4; 32]))
}

fn head() -> ReplicaHead {
    ReplicaHead {
        format: ReplicaHead::format(),
        bundle: BUNDLE,
        user: "Ada".to_owned(),
        point: POINT,
        complete: true,
        copied: true,
        moment: Moment::default(),
        taken_s: 5,
        volumes: Vec::new(),
        images: Vec::new(),
        log: LogGeometry::plan(100, 100, 128 << 10),
        escrow: Some(Digest([3; 32])),
        layers: Vec::new(),
    }
}

/// Runs in order, from gaps, lengths and targets.
fn runs(parts: &[(u8, u64, u64, u8)]) -> Vec<IndexRun> {
    let (mut volume, mut at) = (0, 0);
    let run = |&(step, gap, blocks, target): &(u8, u64, u64, u8)| {
        if step > 0 {
            (volume, at) = (volume + step, 0);
        }
        let first_block = at + gap;
        at = first_block + blocks;
        let target = match target {
            0 => Target::Zero,
            1 => Target::Base,
            number => Target::Pack(Digest([number; 32])),
        };
        IndexRun {
            volume: VolumeId(volume),
            first_block,
            blocks,
            target,
        }
    };
    parts.iter().map(run).collect()
}

/// What each run says of each of its blocks.
fn spread(runs: &[IndexRun]) -> Vec<(VolumeId, u64, Target)> {
    let blocks = runs
        .iter()
        .flat_map(|run| (run.first_block..run.end()).map(|block| (run.volume, block, run.target)));
    blocks.collect()
}

#[test]
fn the_same_content_has_the_same_bytes_for_one_point_of_one_stick_only_and_opens_as_what_it_is() {
    let other = ReplicaKeys::of_bundle(&Key::from_bytes([2; 32]));
    let sealed = keys().seal(Kind::Pack, POINT, b"work");
    assert_eq!(sealed, keys().seal(Kind::Pack, POINT, b"work"));
    assert_ne!(sealed, keys().seal(Kind::Pack, PointId([3; 16]), b"work"));
    assert_ne!(sealed, other.seal(Kind::Pack, POINT, b"work"));
    assert_eq!(sealed.len(), 4 + SEALING_LEN);
    assert_eq!(keys().open(Kind::Pack, sealed.clone()).unwrap()[..], *b"work");
    for kind in [Kind::Index, Kind::Head, Kind::Label] {
        assert_eq!(
            keys().open(kind, sealed.clone()).err(),
            Some(ReplicaError::Damaged)
        );
        assert_ne!(keys().seal(kind, POINT, b"work")[..32], sealed[..32]);
    }
    assert!(other.open(Kind::Pack, sealed.clone()).is_err());
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        assert!(keys().open(Kind::Pack, altered).is_err(), "byte {at}");
        assert!(keys().open(Kind::Pack, sealed[..at].to_vec()).is_err());
    }
}

#[test]
fn a_pack_gives_back_its_blocks_and_finds_them() {
    let (mut encoder, mut decoder) = (UnitEncoder::new(), UnitDecoder::new());
    let mut writer = ChangePackWriter::default();
    for (volume, first, blocks) in [(0, 3, 2), (0, 5, 16), (0, 40, 1), (2, 0, 1)] {
        let data = vec![volume + blocks; usize::from(blocks) * BLOCK_LEN];
        writer.push(VolumeId(volume), first, blocks, encoder.encode(&data));
    }
    let pack = ChangePack::decode(writer.finish()).unwrap();
    assert!(writer.is_empty());
    for (volume, block, fill) in [
        (0, 3, Some(2)),
        (0, 4, Some(2)),
        (0, 20, Some(16)),
        (2, 0, Some(3)),
    ] {
        let unit = pack.find(VolumeId(volume), block);
        let first = unit.map(|unit| decoder.decode(pack.payload(unit)).unwrap()[0]);
        assert_eq!(first, fill, "{volume} {block}");
    }
    for (volume, block) in [(0, 2), (0, 21), (0, 39), (0, 41), (1, 0), (1, 3), (2, 1), (3, 0)] {
        assert_eq!(pack.find(VolumeId(volume), block), None, "{volume} {block}");
    }
}

#[test]
fn a_pack_whose_units_overlap_or_do_not_fill_it_is_none() {
    let unit = |first: u64, blocks: u8| (VolumeId(1), first, blocks);
    let pack = |units: &[(VolumeId, u64, u8)], more: &[u8]| {
        let mut writer = ChangePackWriter::default();
        for &(volume, first, blocks) in units {
            writer.push(volume, first, blocks, Wiped::new(vec![0; 2]));
        }
        let mut plain = writer.finish();
        plain.extend_from_slice(more);
        ChangePack::decode(plain).map(|pack| pack.units().len())
    };
    assert_eq!(pack(&[unit(0, 2), unit(2, 1)], &[]), Ok(2));
    assert_eq!(pack(&[], &[]), Ok(0));
    for units in [
        [unit(0, 3), unit(2, 1)],
        [unit(2, 1), unit(0, 1)],
        [unit(0, 0), unit(2, 1)],
        [unit(0, 17), unit(20, 1)],
        [unit(0, 1), unit(1 << 32, 1)],
        [unit(0, 1), unit(u64::MAX, 1)],
    ] {
        assert_eq!(pack(&units, &[]), Err(ReplicaError::Damaged), "{units:?}");
    }
    assert!(pack(&[unit(0, 1)], &[0]).is_err());
    assert!(ChangePack::decode(Wiped::new(vec![0xff; 4])).is_err());
}

#[test]
fn an_index_that_is_longer_than_it_need_be_or_promises_more_than_it_has_is_none() {
    let part = |runs: &[u8]| {
        let mut plain = vec![0; 4];
        plain.extend_from_slice(&1u32.to_le_bytes());
        plain.extend_from_slice(runs);
        IndexPart::decode(&plain)
    };
    assert!(part(&[1, 5, 1, 0]).is_ok());
    for bad in [
        &[1, 5, 0, 0][..],
        &[1, 5, 1, 2],
        &[1, 0x85, 0, 1, 0],
        &[1, 5, 1],
        &[1, 5, 1, 0, 0],
        &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, 0],
        &[1, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 0],
    ] {
        assert_eq!(part(bad), Err(ReplicaError::Damaged), "{bad:?}");
    }
    let mut many = vec![0; 4];
    many.extend_from_slice(&u32::MAX.to_le_bytes());
    assert!(IndexPart::decode(&many).is_err());
    assert!(IndexPart::decode(&[0xff; 8]).is_err());
}

#[test]
fn a_head_opens_for_its_stick_and_names_the_way_to_its_key() {
    let sealed = head().seal(&keys(), &stick());
    assert_eq!(ReplicaHead::escrow_of(&sealed), Some(Digest([3; 32])));
    assert_eq!(
        ReplicaHead::open(&keys(), BUNDLE, Some(&stick().verifying_key()), &sealed).unwrap(),
        head()
    );
    assert!(ReplicaHead::open(&keys(), BundleId([8; 16]), None, &sealed).is_err());
    // Who has the keys and is not the stick.
    let other = SigningKey::from_seed(&Key::from_bytes([5; 32]));
    let forged = head().seal(&keys(), &other);
    let opened = ReplicaHead::open(&keys(), BUNDLE, Some(&stick().verifying_key()), &forged);
    assert_eq!(opened.err(), Some(ReplicaError::NotTheStick));
    assert!(ReplicaHead::open(&keys(), BUNDLE, None, &forged).is_ok());
    let mut other_escrow = sealed.clone();
    other_escrow[0] ^= 1;
    assert!(ReplicaHead::open(&keys(), BUNDLE, Some(&stick().verifying_key()), &other_escrow).is_err());
    let without = ReplicaHead {
        escrow: None,
        ..head()
    }
    .seal(&keys(), &stick());
    assert_eq!(ReplicaHead::escrow_of(&without), None);
    assert!(ReplicaHead::open(&keys(), BUNDLE, Some(&stick().verifying_key()), &without).is_ok());
    assert!(ReplicaHead::open(&keys(), BUNDLE, Some(&stick().verifying_key()), &sealed[..20]).is_err());
}

#[test]
fn a_later_format_is_said_and_later_fields_are_not_minded() {
    let mut json = serde_json::to_value(head()).unwrap();
    json["moon"] = 3.into();
    let seal = |json: &serde_json::Value| {
        let mut out = vec![3; 32];
        let mut signed = stick().sign("replica head", json.to_string().as_bytes()).to_vec();
        signed.extend_from_slice(json.to_string().as_bytes());
        out.append(&mut keys().seal(Kind::Head, POINT, &signed));
        out
    };
    assert!(ReplicaHead::open(&keys(), BUNDLE, Some(&stick().verifying_key()), &seal(&json)).is_ok());
    json["format"] = 2.into();
    json["layers"] = "in another form".into();
    assert_eq!(
        ReplicaHead::open(&keys(), BUNDLE, Some(&stick().verifying_key()), &seal(&json)).err(),
        Some(ReplicaError::Newer)
    );
}

proptest! {
    #[test]
    fn an_index_says_of_each_block_what_it_was_told(
        parts in prop::collection::vec((0u8..2, 0u64..1000, 1u64..1000, 0u8..6), 0..60)
    ) {
        let runs = runs(&parts);
        let mut writer = IndexWriter::default();
        runs.iter().for_each(|run| writer.push(*run));
        prop_assert_eq!(writer.first(), runs.first().map(|run| (run.volume, run.first_block)));
        let bound = writer.len();
        let (plain, count) = writer.finish();
        prop_assert!(plain.len() <= bound && writer.is_empty());
        let part = IndexPart::decode(&plain).unwrap();
        prop_assert_eq!(part.runs.len(), count as usize);
        prop_assert_eq!(spread(&part.runs), spread(&runs));
        for len in 0..plain.len() {
            prop_assert!(IndexPart::decode(&plain[..len]).is_err());
        }
    }
}
