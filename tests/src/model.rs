//! What a store must hold: the exact content after every acknowledged operation.
//!
//! History is a list of steps (a block got a new content) with marks, the points, at which a crash may leave the
//! volumes. An operation that the store does in several parts, each acknowledged to itself, has a point after
//! each. [`Model::locate`] says at which point what was read back stands; `None` is a mixture, or a lie.

use gobag_format::limits::BLOCK_LEN;

use crate::rng::hash;

/// Something done to a volume, named by its position among the volumes.
#[derive(Debug, Clone)]
pub enum Op {
    /// Write.
    Write {
        /// Volume.
        volume: usize,
        /// First byte.
        offset: u64,
        /// Bytes.
        data: Vec<u8>,
    },
    /// Let a range read as zero.
    Trim {
        /// Volume.
        volume: usize,
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
    },
    /// Back to the base.
    Reset {
        /// Volume.
        volume: usize,
    },
    /// Make everything durable.
    Flush,
}

/// The content of one volume as it was read back; a block that answered "damaged" has no hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The bytes; zeros where damaged.
    pub content: Vec<u8>,
    /// The hash of each block.
    pub hashes: Vec<Option<u64>>,
}

/// See the module's documentation.
#[derive(Clone)]
pub struct Model {
    volumes: Vec<Volume>,
    steps: Vec<Step>,
    /// Numbers of steps after which a crash may leave the volumes; the first is 0.
    points: Vec<usize>,
    floor: usize,
    span: usize,
}

#[derive(Clone)]
struct Volume {
    content: Vec<u8>,
    pristine: Vec<u8>,
    start: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Step {
    volume: usize,
    block: usize,
    hash: u64,
}

impl Model {
    /// Volumes with their contents when nothing was ever written. `span` is the length of the stretches in which
    /// a long write is acknowledged; see [`gobag_bundle::store::StoreVolume`].
    pub fn new(pristine: Vec<Vec<u8>>, span: usize) -> Self {
        let volumes = pristine.into_iter().map(|pristine| Volume {
            content: pristine.clone(),
            start: hashes(&pristine),
            pristine,
        });
        Self {
            volumes: volumes.collect(),
            steps: Vec::new(),
            points: vec![0],
            floor: 0,
            span,
        }
    }

    /// What a volume holds now.
    pub fn content(&self, volume: usize) -> &[u8] {
        &self.volumes[volume].content
    }

    /// The number of the newest point.
    pub fn newest(&self) -> usize {
        self.points.len() - 1
    }

    /// The first point a crash may go back to on an honest medium.
    pub fn floor(&self) -> usize {
        self.floor
    }

    /// Says that everything up to point `point` was confirmed as durable.
    pub fn confirm(&mut self, point: usize) {
        self.floor = self.floor.max(point);
    }

    /// Carries out `op`, with a point after each part.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Write { volume, offset, data } => self.write(*volume, *offset as usize, data),
            Op::Trim { volume, offset, len } => self.trim(*volume, *offset as usize, *len as usize),
            Op::Reset { volume } => {
                let pristine = self.volumes[*volume].pristine.clone();
                self.put(*volume, 0, &pristine);
                self.point();
            }
            Op::Flush => {}
        }
    }

    fn write(&mut self, volume: usize, offset: usize, data: &[u8]) {
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.span - at % BLOCK_LEN));
            self.put(volume, at, now);
            self.point();
            (at, rest) = (at + now.len(), later);
        }
    }

    /// The partial blocks at both ends are written with zeros, then the whole ones are given up.
    fn trim(&mut self, volume: usize, offset: usize, len: usize) {
        let (end, size) = (offset + len, self.volumes[volume].content.len());
        let first = offset.next_multiple_of(BLOCK_LEN);
        let last = if end == size {
            end
        } else {
            end / BLOCK_LEN * BLOCK_LEN
        };
        if first >= last {
            return self.write(volume, offset, &vec![0; len]);
        }
        self.write(volume, offset, &vec![0; first - offset]);
        self.write(volume, last, &vec![0; end - last]);
        self.put(volume, first, &vec![0; last - first]);
        self.point();
    }

    fn put(&mut self, volume: usize, offset: usize, data: &[u8]) {
        let content = &mut self.volumes[volume].content;
        content[offset..offset + data.len()].copy_from_slice(data);
        for block in offset / BLOCK_LEN..(offset + data.len()).div_ceil(BLOCK_LEN) {
            let end = content.len().min((block + 1) * BLOCK_LEN);
            let hash = hash(&content[block * BLOCK_LEN..end]);
            self.steps.push(Step { volume, block, hash });
        }
    }

    fn point(&mut self) {
        self.points.push(self.steps.len());
    }

    /// The last point, `from` or later, that agrees with every readable block.
    pub fn locate(&self, seen: &[Seen], from: usize) -> Option<usize> {
        let mut now: Vec<Vec<u64>> = self.volumes.iter().map(|volume| volume.start.clone()).collect();
        let differs = |now: u64, seen: Option<u64>| usize::from(seen.is_some_and(|seen| seen != now));
        let mut wrong = 0;
        for (now, seen) in now.iter().zip(seen) {
            wrong += now
                .iter()
                .zip(&seen.hashes)
                .map(|(now, seen)| differs(*now, *seen))
                .sum::<usize>();
        }
        let (mut found, mut step) = (None, 0);
        for (point, upto) in self.points.iter().enumerate() {
            while step < *upto {
                let Step { volume, block, hash } = self.steps[step];
                let (place, seen) = (&mut now[volume][block], seen[volume].hashes[block]);
                wrong = wrong + differs(hash, seen) - differs(*place, seen);
                *place = hash;
                step += 1;
            }
            if wrong == 0 && point >= from {
                found = Some(point);
            }
        }
        found
    }

    /// Goes back to `point`, whose content is `seen`; what came after never happened.
    pub fn go_back(&mut self, point: usize, seen: &[Seen]) {
        self.points.truncate(point + 1);
        self.steps.truncate(self.points[point]);
        self.floor = self.floor.min(point);
        for (volume, seen) in self.volumes.iter_mut().zip(seen) {
            volume.content.clone_from(&seen.content);
        }
    }

    /// Forgets all history: what is there now is the only state there ever was.
    pub fn forget_history(&mut self) {
        for volume in &mut self.volumes {
            volume.start = hashes(&volume.content);
        }
        self.steps.clear();
        self.points = vec![0];
        self.floor = 0;
    }
}

/// The hash of each block.
pub fn hashes(content: &[u8]) -> Vec<u64> {
    content.chunks(BLOCK_LEN).map(hash).collect()
}
