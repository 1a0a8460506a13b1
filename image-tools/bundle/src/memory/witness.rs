//! The witness of one bundle.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gobag_format::{
    memory::{MEMORY_LEN, Memory, MemoryError, MemoryKeys, Moment, Remember, SetBack},
    token::{RestoreRequest, RestoreToken, SignedToken, TokenError},
};
use serde::Serialize;

use super::{MemoryPlace, MemoryTrouble, Refused, check::Asked};
use crate::{Ambient, Bundle};

/// Judges a bundle by what is remembered of it, and remembers on.
pub struct Witness {
    bundle: gobag_format::ids::BundleId,
    keys: MemoryKeys,
    place: Box<dyn MemoryPlace>,
    ambient: Ambient,
    /// What the stick's images ask for now.
    asked: Asked,
    token: Option<RestoreToken>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Memory>,
    troubles: Vec<MemoryTrouble>,
    /// What is kept was written by a newer program, and stays.
    hands_off: bool,
    admitted: Admitted,
    /// The moment of the last [`Witness::tick`], which is remembered with the next.
    waiting: Option<Moment>,
}

/// How a stick came to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admitted {
    /// Nothing is remembered of it.
    #[default]
    Unknown,
    /// It shows what it showed before, or went on from it as far as can be told.
    Right,
    /// It is in an earlier state, for which IT signed a token.
    ByToken,
    /// It is in an earlier state, which its user accepted.
    ByUser,
}

impl Witness {
    /// Asks `place` what it remembers of `bundle`.
    pub fn new(bundle: &Bundle, place: Box<dyn MemoryPlace>) -> Self {
        let keys = MemoryKeys::new(bundle.id(), &bundle.unlocked.key);
        let mut state = State::default();
        match load(&keys, &*place) {
            Ok(known) => state.known = known,
            Err(trouble) => {
                state.hands_off = matches!(trouble, MemoryTrouble::Invalid(MemoryError::NewerFormat { .. }));
                state.troubles.push(trouble);
            }
        }
        Self {
            bundle: bundle.id(),
            keys,
            place,
            ambient: bundle.ambient.clone(),
            asked: bundle.ask_images(),
            token: None,
            state: Mutex::new(state),
        }
    }

    /// How the stick is remembered from now on: as its images ask. What those ask that cannot be read is not known, so with
    /// one of them damaged it is at least as strict as it was.
    pub fn rule(&self) -> Remember {
        self.rule_after(self.known())
    }

    /// What is remembered.
    pub fn known(&self) -> Option<Memory> {
        self.lock().known
    }

    /// How the stick came to be let in.
    pub fn admitted(&self) -> Admitted {
        self.lock().admitted
    }

    /// What went wrong since the last call.
    pub fn take_troubles(&self) -> Vec<MemoryTrouble> {
        std::mem::take(&mut self.lock().troubles)
    }

    /// Takes the text of a restore token, if it is IT's word on this bundle.
    pub fn take_token(&mut self, bundle: &Bundle, text: &[u8]) -> Result<(), TokenError> {
        let record = bundle.record();
        let token = SignedToken::parse(text)?.verify(record.org, self.bundle, &record.publisher)?;
        self.token = Some(token);
        Ok(())
    }

    /// Compares what the stick shows with what is remembered. Changes nothing, and takes no token.
    pub fn judge(&self, found: &Moment) -> Result<(), Box<Refused>> {
        match self.known() {
            None => Ok(()),
            Some(known) => known
                .moment
                .judge(found)
                .map_err(|set_back| self.refusal(set_back, known.rule)),
        }
    }

