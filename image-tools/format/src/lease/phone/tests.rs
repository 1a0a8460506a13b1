//! Officers' codes, and everything that is none.

use super::*;
use crate::{lease::LeasePolicy, sign::SigningKey, testing::Fixed};

const NOW: u64 = 20_000 * DAY_S + 3600;
const OURS: Whose = Whose {
    org: OrgId([1; 16]),
    bundle: BundleId([2; 16]),
};

fn key(seed: u8) -> AgreementKey {
    AgreementKey::from_seed(&Key::from_bytes([seed; 32]))
}

fn stick() -> AgreementKey {
    key(1)
}

/// Two of three officers, who are 11, 12 and 13.
fn policy() -> LeasePolicy {
    let signing = |seed| SigningKey::from_seed(&Key::from_bytes([seed; 32])).verifying_key();
    LeasePolicy {
        server: signing(1),
        officers: [11, 12, 13].map(signing).to_vec(),
        threshold: 2,
        code_keys: [11, 12, 13].map(|seed| key(seed).public()).to_vec(),
        unlock: Default::default(),
    }
}

fn code(officer: u8, question: &Question, days: u8) -> String {
    let key = CodeKey::of_officer(&key(officer), &stick().public()).unwrap();
    key.code(OURS, question, days).unwrap()
}

fn asked() -> (PhoneState, Question) {
    let mut state = PhoneState::default();
    let question = state.ask(&policy(), NOW, &Fixed::new(7)).unwrap();
    (state, question)
}

fn answer(state: &mut PhoneState, code: &str) -> Result<Answered, PhoneError> {
    state.answer(code, &stick(), &policy(), OURS, NOW)
}

#[test]
fn enough_officers_extend_by_the_least_that_one_of_them_gave() {
    let (mut state, question) = asked();
    assert_eq!(question.text(OURS.bundle).len(), 19, "16 characters and 3 dashes");
    assert_eq!(code(11, &question, 14).len(), 24, "20 characters and 4 dashes");
    assert_eq!(
        Question::parse(&question.text(OURS.bundle), OURS.bundle),
        Ok(question)
    );
    let first = answer(&mut state, &code(11, &question, 14));
    assert_eq!(
        first,
        Ok(Answered::More {
            officers: 1,
            needed: 2
        })
    );
    assert_eq!(state.until_s, 0, "one is not enough");
    let until_s = (20_000 + 7 + 1) * DAY_S;
    let second = answer(&mut state, &code(13, &question, 7));
    assert_eq!(second, Ok(Answered::Extended { until_s }));
    assert_eq!(state.until_s, until_s);
}

#[test]
fn the_same_officer_twice_counts_once_with_what_was_said_last() {
    let (mut state, question) = asked();
    for days in [14, 14, 30] {
        let answered = answer(&mut state, &code(11, &question, days));
        assert_eq!(
            answered,
            Ok(Answered::More {
                officers: 1,
                needed: 2
            })
        );
    }
    let until_s = question.until_s(20);
    assert_eq!(
        answer(&mut state, &code(12, &question, 20)),
        Ok(Answered::Extended { until_s })
    );
}

#[test]
fn a_used_up_code_gives_nothing_more() {
    let (mut state, question) = asked();
    let codes = [11, 12].map(|officer| code(officer, &question, 14));
    codes.iter().for_each(|code| {
        answer(&mut state, code).unwrap();
    });
    assert_eq!(answer(&mut state, &codes[0]), Err(PhoneError::NoQuestion));
    // And it does not answer the next question.
    let next = state.ask(&policy(), NOW, &Fixed::new(8)).unwrap();
    assert_ne!(next, question);
    assert_eq!(answer(&mut state, &codes[0]), Err(PhoneError::Mistyped));
    // On a copy of the stick from before it gives the same end, whatever that computer's clock says.
    let (mut copy, question) = asked();
    let again = codes.map(|code| copy.answer(&code, &stick(), &policy(), OURS, NOW + DAY_S));
    assert_eq!(
        again[1],
        Ok(Answered::Extended {
            until_s: question.until_s(14)
        })
    );
    assert_eq!(
        copy.answer(
            &code(11, &question, 14),
            &stick(),
            &policy(),
            OURS,
            NOW + 9 * DAY_S
        ),
        Err(PhoneError::NoQuestion)
    );
}

