//! Deciding and writing, in disk order: which chunks are new, where they go, what the maps say.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use gobag_format::chunk::{ChunkId, ChunkNamer, ShortChunkId};
use gobag_format::limits::CHUNK_LEN;
use gobag_format::manifest::{PackEntry, VolumeEntry};
use gobag_format::map::{MapEntry, chunk_count};

use super::output::{NewPack, OpenMap, OpenPack};
use super::reader::{Content, read_all};
use super::worker::{Done, Hashed, Payloads, Task, work};
use super::{BuildError, Job, NewImage};
use crate::files::FileError;
use crate::repository::{ChunkIndex, IndexedPack, Location};

/// How often the wish to stop is looked at while nothing comes.
const LOOK: Duration = Duration::from_millis(200);

/// What the manifest needs, and what the report tells.
pub(super) struct Assembled {
    pub(super) volumes: Vec<VolumeEntry>,
    pub(super) packs: Vec<PackEntry>,
    pub(super) counts: Counts,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) read_bytes: u64,
    pub(super) zero_chunks: u64,
    pub(super) reused_chunks: u64,
    pub(super) new_chunks: u64,
    pub(super) new_stored_bytes: u64,
    pub(super) new_packs: u64,
    /// Bytes of frames this version uses, each counted once.
    pub(super) used_bytes: u64,
}

/// Runs the whole pipeline.
pub(super) fn assemble(
    job: &Job<'_>,
    image: &NewImage,
    folder: &Path,
    index: ChunkIndex,
) -> Result<Assembled, BuildError> {
    let total = job.volumes.iter().map(|volume| volume.size_bytes).sum();
    job.monitor.phase("building", Some(total));
    let threads = job.threads().get();
    // Two batches for each worker keep it busy; four more are with the reader and the assembler.
    let in_flight = threads * 2 + 4;
    let (buffer_sender, buffers) = bounded(in_flight);
    for _ in 0..in_flight {
        // Cannot fail: the channel has room for all and its other end is alive.
        let _ = buffer_sender.send(Vec::new());
    }
    // Unbounded, and bounded all the same: every task and result carries one of the buffers.
    let (tasks, task_receiver) = unbounded();
    let (result_sender, results) = unbounded();
    let mut assembler = Assembler::new(job, image, folder, index);
    thread::scope(|scope| {
        let (volumes, level) = (job.volumes, job.options.level);
        let mut workers = Vec::new();
        for _ in 0..threads {
            let (tasks, results) = (task_receiver.clone(), result_sender.clone());
            let namer = ChunkNamer::new(job.secrets.chunk_key.clone());
            workers.push(scope.spawn(move || work(&tasks, &results, &namer, level)));
        }
        let reader_tasks = tasks.clone();
        scope.spawn(move || {
            if let Err(error) = read_all(volumes, &buffers, &reader_tasks) {
                // Nobody to tell means that the build has failed already.
                let _ = result_sender.send(Done::ReadFailed(error));
            }
        });
        // A worker ends before its tasks do only by a panic, which the scope passes on.
        let lost = || workers.iter().any(|worker| worker.is_finished());
        assembler.run(tasks, &results, buffer_sender, lost)
    })?;
    assembler.finish()
}

struct Assembler<'a> {
    job: &'a Job<'a>,
    image: &'a NewImage,
    folder: &'a Path,
    index: ChunkIndex,
    /// New chunks between decision and writing.
    coming: HashSet<ShortChunkId>,
    hashed: BTreeMap<u64, Hashed>,
    ready: BTreeMap<u64, (Hashed, Payloads)>,
    next_hashed: u64,
    next_ready: u64,
    pack: Option<OpenPack>,
    map: Option<OpenMap>,
    volumes: Vec<VolumeEntry>,
    /// Number in the index → position in the manifest.
    positions: HashMap<u32, u16>,
    packs: Vec<u32>,
    counts: Counts,
}