    /// Judges the stick that is being opened, before anything on it is changed. `durable` is what can be remembered of
    /// it, none if nothing will be kept. A token counts only where its use can be remembered.
    pub(crate) fn admit(
        &self,
        found: &Moment,
        durable: Option<&Moment>,
        accept_earlier: bool,
    ) -> Result<(), Box<Refused>> {
        let Some(known) = self.known() else {
            return Ok(());
        };
        let Err(set_back) = known.moment.judge(found) else {
            self.lock().admitted = Admitted::Right;
            return Ok(());
        };
        let token = self.token.as_ref().zip(durable);
        let (admitted, restored) = match token {
            Some((token, _)) => {
                token.admits(&known, found).map_err(|token| {
                    let code = self.code(&set_back);
                    Box::new(Refused::Token {
                        token,
                        set_back,
                        code,
                    })
                })?;
                (Admitted::ByToken, token.number)
            }
            None if accept_earlier && known.rule == Remember::Ask => (Admitted::ByUser, known.restored),
            None => return Err(self.refusal(set_back, known.rule)),
        };
        if let Some(moment) = durable {
            let memory = Memory {
                moment: *moment,
                rule: known.rule,
                restored,
                saved_s: (self.ambient.clock)(),
            };
            match (self.write(memory), admitted) {
                (Err(MemoryTrouble::NotWritten(source)), Admitted::ByToken) => {
                    return Err(Box::new(Refused::NotRemembered(source)));
                }
                (Err(trouble), _) => self.lock().troubles.push(trouble),
                (Ok(()), _) => {}
            }
        }
        self.lock().admitted = admitted;
        Ok(())
    }

    /// Remembers a moment that is durable on the stick, where IT wants that; else forgets.
    pub(crate) fn save(&self, moment: Moment) {
        if self.lock().hands_off {
            return;
        }
        if let Err(trouble) = self.try_save(moment) {
            tracing::info!(code = trouble.code(), %trouble, "memory");
            self.lock().troubles.push(trouble);
        }
    }

    /// Remembers the moment that was given the last time: called about once a minute, for a stick that confirms what it
    /// still holds back has written it by then.
    pub(crate) fn tick(&self, moment: Moment) {
        let before = self.lock().waiting.replace(moment);
        if let Some(before) = before {
            self.save(before);
        }
    }

    fn try_save(&self, mut moment: Moment) -> Result<(), MemoryTrouble> {
        let known = self.known();
        let rule = self.rule_after(known);
        if rule == Remember::Off {
            return match known {
                None => Ok(()),
                Some(_) => self.forget(),
            };
        }
        if let Some(known) = &known {
            // Of a header that could not be made sure of, what was known of it before stays.
            moment.generation = moment.generation.max(known.moment.generation);
            if known.moment == moment && known.rule == rule {
                return Ok(());
            }
        }
        // Somebody else may have written since: one who has the same stick twice.
        let there = load(&self.keys, &*self.place).ok().flatten();
        if let Some(there) = &there {
            there.moment.judge(&moment).map_err(MemoryTrouble::OtherCopy)?;
        }
        self.write(Memory {
            moment,
            rule: rule.max(self.rule_after(there)),
            restored: known.map_or(0, |known| known.restored),
            saved_s: (self.ambient.clock)(),
        })
    }

    fn rule_after(&self, known: Option<Memory>) -> Remember {
        match known {
            Some(known) if !self.asked.is_certain => self.asked.rule.max(known.rule),
            _ => self.asked.rule,
        }
    }

    fn write(&self, memory: Memory) -> Result<(), MemoryTrouble> {
        let bytes = self.keys.seal(&memory, &*self.ambient.random);
        self.place
            .store(&self.keys.name(), &bytes)
            .map_err(MemoryTrouble::NotWritten)?;
        self.lock().known = Some(memory);
        Ok(())
    }

    fn forget(&self) -> Result<(), MemoryTrouble> {
        self.place
            .forget(&self.keys.name())
            .map_err(MemoryTrouble::NotWritten)?;
        self.lock().known = None;
        Ok(())
    }

    fn refusal(&self, set_back: SetBack, rule: Remember) -> Box<Refused> {
        let code = self.code(&set_back);
        Box::new(Refused::SetBack { set_back, rule, code })
    }

    fn code(&self, set_back: &SetBack) -> String {
        let (remembered, found) = set_back.moments();
        RestoreRequest::new(&remembered, &found).code(self.bundle)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(keys: &MemoryKeys, place: &dyn MemoryPlace) -> Result<Option<Memory>, MemoryTrouble> {
    let bytes = place.load(&keys.name()).map_err(MemoryTrouble::Unreadable)?;
    let opened = bytes.map(|bytes| keys.open(&bytes[..bytes.len().min(MEMORY_LEN + 1)]));
    opened.transpose().map_err(MemoryTrouble::Invalid)
}
