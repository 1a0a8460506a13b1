//! Extensions over the telephone: a stick shows a *question*, officers answer it with codes of 20 characters each.
//!
//! A signature is too long to be read out. So each officer and each stick have a key in common, by key agreement ([`crate::agree`]): the stick's half
//! lies sealed in its ledger, the officer's in the officer's file, and neither passes through anybody's hands. A code is a truncated MAC under
//! that key over the stick, its question and how many days the officer gives. Enough officers' codes extend the lease by the least that any of them gave,
//! counted from the day of the question: so a code says an end that does not move, and used again, on a copy of the stick as well, it gives what it
//! gave. What this is worth, and what not, stands in `docs/format/lease.md`, "Codes".

mod state;

use thiserror::Error;

pub use state::{Answered, PhoneState};

use crate::{
    agree::{AgreementKey, AgreementPublic},
    crypto::{Key, OpenError, Random, random_bytes},
    ids::{BundleId, OrgId},
    limits::{MAX_CODE_DAYS, MAX_WRONG_CODES},
    reader::Reader,
    spoken,
};

const VERSION: u8 = 1;
const DAY_S: u64 = 86_400;
const MAC_LEN: usize = 8;
const CHECK_LEN: usize = 2;
const SAID_LEN: usize = 8;
/// How many days the two clocks may be apart.
const MOST_DAYS_APART: u16 = 1;

/// What a stick asks, so that a code answers this stick now and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    nonce: [u8; 5],
    /// Days since 1970, UTC.
    day: u16,
}

/// What two sides have to agree about.
#[derive(Debug, Clone, Copy)]
pub struct Whose {
    /// The organisation.
    pub org: OrgId,
    /// The stick.
    pub bundle: BundleId,
}

/// The key that one officer and one stick have in common.
pub struct CodeKey(Key);

/// Why a question or a code does not count.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhoneError {
    /// The image names no officers with such keys.
    #[error("your company extends leases by letters, not by codes")]
    NoCodes,
    /// Nothing was asked, or it was answered.
    #[error("this stick asks no question now")]
    NoQuestion,
    /// Something was misheard or mistyped, or it is another stick's, or of another question.
    #[error("there is a mistake in it, or it is for another stick or another question")]
    Mistyped,
    /// A newer program made it.
    #[error("it is of a newer version of this program")]
    NewerFormat,
    /// One clock is wrong.
    #[error(
        "the question is of another day: the clock of one of the two computers is wrong, or the question is old"
    )]
    OtherDay,
    /// More, or fewer, than may be given.
    #[error("1 to {MAX_CODE_DAYS} days can be given")]
    Days,
    /// No officer's code.
    #[error("no officer gave this code; the question takes {left} more wrong ones")]
    Wrong {
        /// How many more are taken.
        left: u8,
    },
    /// The question is given up.
    #[error("that were {MAX_WRONG_CODES} wrong codes: the question does not count any more")]
    TooManyWrong,
    /// The public half of a key is none.
    #[error("the key is none")]
    Key,
}

impl PhoneError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCodes => "phone.no-codes",
            Self::NoQuestion => "phone.no-question",
            Self::Mistyped => "phone.mistyped",
            Self::NewerFormat => "phone.newer-format",
            Self::OtherDay => "phone.other-day",
            Self::Days => "phone.days",
            Self::Wrong { .. } => "phone.wrong-code",
            Self::TooManyWrong => "phone.too-many-wrong",
            Self::Key => "phone.key",
        }
    }
}

impl From<OpenError> for PhoneError {
    fn from(_: OpenError) -> Self {
        Self::Key
    }
}

impl Question {
    /// A fresh one.
    fn new(now_s: u64, random: &dyn Random) -> Self {
        Self {
            nonce: random_bytes(random),
            day: day_of(now_s),
        }
    }

    /// As it is read to officers: 16 characters.
    pub fn text(&self, bundle: BundleId) -> String {
        let said = self.said();
        let check: [u8; CHECK_LEN] = spoken::check("extension question", bundle, &said);
        spoken::write(&[&said[..], &check].concat())
    }