impl<'a> Assembler<'a> {
    fn new(job: &'a Job<'a>, image: &'a NewImage, folder: &'a Path, index: ChunkIndex) -> Self {
        Self {
            job,
            image,
            folder,
            index,
            coming: HashSet::new(),
            hashed: BTreeMap::new(),
            ready: BTreeMap::new(),
            next_hashed: 0,
            next_ready: 0,
            pack: None,
            map: None,
            volumes: Vec::new(),
            positions: HashMap::new(),
            packs: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Takes results until the last batch is written, reading fails, or the person asks to stop; in the last
    /// two cases the pack at hand is completed, for the next build to use. Reader and workers end when this
    /// returns, for it owns the senders they wait on.
    fn run(
        &mut self,
        tasks: Sender<Task>,
        results: &Receiver<Done>,
        buffers: Sender<Vec<u8>>,
        lost: impl Fn() -> bool,
    ) -> Result<(), BuildError> {
        let all_chunks: u64 = self
            .job
            .volumes
            .iter()
            .map(|volume| chunk_count(volume.size_bytes))
            .sum();
        let mut done_chunks = 0;
        while done_chunks < all_chunks {
            if self.job.monitor.is_cancelled() {
                self.end_pack()?;
                return Err(BuildError::Cancelled);
            }
            match results.recv_timeout(LOOK) {
                Ok(Done::Hashed(hashed)) => {
                    self.hashed.insert(hashed.batch.number, hashed);
                }
                Ok(Done::Compressed(hashed, payloads)) => {
                    self.ready.insert(hashed.batch.number, (hashed, payloads));
                }
                Ok(Done::ReadFailed(error)) => {
                    self.end_pack()?;
                    return Err(error.into());
                }
                Err(RecvTimeoutError::Timeout) if !lost() => {}
                Err(_) => return Ok(()),
            }
            while let Some(hashed) = self.hashed.remove(&self.next_hashed) {
                self.next_hashed += 1;
                self.decide(hashed, &tasks);
            }
            while let Some((hashed, payloads)) = self.ready.remove(&self.next_ready) {
                self.next_ready += 1;
                done_chunks += self.write(hashed, &payloads, &buffers)?;
            }
        }
        Ok(())
    }

    /// Finds the new chunks of a batch and has them compressed.
    fn decide(&mut self, hashed: Hashed, tasks: &Sender<Task>) {
        let mut new = Vec::new();
        for (position, id) in hashed.ids.iter().enumerate() {
            let Some(short) = id.as_ref().map(ChunkId::short) else {
                continue;
            };
            if !self.index.contains(&short) && self.coming.insert(short) {
                new.push(position);
            }
        }
        if new.is_empty() {
            self.ready
                .insert(hashed.batch.number, (hashed, Payloads::default()));
        } else {
            // Workers live as long as `tasks`; were they gone, the results would be disconnected.
            let _ = tasks.send(Task::Compress(hashed, new));
        }
    }

    /// Writes a batch and returns its number of chunks; its buffer goes back to the reader.
    fn write(
        &mut self,
        hashed: Hashed,
        payloads: &Payloads,
        buffers: &Sender<Vec<u8>>,
    ) -> Result<u64, BuildError> {
        let Hashed { batch, ids } = hashed;
        self.go_to_volume(batch.volume)?;
        let (chunks, buffer) = match batch.content {
            Content::Hole { chunks, buffer } => {
                for _ in 0..chunks {
                    self.place(None)?;
                }
                (chunks, buffer)
            }
            Content::Data { bytes, read } => {
                self.counts.read_bytes += read;
                self.write_chunks(&ids, payloads)?;
                (ids.len() as u64, bytes)
            }
        };
        self.job.monitor.advance(chunks * CHUNK_LEN as u64);
        // A reader that has ended takes no more buffers.
        let _ = buffers.send(buffer);
        Ok(chunks)
    }

    fn write_chunks(&mut self, ids: &[Option<ChunkId>], payloads: &Payloads) -> Result<(), BuildError> {
        let mut new = payloads.lens.iter().peekable();
        let mut rest = payloads.bytes.as_slice();
        for (position, id) in ids.iter().enumerate() {
            let Some(id) = id else {
                self.place(None)?;
                continue;
            };
            if let Some((_, len)) = new.next_if(|(at, _)| *at == position) {
                let (payload, behind) = rest.split_at(*len);
                rest = behind;
                let location = self.store(id, payload)?;
                self.index.insert(id.short(), location);
                self.coming.remove(&id.short());
                self.counts.new_chunks += 1;
                self.counts.new_stored_bytes += location.frame.sealed_len() as u64;
            } else {
                self.counts.reused_chunks += 1;
            }
            self.place(Some(id.short()))?;
        }
        Ok(())
    }

    /// Puts a payload into the open pack, or into a new one.
    fn store(&mut self, id: &ChunkId, payload: &[u8]) -> Result<Location, BuildError> {
        loop {
            let pack = match &mut self.pack {
                Some(pack) => pack,
                none => none.insert(open_pack(self.job, &mut self.index)?),
            };
            if let Some(frame) = pack.push(id, payload)? {
                return Ok(Location {
                    pack: pack.number,
                    frame,
                });
            }
            self.end_pack()?;
        }
    }

    fn end_pack(&mut self) -> Result<(), FileError> {
        if let Some(pack) = self.pack.take() {
            let NewPack {
                number,
                len_bytes,
                digest,
            } = pack.finish(self.job.repository.layout())?;
            let entry = self.index.pack_mut(number);
            entry.len_bytes = len_bytes;
            entry.digest = Some(digest);
            self.counts.new_packs += 1;
        }
        Ok(())
    }

    /// Writes the next entry of the map.
    fn place(&mut self, chunk: Option<ShortChunkId>) -> Result<(), BuildError> {
        let entry = match chunk {
            None => {
                self.counts.zero_chunks += 1;
                None
            }
            Some(chunk) => {
                let used = self
                    .index
                    .use_chunk(&chunk)
                    .expect("a chunk is stored before it is placed");
                let (Location { pack, frame }, first_use) = used;
                if first_use {
                    self.counts.used_bytes += frame.sealed_len() as u64;
                }
                Some(MapEntry {
                    chunk,
                    pack: self.position(pack)?,
                    frame,
                })
            }
        };
        let map = self
            .map
            .as_mut()
            .expect("a volume is begun before its chunks come");
        Ok(map.push(entry)?)
    }

    fn position(&mut self, pack: u32) -> Result<u16, BuildError> {
        if let Some(position) = self.positions.get(&pack) {
            return Ok(*position);
        }
        let position = u16::try_from(self.packs.len())
            .ok()
            .filter(|position| *position < u16::MAX);
        let position = position.ok_or(BuildError::TooManyPacks)?;
        self.positions.insert(pack, position);
        self.packs.push(pack);
        Ok(position)
    }

    /// Ends the maps of earlier volumes and begins that of `volume`.
    fn go_to_volume(&mut self, volume: usize) -> Result<(), FileError> {
        while self.map.is_none() || self.volumes.len() < volume {
            self.end_map()?;
            // Their number was checked against the limit, which fits.
            self.map = Some(OpenMap::create(
                self.folder,
                self.image,
                self.volumes.len() as u8,
            )?);
        }
        Ok(())
    }

    fn end_map(&mut self) -> Result<(), FileError> {
        if let Some(map) = self.map.take() {
            let source = &self.job.volumes[self.volumes.len()];
            let map = map.finish()?;
            let (name, kind, size_bytes) = (source.name.clone(), source.kind, source.size_bytes);
            self.volumes.push(VolumeEntry {
                name,
                kind,
                size_bytes,
                map,
            });
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Assembled, BuildError> {
        self.end_map()?;
        self.job.monitor.phase("syncing", None);
        self.end_pack()?;
        let mut packs = Vec::new();
        for number in &self.packs {
            let IndexedPack {
                id,
                key,
                len_bytes,
                digest,
            } = self.index.pack(*number);
            let digest = match digest {
                Some(digest) => *digest,
                None => self.job.repository.pack_digest(*id)?,
            };
            packs.push(PackEntry {
                id: *id,
                len_bytes: *len_bytes,
                digest,
                key: key.clone(),
            });
        }
        Ok(Assembled {
            volumes: self.volumes,
            packs,
            counts: self.counts,
        })
    }
}

fn open_pack(job: &Job<'_>, index: &mut ChunkIndex) -> Result<OpenPack, FileError> {
    let (layout, limit) = (job.repository.layout(), job.options.pack_len_bytes);
    OpenPack::create(
        layout,
        &job.secrets.repository_key,
        limit,
        job.random,
        |id, key| {
            index.add_pack(IndexedPack {
                id,
                key: key.clone(),
                len_bytes: 0,
                digest: None,
            })
        },
    )
}
