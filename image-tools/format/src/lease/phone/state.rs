//! What a stick notes of questions and answers; in its ledger, written back after every answer, right or wrong.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::{CodeKey, Heard, PhoneError, Question, Whose};
use crate::{
    agree::{AgreementKey, AgreementPublic},
    crypto::Random,
    lease::LeasePolicy,
    limits::{MAX_CODE_DAYS, MAX_WRONG_CODES},
};

/// Questions and answers of one stick.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneState {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
    /// The end of what officers gave last by codes, seconds since 1970 UTC; 0 for nothing.
    #[serde(default)]
    pub until_s: u64,
    /// Fields of later versions.
    #[serde(flatten)]
    later: Map<String, Value>,
}

/// The question that stands, and who answered it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    nonce: [u8; 5],
    day: u16,
    wrong: u8,
    answers: Vec<Answer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    officer: AgreementPublic,
    days: u8,
}

/// What an officer's code came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It counts, and more officers have to answer the same question.
    More {
        /// How many different officers did.
        officers: usize,
        /// How many have to.
        needed: usize,
    },
    /// Enough did: the stick may be started until then.
    Extended {
        /// Seconds since 1970 UTC.
        until_s: u64,
    },
}

impl PhoneState {
    /// The question that stands, else a new one. It stands until it is answered, or its day is over and the next one, too.
    pub fn ask(
        &mut self,
        policy: &LeasePolicy,
        now_s: u64,
        random: &dyn Random,
    ) -> Result<Question, PhoneError> {
        if policy.code_keys.is_empty() {
            return Err(PhoneError::NoCodes);
        }
        let standing = self
            .question()
            .filter(|question| question.check_day(now_s).is_ok());
        Ok(standing.unwrap_or_else(|| {
            let question = Question::new(now_s, random);
            self.asked = Some(Asked {
                nonce: question.nonce,
                day: question.day,
                wrong: 0,
                answers: Vec::new(),
            });
            question
        }))
    }

    /// Takes one officer's code. Enough of them use the question up; the least number of days that one of these officers gave counts.
    pub fn answer(
        &mut self,
        code: &str,
        stick: &AgreementKey,
        policy: &LeasePolicy,
        whose: Whose,
        now_s: u64,
    ) -> Result<Answered, PhoneError> {
        let question = self.question().ok_or(PhoneError::NoQuestion)?;
        question.check_day(now_s)?;
        let heard = Heard::parse(code, whose.bundle, &question)?;
        let Some(officer) = officer_of(&heard, &question, stick, policy, whose) else {
            return Err(self.wrong());
        };
        let Some(asked) = &mut self.asked else {
            return Err(PhoneError::NoQuestion);
        };
        asked.answers.retain(|answer| answer.officer != officer);
        asked.answers.push(Answer {
            officer,
            days: heard.days,
        });
        // The policy may have changed since the first of them answered.
        let count = |answer: &&Answer| policy.code_keys.contains(&answer.officer);
        let days: Vec<u8> = asked
            .answers
            .iter()
            .filter(count)
            .map(|answer| answer.days)
            .collect();
        let (officers, needed) = (days.len(), policy.threshold.max(1));
        if officers < needed {
            return Ok(Answered::More { officers, needed });
        }
        let until_s = question.until_s(days.into_iter().min().unwrap_or_default());
        self.asked = None;
        self.until_s = self.until_s.max(until_s);
        Ok(Answered::Extended {
            until_s: self.until_s,
        })
    }

    fn question(&self) -> Option<Question> {
        self.asked.as_ref().map(|asked| Question {
            nonce: asked.nonce,
            day: asked.day,
        })
    }

    /// Counts a wrong code; with the last one, what was answered so far goes, too.
    fn wrong(&mut self) -> PhoneError {
        let Some(asked) = &mut self.asked else {
            return PhoneError::NoQuestion;
        };
        asked.wrong = asked.wrong.saturating_add(1);
        match MAX_WRONG_CODES.saturating_sub(asked.wrong) {
            0 => {
                self.asked = None;
                PhoneError::TooManyWrong
            }
            left => PhoneError::Wrong { left },
        }
    }
}

/// Whose code it is. All officers are tried, so that a code need not say who gave it.
fn officer_of(
    heard: &Heard,
    question: &Question,
    stick: &AgreementKey,
    policy: &LeasePolicy,
    whose: Whose,
) -> Option<AgreementPublic> {
    if !(1..=MAX_CODE_DAYS).contains(&heard.days) {
        return None;
    }
    let gave = |officer: &&AgreementPublic| {
        CodeKey::of_stick(stick, officer)
            .is_ok_and(|key| key.mac(whose, question, heard.days).ct_eq(&heard.mac).into())
    };
    policy.code_keys.iter().find(gave).copied()
}