    /// Reads one as an officer heard it.
    pub fn parse(text: &str, bundle: BundleId) -> Result<Self, PhoneError> {
        let bytes = spoken::read(text).ok_or(PhoneError::Mistyped)?;
        let (said, checked) = bytes.split_at_checked(SAID_LEN).ok_or(PhoneError::Mistyped)?;
        if *checked != spoken::check::<CHECK_LEN>("extension question", bundle, said) {
            return Err(PhoneError::Mistyped);
        }
        let mut reader = Reader(said);
        let mut parts = || Ok::<_, crate::reader::Malformed>((reader.u8()?, reader.array()?, reader.u16()?));
        match parts() {
            Ok((VERSION, nonce, day)) => Ok(Self { nonce, day }),
            _ => Err(PhoneError::NewerFormat),
        }
    }

    /// Whether it was asked today, for somebody whose clock shows `now_s`. An officer looks before answering: a stick whose clock is ahead would be
    /// given more than was meant.
    pub fn check_day(&self, now_s: u64) -> Result<(), PhoneError> {
        match self.day.abs_diff(day_of(now_s)) <= MOST_DAYS_APART {
            true => Ok(()),
            false => Err(PhoneError::OtherDay),
        }
    }

    /// When an extension by so many days ends: with the last of them, UTC.
    pub fn until_s(&self, days: u8) -> u64 {
        (u64::from(self.day) + u64::from(days) + 1) * DAY_S
    }

    fn said(&self) -> [u8; SAID_LEN] {
        let mut said = [VERSION; SAID_LEN];
        said[1..6].copy_from_slice(&self.nonce);
        said[6..].copy_from_slice(&self.day.to_le_bytes());
        said
    }
}

impl CodeKey {
    /// As the officer has it.
    pub fn of_officer(officer: &AgreementKey, stick: &AgreementPublic) -> Result<Self, PhoneError> {
        let shared = officer.shared(stick)?;
        Ok(Self::between(&shared, &officer.public(), stick))
    }

    /// As the stick has it.
    pub fn of_stick(stick: &AgreementKey, officer: &AgreementPublic) -> Result<Self, PhoneError> {
        let shared = stick.shared(officer)?;
        Ok(Self::between(&shared, officer, &stick.public()))
    }

    fn between(shared: &Key, officer: &AgreementPublic, stick: &AgreementPublic) -> Self {
        Self(shared.derive("extension code", &[officer.0, stick.0].concat()))
    }

    /// The officer's code, 20 characters: this stick, asked this, may be started for so many days more.
    pub fn code(&self, whose: Whose, question: &Question, days: u8) -> Result<String, PhoneError> {
        if !(1..=MAX_CODE_DAYS).contains(&days) {
            return Err(PhoneError::Days);
        }
        let said = [&[VERSION, days][..], &self.mac(whose, question, days)].concat();
        let check = check(whose.bundle, question, &said);
        Ok(spoken::write(&[said, check.to_vec()].concat()))
    }

    fn mac(&self, whose: Whose, question: &Question, days: u8) -> [u8; MAC_LEN] {
        let said = [&whose.org.0[..], &whose.bundle.0, &question.said(), &[days]].concat();
        let mut mac = [0; MAC_LEN];
        mac.copy_from_slice(&self.0.mac(&said).as_bytes()[..MAC_LEN]);
        mac
    }
}

/// What a code says, nothing of it believed.
struct Heard {
    days: u8,
    mac: [u8; MAC_LEN],
}

impl Heard {
    fn parse(text: &str, bundle: BundleId, question: &Question) -> Result<Self, PhoneError> {
        let bytes = spoken::read(text).ok_or(PhoneError::Mistyped)?;
        let at = bytes.len().checked_sub(CHECK_LEN).ok_or(PhoneError::Mistyped)?;
        let (said, checked) = bytes.split_at(at);
        if *checked != check(bundle, question, said) {
            return Err(PhoneError::Mistyped);
        }
        match said {
            [VERSION, days, mac @ ..] if mac.len() == MAC_LEN => {
                let mut of = [0; MAC_LEN];
                of.copy_from_slice(mac);
                Ok(Self { days: *days, mac: of })
            }
            [VERSION, ..] | [] => Err(PhoneError::Mistyped),
            _ => Err(PhoneError::NewerFormat),
        }
    }
}

/// Finds typing errors before they count as wrong; no secret is in it.
fn check(bundle: BundleId, question: &Question, said: &[u8]) -> [u8; CHECK_LEN] {
    spoken::check(
        "extension code check",
        bundle,
        &[&question.said()[..], said].concat(),
    )
}

fn day_of(now_s: u64) -> u16 {
    u16::try_from(now_s / DAY_S).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
