//! Checking a whole bundle: every header copy, escrow file, manifest, map, pack, and every changed block.
//!
//! Damage is a finding here, not an error; the check goes on behind it. Nothing on the stick is changed.

use gobag_format::{
    Monitor,
    digest::DigestStream,
    header::ImageRecord,
    ledger::LedgerError,
    manifest::{Manifest, PackEntry},
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    Bundle, SessionOptions,
    base::BaseImage,
    headers::read_escrow,
    ledger::LedgerAccessError,
    medium::FileRef,
    memory::Witness,
    session::{open_image, open_store},
    store::{StoreError, StoreMode},
};

const PIECE: u64 = 4 << 20;

/// What was checked and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Images checked.
    pub images: u64,
    /// Packs read and compared with their digests.
    pub packs: u64,
    /// Bytes of packs read.
    pub pack_bytes: u64,
    /// Changed blocks read and opened.
    pub changed_blocks: u64,
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
}

/// Why verifying could not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The medium failed.
    #[error("cannot read {file}")]
    Medium {
        /// The file.
        file: FileRef,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The log cannot be read from the medium.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The person asked to stop.
    #[error("stopped before everything was checked")]
    Cancelled,
}

impl VerifyError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Medium { .. } => "verify.medium",
            Self::Store(error) => error.code(),
            Self::Cancelled => "verify.cancelled",
        }
    }
}

/// Reads and checks everything the bundle holds.
pub fn verify(bundle: &Bundle, monitor: &dyn Monitor) -> Result<VerifyReport, VerifyError> {
    verify_before(bundle, None, monitor)
}

/// The same, and compares it with what a witness remembers.
pub fn verify_before(
    bundle: &Bundle,
    witness: Option<&Witness>,
    monitor: &dyn Monitor,
) -> Result<VerifyReport, VerifyError> {
    let mut check = Check {
        bundle,
        monitor,
        report: VerifyReport::default(),
    };
    let stale = bundle.stale_header_slots();
    if stale > 0 {
        check.find(
            "header.stale-copies",
            format!("{stale} of 8 copies of the header are damaged or old"),
        );
    }
    if let Some(Err(refused)) = witness.map(|witness| bundle.judge(witness)) {
        check.find(refused.code(), with_causes(&refused));
    }
    check.escrow();
    check.ledger();
    for record in &bundle.record().images {
        check.image(record)?;
    }
    check.log()?;
    Ok(check.report)
}

struct Check<'a> {
    bundle: &'a Bundle,
    monitor: &'a dyn Monitor,
    report: VerifyReport,
}

impl Check<'_> {
    fn find(&mut self, code: &'static str, message: String) {
        self.report.findings.push(Finding { code, message });
    }

    /// Without the escrow file a forgotten passphrase is the end of the stick. Whether it opens, only IT's key can tell; that
    /// it is there, and an age file, anybody can.
    fn escrow(&mut self) {
        let Some(number) = self.bundle.record().escrow else {
            return;
        };
        let file = FileRef::Escrow(number);
        match read_escrow(&*self.bundle.medium(), number) {
            Ok(Some(bytes)) if age::Decryptor::new(&bytes[..]).is_ok() => {}
            Ok(Some(_)) => self.find("escrow.damaged", format!("{file} is damaged")),
            Ok(None) => self.find("escrow.missing", format!("{file} is missing")),
            Err(error) => self.find(error.code(), with_causes(&error)),
        }
    }

    /// A stick of an earlier version has none.
    fn ledger(&mut self) {
        match self.bundle.read_ledger() {
            Ok(read) if read.stale.is_empty() => {}
            Ok(_) => self.find(
                "ledger.stale-copy",
                "one of the two copies of the ledger is damaged or old".into(),
            ),
            // Nor is one that a later version wrote damaged.
            Err(LedgerAccessError::None | LedgerAccessError::Ledger(LedgerError::Newer)) => {}
            Err(error) => self.find(error.code(), with_causes(&error)),
        }
    }

    fn image(&mut self, record: &ImageRecord) -> Result<(), VerifyError> {
        self.report.images += 1;
        match open_image(self.bundle, record, PIECE) {
            Err(error) => self.find(error.code(), with_causes(&error)),
            Ok(image) => {
                self.maps(record, &image);
                self.packs(image.manifest())?;
            }
        }
        Ok(())
    }

    fn maps(&mut self, record: &ImageRecord, image: &BaseImage) {
        for number in 0..image.manifest().volumes.len() as u8 {
            let volume = match image.volume(number) {
                Ok(volume) => volume,
                Err(error) => {
                    self.find(error.code(), with_causes(&error));
                    continue;
                }
            };
            let damaged = (0..volume.leaves()).filter_map(|leaf| volume.leaf(leaf).err());
            for error in damaged.collect::<Vec<_>>() {
                let message = format!("image `{}`: {}", record.name, with_causes(&error));
                self.find(error.code(), message);
            }
        }
    }

    fn packs(&mut self, manifest: &Manifest) -> Result<(), VerifyError> {
        self.monitor
            .phase("checking packs", Some(manifest.packs_len_bytes()));
        for pack in &manifest.packs {
            self.report.packs += 1;
            if let Some(message) = self.pack(pack)? {
                self.find("pack.damaged", message);
            }
        }
        Ok(())
    }

    /// Compares a pack with its digest; returns what is wrong.
    fn pack(&mut self, pack: &PackEntry) -> Result<Option<String>, VerifyError> {
        let (medium, file) = (self.bundle.medium(), FileRef::Pack(pack.id));
        match medium.len(file) {
            Ok(len) if len == pack.len_bytes => {}
            Ok(len) => return Ok(Some(format!("{file} has {len} bytes, not {}", pack.len_bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Some(format!("{file} is missing")));
            }
            Err(source) => return Err(VerifyError::Medium { file, source }),
        }
        let mut digest = DigestStream::new();
        let mut piece = vec![0; PIECE.min(pack.len_bytes) as usize];
        let mut at = 0;
        while at < pack.len_bytes {
            if self.monitor.is_cancelled() {
                return Err(VerifyError::Cancelled);
            }
            let len = PIECE.min(pack.len_bytes - at) as usize;
            if let Err(error) = medium.read_at(file, at, &mut piece[..len]) {
                return Ok(Some(format!("{file} cannot be read at byte {at}: {error}")));
            }
            digest.update(&piece[..len]);
            at += len as u64;
            self.report.pack_bytes += len as u64;
            self.monitor.advance(len as u64);
        }
        let kept = digest.finish() == pack.digest;
        Ok((!kept).then(|| format!("{file} does not hold what was written to it")))
    }

    fn log(&mut self) -> Result<(), VerifyError> {
        let options = SessionOptions::default();
        let store = match open_store(self.bundle, StoreMode::ReadOnly, &options) {
            Ok(store) => store,
            Err(error @ StoreError::Medium { .. }) => return Err(error.into()),
            Err(error) => {
                self.find(error.code(), with_causes(&error));
                return Ok(());
            }
        };
        if store.recovery().checkpoint_fell_back {
            self.find(
                "store.checkpoint-stale",
                "a checkpoint is torn or damaged; another is in use".into(),
            );
        }
        self.monitor
            .phase("checking saved changes", Some(store.status().used_bytes));
        let (checked, damaged) = store.verify(self.monitor).ok_or(VerifyError::Cancelled)?;
        self.report.changed_blocks = checked;
        for message in damaged {
            self.find("store.damaged", message);
        }
        Ok(())
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