#[test]
fn what_answers_another_stick_question_or_number_of_days_is_refused() {
    let (mut state, question) = asked();
    let officer = CodeKey::of_officer(&key(11), &stick().public()).unwrap();
    let other_question = Question {
        nonce: [9; 5],
        ..question
    };
    let other_day = Question {
        day: question.day + 1,
        ..question
    };
    let other_bundle = Whose {
        bundle: BundleId([9; 16]),
        ..OURS
    };
    for (whose, asked) in [
        (OURS, other_question),
        (OURS, other_day),
        (other_bundle, question),
    ] {
        let code = officer.code(whose, &asked, 14).unwrap();
        assert_eq!(answer(&mut state, &code), Err(PhoneError::Mistyped));
    }
    // With its check put right, which everybody can, it is still not what an officer said.
    let forged = |mac: [u8; MAC_LEN], days: u8| {
        let said = [&[VERSION, days][..], &mac].concat();
        let check = check(OURS.bundle, &question, &said);
        spoken::write(&[said, check.to_vec()].concat())
    };
    let other_org = Whose {
        org: OrgId([9; 16]),
        ..OURS
    };
    let to_another = CodeKey::of_officer(&key(11), &key(2).public()).unwrap();
    let no_officer = CodeKey::of_officer(&key(99), &stick().public()).unwrap();
    let wrong = [
        forged(officer.mac(OURS, &question, 14), 15),
        forged(officer.mac(OURS, &question, 200), 200),
        forged(officer.mac(OURS, &question, 0), 0),
        forged(officer.mac(OURS, &other_question, 14), 14),
        forged(officer.mac(other_bundle, &question, 14), 14),
        forged(officer.mac(other_org, &question, 14), 14),
        forged(to_another.mac(OURS, &question, 14), 14),
        forged(no_officer.mac(OURS, &question, 14), 14),
    ];
    for (nth, code) in (1..).zip(&wrong) {
        assert_eq!(
            answer(&mut state, code),
            Err(PhoneError::Wrong { left: 10 - nth })
        );
    }
    // The right one still counts.
    let right = forged(officer.mac(OURS, &question, 14), 14);
    assert_eq!(right, code(11, &question, 14));
    assert_eq!(
        answer(&mut state, &right),
        Ok(Answered::More {
            officers: 1,
            needed: 2
        })
    );
    assert_eq!(answer(&mut state, &wrong[0]), Err(PhoneError::Wrong { left: 1 }));
    assert_eq!(answer(&mut state, &wrong[0]), Err(PhoneError::TooManyWrong));
    assert_eq!(
        answer(&mut state, &right),
        Err(PhoneError::NoQuestion),
        "the first answer is gone, too"
    );
}

#[test]
fn a_misheard_character_is_found_and_does_not_count_as_wrong() {
    let (mut state, question) = asked();
    let right = code(11, &question, 14);
    for at in 0..right.len() {
        let mut text = right.clone().into_bytes();
        if text[at] == b'-' {
            continue;
        }
        text[at] = if text[at] == b'7' { b'8' } else { b'7' };
        let text = String::from_utf8(text).unwrap();
        assert_eq!(answer(&mut state, &text), Err(PhoneError::Mistyped), "{text}");
    }
    let asked = question.text(OURS.bundle);
    assert_eq!(
        Question::parse(&asked[1..], OURS.bundle),
        Err(PhoneError::Mistyped)
    );
    assert_eq!(
        Question::parse(&asked, BundleId([3; 16])),
        Err(PhoneError::Mistyped)
    );
    for nonsense in ["", "-", "0000", "ÄÖÜ", &"0".repeat(300)] {
        assert_eq!(answer(&mut state, nonsense), Err(PhoneError::Mistyped));
        assert_eq!(Question::parse(nonsense, OURS.bundle), Err(PhoneError::Mistyped));
    }
    let said = right
        .to_lowercase()
        .replace('-', "  ")
        .replace('0', "o")
        .replace('1', "l");
    assert_eq!(
        answer(&mut state, &said),
        Ok(Answered::More {
            officers: 1,
            needed: 2
        })
    );
}

#[test]
fn a_question_stands_for_its_day_and_the_next_and_a_wrong_clock_is_noticed() {
    let (mut state, question) = asked();
    answer(&mut state, &code(11, &question, 14)).unwrap();
    assert_eq!(state.ask(&policy(), NOW + DAY_S, &Fixed::new(8)), Ok(question));
    let late = state.answer(
        &code(12, &question, 14),
        &stick(),
        &policy(),
        OURS,
        NOW + 2 * DAY_S,
    );
    assert_eq!(late, Err(PhoneError::OtherDay));
    assert_ne!(
        state.ask(&policy(), NOW + 2 * DAY_S, &Fixed::new(8)),
        Ok(question)
    );
    for (off, result) in [
        (0, Ok(())),
        (1, Ok(())),
        (2, Err(PhoneError::OtherDay)),
        (400, Err(PhoneError::OtherDay)),
    ] {
        assert_eq!(question.check_day(NOW + off * DAY_S), result);
        assert_eq!(question.check_day(NOW - off * DAY_S), result);
    }
}

#[test]
fn officers_that_the_policy_lost_do_not_count_and_without_keys_nothing_is_asked() {
    let (mut state, question) = asked();
    answer(&mut state, &code(11, &question, 14)).unwrap();
    let mut fewer = policy();
    fewer.code_keys.remove(0);
    fewer.officers.remove(0);
    let answered = state.answer(&code(12, &question, 14), &stick(), &fewer, OURS, NOW);
    assert_eq!(
        answered,
        Ok(Answered::More {
            officers: 1,
            needed: 2
        })
    );
    fewer.code_keys.clear();
    assert_eq!(state.ask(&fewer, NOW, &Fixed::new(1)), Err(PhoneError::NoCodes));
    for days in [0, MAX_CODE_DAYS + 1] {
        let key = CodeKey::of_officer(&key(11), &stick().public()).unwrap();
        assert_eq!(key.code(OURS, &question, days), Err(PhoneError::Days));
    }
}

#[test]
fn what_is_noted_comes_back_as_it_was_with_what_later_versions_put_there() {
    let (mut state, question) = asked();
    answer(&mut state, &code(11, &question, 14)).unwrap();
    let mut json = serde_json::to_value(&state).unwrap();
    json["later"] = "kept".into();
    let mut back: PhoneState = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), json);
    let until_s = question.until_s(14);
    assert_eq!(
        answer(&mut back, &code(12, &question, 14)),
        Ok(Answered::Extended { until_s })
    );
}
