//! Checking everything a repository holds: signatures, maps, every frame of every pack.
//!
//! Damage is a finding here, not an error; the check goes on behind it. What stops it is only that the
//! repository cannot be read at all, or that the person asked to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use gobag_format::Monitor;
use gobag_format::chunk::{ChunkDecoder, ChunkNamer, ShortChunkId};
use gobag_format::digest::Digest;
use gobag_format::ids::PackId;
use gobag_format::limits::CHUNK_LEN;
use gobag_format::org::OrgSecrets;
use gobag_format::pack::{DirectoryEntry, FrameAddress};
use serde::Serialize;
use thiserror::Error;

use super::packs::OpenedPack;
use super::{ImageSummary, Repository, RepositoryError, RepositoryMedium, StoredImage};
use crate::base::{BaseImage, BaseOptions};
use crate::parallel;

/// Frames read and checked in one go: up to 4 MiB.
const FRAMES_AT_ONCE: usize = 64;

/// How to verify.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Threads; all cores when none is given.
    pub threads: Option<NonZeroUsize>,
    /// Only these image versions and their packs; everything when none is given.
    pub images: Option<Vec<ImageSummary>>,
}

/// What was checked and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Image versions checked.
    pub images: u64,
    /// Packs checked.
    pub packs: u64,
    /// Packs no image version needs, left over from interrupted builds.
    pub unused_packs: u64,
    /// Chunks read and hashed.
    pub chunks: u64,
    /// What is wrong; empty means sound.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code for scripts.
    pub code: &'static str,
    /// The damaged thing and what is wrong with it.
    pub message: String,
    /// Image versions that need it.
    pub images: Vec<String>,
}

/// Why verifying could not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The repository could not be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The person asked to stop.
    #[error("stopped before everything was checked")]
    Cancelled,
}

impl VerifyError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Repository(error) => error.code(),
            Self::Cancelled => "verify.cancelled",
        }
    }
}

/// Reads and checks everything.
pub fn verify(
    repository: &Repository,
    secrets: &OrgSecrets,
    options: &VerifyOptions,
    monitor: &dyn Monitor,
) -> Result<VerifyReport, VerifyError> {
    let mut check = Check {
        repository,
        secrets,
        monitor,
        report: VerifyReport::default(),
    };
    let images = check.open_images(options)?;
    let mut users = packs_of(&images);
    if options.images.is_none() {
        for id in repository.packs()? {
            if users.entry(id).or_default().images.is_empty() {
                check.report.unused_packs += 1;
            }
        }
    }
    let packs = check.open_packs(&users);
    check.check_maps(&images, &packs);
    check.check_frames(
        &packs,
        &users,
        options.threads.unwrap_or_else(parallel::all_cores),
    )?;
    Ok(check.report)
}

/// Who needs a pack, and the digests they recorded.
#[derive(Default)]
struct PackUsers {
    images: Vec<String>,
    digests: BTreeSet<Digest>,
}

fn packs_of(images: &[StoredImage]) -> BTreeMap<PackId, PackUsers> {
    let mut users: BTreeMap<PackId, PackUsers> = BTreeMap::new();
    for image in images {
        for pack in &image.manifest.packs {
            let entry = users.entry(pack.id).or_default();
            entry.images.push(image.label());
            entry.digests.insert(pack.digest);
        }
    }
    users
}

struct Check<'a> {
    repository: &'a Repository,
    secrets: &'a OrgSecrets,
    monitor: &'a dyn Monitor,
    report: VerifyReport,
}

type Packs = BTreeMap<PackId, Arc<OpenedPack>>;

