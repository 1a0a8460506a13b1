//! What the company's server gives back of a replica, behind its seal: change packs, index parts, heads.

use gobag_format::{
    digest::Digest,
    header::{LogGeometry, VolumeRole},
    ids::{ImageId, PointId, VolumeId},
    limits::BLOCK_LEN,
    log::{UnitDecoder, UnitEncoder},
    memory::Moment,
    replica::{
        ChangePack, ChangePackWriter, HeadImage, HeadLayer, HeadPart, HeadVolume, IndexPart, IndexRun,
        IndexWriter, Kind, ReplicaHead, ReplicaKeys, Target,
    },
    sign::SigningKey,
    wiped::Wiped,
};

use crate::fixture::{BUNDLE, key};

const POINT: PointId = PointId([6; 16]);

/// A pack: units lie inside it, and are written as they were read.
pub(super) fn pack(input: &[u8]) {
    let Ok(pack) = ChangePack::decode(Wiped::new(input.to_vec())) else {
        return;
    };
    let mut writer = ChangePackWriter::default();
    let mut decoder = UnitDecoder::new();
    for unit in pack.units() {
        let found = pack.find(unit.volume, unit.first_block);
        assert_eq!(found, Some(unit), "a unit is found by its first block");
        let payload = pack.payload(unit);
        // Whatever it says.
        let _ = decoder.decode(payload);
        writer.push(
            unit.volume,
            unit.first_block,
            unit.blocks,
            Wiped::new(payload.to_vec()),
        );
    }
    assert_eq!(*writer.finish(), input, "written as read");
}

pub(super) fn packs() -> Vec<Vec<u8>> {
    let mut encoder = UnitEncoder::new();
    let mut writer = ChangePackWriter::default();
    for (volume, first, blocks) in [(0, 3, 2), (0, 8, 1), (4, 0, 3)] {
        let data = vec![volume; usize::from(blocks) * BLOCK_LEN];
        writer.push(VolumeId(volume), first, blocks, encoder.encode(&data));
    }
    vec![
        writer.finish().to_vec(),
        ChangePackWriter::default().finish().to_vec(),
    ]
}

/// An index part: runs in order, none over another, and the same when written again.
pub(super) fn index(input: &[u8]) {
    let Ok(part) = IndexPart::decode(input) else {
        return;
    };
    let mut writer = IndexWriter::default();
    let mut last = (VolumeId(0), 0);
    for run in &part.runs {
        assert!(last <= (run.volume, run.first_block) && run.blocks > 0);
        last = (run.volume, run.end());
        writer.push(*run);
    }
    let (again, _) = writer.finish();
    let again = IndexPart::decode(&again).expect("what was written is read");
    assert_eq!(joined(&again.runs), joined(&part.runs));
}

/// Runs, neighbours with one target as one.
fn joined(runs: &[IndexRun]) -> Vec<IndexRun> {
    let mut joined: Vec<IndexRun> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last)
                if (last.volume, last.end(), last.target) == (run.volume, run.first_block, run.target) =>
            {
                last.blocks += run.blocks;
            }
            _ => joined.push(*run),
        }
    }
    joined
}

pub(super) fn indexes() -> Vec<Vec<u8>> {
    let mut writer = IndexWriter::default();
    let targets = [
        Target::Zero,
        Target::Pack(Digest([5; 32])),
        Target::Base,
        Target::Pack(Digest([7; 32])),
    ];
    for (nth, target) in (0u8..).zip(targets) {
        writer.push(IndexRun {
            volume: VolumeId(nth / 2),
            first_block: u64::from(nth) * 1000,
            blocks: u64::from(nth) * 100 + 1,
            target,
        });
    }
    vec![writer.finish().0, IndexWriter::default().finish().0]
}

/// A head's JSON, which gets a right seal: it is the same when sealed again.
pub(super) fn head(input: &[u8]) {
    let keys = ReplicaKeys::of_bundle(&key(1));
    // As if there were no escrow file: what the JSON says of one has to agree.
    let mut sealed = vec![0; 32];
    let stick = SigningKey::from_seed(&key(2));
    let mut signed = stick.sign("replica head", input).to_vec();
    signed.extend_from_slice(input);
    sealed.append(&mut keys.seal(Kind::Head, POINT, &signed));
    let Ok(head) = ReplicaHead::open(&keys, BUNDLE, Some(&stick.verifying_key()), &sealed) else {
        return;
    };
    let again =
        ReplicaHead::open(&keys, BUNDLE, None, &head.seal(&keys, &stick)).expect("what was written is read");
    assert_eq!(again, head);
}

pub(super) fn heads() -> Vec<Vec<u8>> {
    let image = ImageId([9; 16]);
    let part = |first_block| HeadPart {
        id: Digest([4; 32]),
        volume: VolumeId(1),
        first_block,
    };
    let head = ReplicaHead {
        format: ReplicaHead::format(),
        bundle: BUNDLE,
        user: "Ada".to_owned(),
        point: POINT,
        complete: true,
        copied: true,
        moment: Moment::default(),
        taken_s: 7,
        volumes: vec![HeadVolume {
            id: VolumeId(1),
            role: VolumeRole::System { image, volume: 0 },
            size_bytes: 1 << 30,
        }],
        images: vec![HeadImage {
            id: image,
            name: "office".to_owned(),
            version: 3,
        }],
        log: LogGeometry::plan(100, 100, 128 << 10),
        escrow: None,
        layers: vec![HeadLayer {
            runs: 2,
            parts: vec![part(0), part(70)],
        }],
    };
    vec![serde_json::to_vec(&head).expect("plain fields always serialise")]
}
