//! What a bundle shows to a witness.

use std::sync::Arc;

use gobag_format::{
    log::ChainTag,
    memory::{Moment, Remember},
};

use super::{Refused, Witness};
use crate::{
    Bundle, SessionOptions,
    headers::durable_generation,
    session::{open_image, open_store},
    store::StoreMode,
};

/// What the images of a stick ask computers to remember.
pub(super) struct Asked {
    /// The strictest rule among those that could be asked.
    pub(super) rule: Remember,
    /// Whether all could be. Who damages a manifest must not loosen the rule by it.
    pub(super) is_certain: bool,
}

impl Bundle {
    /// Asks the bundle's images. The strictest counts, for the memory is one of the whole stick.
    pub(super) fn ask_images(&self) -> Asked {
        let mut asked = Asked {
            rule: Remember::Off,
            is_certain: true,
        };
        for record in &self.record().images {
            match open_image(self, record, 0) {
                Ok(image) => asked.rule = asked.rule.max(Remember::of_policy(&image.manifest().policy)),
                Err(error) => {
                    // Its user hears of it when it is started.
                    tracing::info!(code = error.code(), %error, "an image cannot be asked what to remember");
                    asked.is_certain = false;
                }
            }
        }
        asked
    }

    /// What computers are asked to remember, as far as the images open: for those who tell people of it.
    pub fn remember_rule(&self) -> Remember {
        self.ask_images().rule
    }

    /// Judges the bundle without opening its image. A log that does not open is left to those who use it.
    pub fn judge(&self, witness: &Witness) -> Result<(), Box<Refused>> {
        if witness.known().is_none() {
            return Ok(());
        }
        let options = SessionOptions {
            // What the log shows is judged, whether it has lost something or not.
            accept_earlier: true,
            ..SessionOptions::default()
        };
        witness.judge(&match open_store(self, StoreMode::ReadOnly, &options) {
            Ok(store) => self.moment(store.last_record()),
            Err(_) => self.with_log_of(witness),
        })
    }

    /// Tells the witness that the header was replaced.
    pub fn remember_header(&self, witness: &Witness) {
        witness.save(self.with_log_of(witness));
    }

    /// What the stick shows, its log ending with this record.
    pub(crate) fn moment(&self, (sequence, tag): (u64, ChainTag)) -> Moment {
        Moment {
            generation: self.unlocked.generation(),
            sequence,
            tag,
        }
    }

    /// The header as it is, and of the log what the witness knows.
    fn with_log_of(&self, witness: &Witness) -> Moment {
        Moment {
            generation: self.unlocked.generation(),
            ..witness.known().map(|known| known.moment).unwrap_or_default()
        }
    }

    /// The generation that is on the medium for certain; 0 if that cannot be found out.
    pub(crate) fn durable_generation(&self) -> u64 {
        durable_generation(&*self.medium, &self.unlocked).unwrap_or_else(|error| {
            tracing::info!(%error, "the header cannot be made sure of");
            0
        })
    }
}

/// A session before a witness, from the opening of the log on.
pub(crate) struct Watched {
    witness: Option<Arc<Witness>>,
    /// What the header is remembered as; none if nothing of this session will be. It is what was durable when the session
    /// began and not what the header says: that may be in the system's cache alone, also as long as the session lasts.
    generation: Option<u64>,
}

impl Watched {
    pub(crate) fn new(bundle: &Bundle, mode: StoreMode, witness: Option<Arc<Witness>>) -> Self {
        let keeps = |witness: &&Arc<Witness>| {
            mode == StoreMode::Keep && (witness.rule() != Remember::Off || witness.known().is_some())
        };
        let generation = witness.as_ref().filter(keeps);
        Self {
            generation: generation.map(|_| bundle.durable_generation()),
            witness,
        }
    }

    /// Asks the witness. The log was flushed before it was read if it is opened for keeping what is written.
    pub(crate) fn judge(
        &self,
        bundle: &Bundle,
        last: (u64, ChainTag),
        accept_earlier: bool,
    ) -> Result<(), Box<Refused>> {
        let Some(witness) = &self.witness else {
            return Ok(());
        };
        let found = bundle.moment(last);
        let durable = self.generation.map(|generation| Moment { generation, ..found });
        witness.admit(&found, durable.as_ref(), accept_earlier)
    }

    /// Tells the witness of the log's last record, which is durable.
    pub(crate) fn remember(&self, last: (u64, ChainTag)) {
        if let Some((witness, moment)) = self.to_remember(last) {
            witness.save(moment);
        }
    }

    /// The same once a minute, of a log that is being written to.
    pub(crate) fn tick(&self, last: (u64, ChainTag)) {
        if let Some((witness, moment)) = self.to_remember(last) {
            witness.tick(moment);
        }
    }

    fn to_remember(&self, (sequence, tag): (u64, ChainTag)) -> Option<(&Witness, Moment)> {
        let (witness, generation) = (self.witness.as_deref()?, self.generation?);
        let moment = Moment {
            generation,
            sequence,
            tag,
        };
        Some((witness, moment))
    }
}