impl Check<'_> {
    fn open_images(&mut self, options: &VerifyOptions) -> Result<Vec<StoredImage>, VerifyError> {
        let summaries = match &options.images {
            Some(images) => images.clone(),
            None => self.repository.images()?,
        };
        let mut images = Vec::new();
        for summary in summaries {
            self.report.images += 1;
            match self.repository.open_image(&summary, self.secrets) {
                Ok(image) => images.push(image),
                Err(error) => {
                    let label = format!("{}@{}", summary.name, summary.version);
                    self.find(error.code(), with_causes(&error), vec![label]);
                }
            }
        }
        Ok(images)
    }

    fn open_packs(&mut self, users: &BTreeMap<PackId, PackUsers>) -> Packs {
        let mut packs = Packs::new();
        for (id, users) in users {
            self.report.packs += 1;
            match self.repository.open_pack(*id, &self.secrets.repository_key) {
                Ok(pack) => {
                    packs.insert(*id, Arc::new(pack));
                }
                Err(error) => self.find(error.code(), with_causes(&error), users.images.clone()),
            }
        }
        packs
    }

    /// Every entry of every map must be a frame its pack lists, with the same chunk id.
    fn check_maps(&mut self, images: &[StoredImage], packs: &Packs) {
        self.monitor.phase("checking maps", None);
        for image in images {
            let medium = Arc::new(RepositoryMedium::new(self.repository, image));
            let base = BaseImage::from_manifest(
                medium,
                Arc::new(image.manifest.clone()),
                &image.key,
                &BaseOptions::default(),
            );
            for (number, volume) in (0..).zip(&image.manifest.volumes) {
                if let Some((code, message)) = check_map(&base, number, packs) {
                    let message = format!("map of volume `{}`: {message}", volume.name);
                    self.find(code, message, vec![image.label()]);
                }
            }
        }
    }

    fn check_frames(
        &mut self,
        packs: &Packs,
        users: &BTreeMap<PackId, PackUsers>,
        threads: NonZeroUsize,
    ) -> Result<(), VerifyError> {
        let total = packs.values().map(|pack| pack.len_bytes).sum();
        self.monitor.phase("checking packs", Some(total));
        let monitor = self.monitor;
        let jobs = packs.iter().flat_map(|(id, pack)| {
            let ranges = (0..pack.directory.entries().len()).step_by(FRAMES_AT_ONCE);
            let frames = ranges.map(move |first| Job::Frames {
                id: *id,
                pack: Arc::clone(pack),
                first,
            });
            frames.chain([Job::Digest { id: *id }])
        });
        let jobs = jobs.take_while(|_| !monitor.is_cancelled());
        let work = |job| self.run(job, users);
        let mut outcomes: Vec<PackFinding> = Vec::new();
        let mut chunks = 0;
        parallel::for_each(threads, jobs, work, |outcome: Outcome| {
            monitor.advance(outcome.bytes);
            chunks += outcome.chunks;
            outcomes.extend(outcome.findings);
        });
        self.report.chunks += chunks;
        outcomes.sort_by_key(|finding| (finding.id, finding.position));
        for PackFinding {
            id, code, message, ..
        } in outcomes
        {
            self.find(code, message, users[&id].images.clone());
        }
        if monitor.is_cancelled() {
            Err(VerifyError::Cancelled)
        } else {
            Ok(())
        }
    }

    fn run(&self, job: Job, users: &BTreeMap<PackId, PackUsers>) -> Outcome {
        match job {
            Job::Frames { id, pack, first } => {
                let entries = &pack.directory.entries()[first..];
                let entries = &entries[..entries.len().min(FRAMES_AT_ONCE)];
                check_frames(
                    id,
                    &pack,
                    entries,
                    &ChunkNamer::new(self.secrets.chunk_key.clone()),
                )
            }
            Job::Digest { id } => {
                let mut outcome = Outcome::default();
                let wrong = match self.repository.pack_digest(id) {
                    Ok(digest) if users[&id].digests.iter().all(|recorded| *recorded == digest) => None,
                    Ok(_) => Some((
                        "pack.digest",
                        format!("pack {id} is not the one its images recorded"),
                    )),
                    Err(error) => Some((error.code(), with_causes(&error))),
                };
                outcome.findings.extend(wrong.map(|(code, message)| PackFinding {
                    id,
                    position: u64::MAX,
                    code,
                    message,
                }));
                outcome
            }
        }
    }

    fn find(&mut self, code: &'static str, message: String, images: Vec<String>) {
        self.report.findings.push(Finding {
            code,
            message,
            images,
        });
    }
}

enum Job {
    Frames {
        id: PackId,
        pack: Arc<OpenedPack>,
        first: usize,
    },
    Digest {
        id: PackId,
    },
}

/// Something wrong with a pack, and where, so that findings come in the same order whichever thread is first.
struct PackFinding {
    id: PackId,
    position: u64,
    code: &'static str,
    message: String,
}

#[derive(Default)]
struct Outcome {
    bytes: u64,
    chunks: u64,
    findings: Vec<PackFinding>,
}

/// Reads neighbouring frames in one go and checks each down to its chunk id.
fn check_frames(id: PackId, pack: &OpenedPack, entries: &[DirectoryEntry], namer: &ChunkNamer) -> Outcome {
    let mut outcome = Outcome::default();
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return outcome;
    };
    let start = first.address.offset();
    let mut bytes = vec![0; (last.address.end() - start) as usize];
    outcome.bytes = bytes.len() as u64;
    outcome.chunks = entries.len() as u64;
    if let Err(error) = pack.file.read_exact_at(&mut bytes, start) {
        let message = format!("pack {id} cannot be read at {start}: {error}");
        outcome.findings.push(PackFinding {
            id,
            position: start,
            code: "file.io",
            message,
        });
        return outcome;
    }
    let (mut decoder, mut chunk) = (ChunkDecoder::new(), vec![0; CHUNK_LEN]);
    for DirectoryEntry { chunk: name, address } in entries {
        let from = (address.offset() - start) as usize;
        let sealed = &mut bytes[from..from + address.sealed_len()];
        let opened = pack.cipher.open_frame(address.offset(), sealed);
        let sound = opened.is_ok_and(|payload| decoder.decode(payload, &mut chunk).is_ok())
            && namer.id(&chunk) == *name;
        if !sound {
            let message = format!("pack {id}: chunk at {} is damaged", address.offset());
            let position = address.offset();
            outcome.findings.push(PackFinding {
                id,
                position,
                code: "pack.frame",
                message,
            });
        }
    }
    outcome
}

/// What is wrong with the map of a volume, if anything; one finding a map is enough.
fn check_map(base: &BaseImage, volume: u8, packs: &Packs) -> Option<(&'static str, String)> {
    let opened = match base.volume(volume) {
        Ok(opened) => opened,
        Err(error) => return Some((error.code(), with_causes(&error))),
    };
    for leaf in 0..opened.leaves() {
        let entries = match opened.leaf(leaf) {
            Ok(entries) => entries,
            Err(error) => return Some((error.code(), with_causes(&error))),
        };
        for entry in entries.entries().iter().flatten() {
            let Some(listed) = base.manifest().packs.get(usize::from(entry.pack)) else {
                return Some((
                    "map.pack",
                    format!("leaf {leaf} names a pack that the manifest does not list"),
                ));
            };
            // A pack that does not open is a finding of its own.
            let Some(pack) = packs.get(&listed.id) else {
                continue;
            };
            if !lists(pack, entry.frame, entry.chunk) {
                let message = format!(
                    "leaf {leaf} names a chunk that pack {} does not hold there",
                    listed.id
                );
                return Some(("map.chunk", message));
            }
        }
    }
    None
}

fn lists(pack: &OpenedPack, frame: FrameAddress, chunk: ShortChunkId) -> bool {
    let entries = pack.directory.entries();
    let found = entries.binary_search_by_key(&frame.offset(), |entry| entry.address.offset());
    found.is_ok_and(|at| entries[at].address == frame && entries[at].chunk.short() == chunk)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
