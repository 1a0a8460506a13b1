//! The cases of the research (`sync-posture.md`, §8.4) that are a matter of judgement, by their numbers.

use super::renewal::{Answer, Mint, RenewalToken, Renewals};
use super::*;
use crate::{
    agree::{AgreementKey, AgreementPublic},
    crypto::Key,
    sign::SigningKey,
};

const DAY: u64 = 86_400;
const NOW: u64 = 1_800_000_000;
const ORG: OrgId = OrgId([1; 16]);
const BUNDLE: BundleId = BundleId([2; 16]);
const STICK: Stick<'static> = Stick {
    org: ORG,
    bundle: BUNDLE,
    image: "office",
    version: 3,
};
const SPAN: Span = Span {
    issued_s: NOW,
    renew_after_s: DAY,
    warn_before_s: 7 * DAY,
    lasts_s: 30 * DAY,
};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Key::from_bytes([seed; 32]))
}

fn policy() -> LeasePolicy {
    LeasePolicy {
        server: key(1).verifying_key(),
        officers: [11, 12, 13].map(|seed| key(seed).verifying_key()).to_vec(),
        threshold: 2,
        code_keys: [21, 22, 23].map(code_key).to_vec(),
        unlock: UnlockMode::Leased,
    }
}

fn code_key(seed: u8) -> AgreementPublic {
    AgreementKey::from_seed(&Key::from_bytes([seed; 32])).public()
}

fn lease() -> Lease {
    Lease::new(ORG, BUNDLE, "sales", 1, SPAN)
}

fn held() -> Held {
    Held {
        lease: Some(lease().sign(&key(1))),
        ..Held::default()
    }
}

fn code(held: &Held, now_s: u64) -> &'static str {
    judge(&policy(), held, STICK, now_s)
        .err()
        .map_or("ok", |error| error.code())
}

/// An extension until 60 days after the lease was made, signed by these.
fn extension(group: &str, officers: &[u8]) -> Envelope {
    let extension = Extension::for_group(ORG, group, NOW, NOW + 60 * DAY);
    let mut envelope = extension.sign(&key(officers[0]));
    for officer in &officers[1..] {
        envelope.sign_too(&key(*officer)).unwrap();
    }
    envelope
}

fn with(extensions: &[Envelope]) -> Held {
    Held {
        extensions: extensions.to_vec(),
        ..held()
    }
}

#[test]
fn a_lease_counts_until_its_end_and_tells_before() {
    let at = |days: u64| judge(&policy(), &held(), STICK, NOW + days * DAY).unwrap();
    assert_eq!(
        (at(0).renew, at(0).warn, at(0).until_s),
        (false, false, NOW + 30 * DAY)
    );
    assert_eq!((at(1).renew, at(1).warn), (true, false));
    assert_eq!((at(23).renew, at(23).warn, at(23).extended), (true, true, false));
    assert_eq!(code(&held(), NOW + 30 * DAY), "lease.ended");
}

#[test]
fn l1_a_clock_a_day_behind_is_refused_and_hours_are_not() {
    let seen = Held {
        high_water_s: NOW + 10 * DAY,
        ..held()
    };
    assert_eq!(code(&seen, NOW + 10 * DAY - 25 * 3600), "lease.clock-behind");
    assert_eq!(code(&seen, NOW + 10 * DAY - 2 * 3600), "ok");
}

#[test]
fn l2_a_clock_that_was_ahead_for_years_poisons_nothing() {
    let high_water_s = NOW;
    assert_eq!(code(&held(), NOW + 3650 * DAY), "lease.ended");
    // An hour of work by that clock is an hour.
    let worked = raised(high_water_s, 3600, []);
    assert_eq!(worked, NOW + 3600);
    let back = Held {
        high_water_s: worked,
        ..held()
    };
    assert_eq!(code(&back, NOW + DAY), "ok");
    assert_eq!(
        raised(worked, 0, [NOW + 5 * DAY]),
        NOW + 5 * DAY,
        "what the company signed counts"
    );
}

#[test]
fn l3_a_lease_of_the_future_is_refused() {
    assert_eq!(code(&held(), NOW - 2 * DAY), "lease.clock-behind");
    let mut later = lease();
    later.not_before_s = NOW + DAY;
    let later = Held {
        lease: Some(later.sign(&key(1))),
        ..Held::default()
    };
    assert_eq!(code(&later, NOW + 3600), "lease.not-yet");
    assert_eq!(code(&later, NOW + DAY), "ok");
}

#[test]
fn l4_enough_different_officers_extend_an_ended_lease() {
    let ended = NOW + 40 * DAY;
    let needed = |held: &Held| match judge(&policy(), held, STICK, ended) {
        Err(LeaseError::Ended { officers, needed, .. }) => (officers, needed),
        other => panic!("{other:?}"),
    };
    assert_eq!(needed(&held()), (0, 2));
    assert_eq!(needed(&with(&[extension("sales", &[11])])), (1, 2));
    // The same one twice, in one letter or in two, is one.
    assert_eq!(needed(&with(&[extension("sales", &[11, 11])])), (1, 2));
    let twice = [extension("sales", &[11]), extension("sales", &[11])];
    assert_eq!(needed(&with(&twice)), (1, 2));
    // The same words from two, each in a letter of their own, are two; other words are not.
    let apart = [extension("sales", &[11]), extension("sales", &[12])];
    assert_eq!(code(&with(&apart), ended), "ok");
    let mut others = Extension::for_group(ORG, "sales", NOW + 1, NOW + 60 * DAY);
    others.until_s += 1;
    assert_eq!(
        needed(&with(&[extension("sales", &[11]), others.sign(&key(12))])),
        (1, 2)
    );
    // The server, or a stranger, is no officer.
    assert_eq!(needed(&with(&[extension("sales", &[11, 1, 99])])), (1, 2));
    let standing = judge(&policy(), &with(&[extension("sales", &[11, 13])]), STICK, ended).unwrap();
    assert!(standing.extended && standing.warn && standing.renew);
    assert_eq!(standing.until_s, NOW + 60 * DAY);
    assert_eq!(
        code(&with(&[extension("sales", &[11, 13])]), NOW + 60 * DAY),
        "lease.ended"
    );
}

#[test]
fn l5_an_extension_for_others_or_for_one_that_was_cut_off_does_not_count() {
    let ended = NOW + 40 * DAY;
    assert_eq!(
        code(&with(&[extension("finance", &[11, 12])]), ended),
        "lease.ended"
    );
    let cut_off = Held {
        revoked: true,
        ..with(&[extension("sales", &[11, 12, 13])])
    };
    assert_eq!(code(&cut_off, ended), "lease.revoked");
    assert_eq!(code(&cut_off, NOW), "lease.revoked");
    let mut other = Extension::for_group(OrgId([9; 16]), "sales", NOW, NOW + 60 * DAY);
    let foreign = |extension: &Extension| {
        let mut envelope = extension.sign(&key(11));
        envelope.sign_too(&key(12)).unwrap();
        with(&[envelope])
    };
    assert_eq!(code(&foreign(&other), ended), "lease.ended");
    (other.org, other.group) = (ORG, None);
    assert_eq!(code(&foreign(&other), ended), "lease.ended", "it names nobody");
    other.bundle = Some(BUNDLE);
    assert_eq!(code(&foreign(&other), ended), "ok");
}

#[test]
fn codes_extend_an_ended_lease_as_letters_do_and_nothing_else() {
    let phoned = Held {
        phoned_until_s: NOW + 50 * DAY,
        ..held()
    };
    let standing = judge(&policy(), &phoned, STICK, NOW + 40 * DAY).unwrap();
    assert!(standing.extended && standing.warn);
    assert_eq!(standing.until_s, NOW + 50 * DAY);
    assert_eq!(code(&phoned, NOW + 50 * DAY), "lease.ended");
    let longer = Held {
        extensions: vec![extension("sales", &[11, 12])],
        ..phoned.clone()
    };
    assert_eq!(
        judge(&policy(), &longer, STICK, NOW + 40 * DAY).unwrap().until_s,
        NOW + 60 * DAY
    );
    let cut_off = Held {
        revoked: true,
        ..phoned.clone()
    };
    assert_eq!(code(&cut_off, NOW + 40 * DAY), "lease.revoked");
    let none = Held {
        lease: None,
        ..phoned
    };
    assert_eq!(code(&none, NOW + 40 * DAY), "lease.none");
}

fn mint() -> Mint {
    Mint::new(&Key::from_bytes([7; 32]), "acme", BUNDLE)
}

/// A server that has given out the first token.
fn enrolled() -> (Renewals, RenewalToken) {
    let first = mint().token(1, b"enrolled");
    (Renewals::new(1, &first), first)
}

/// Renews, and gives the next token.
fn renewed(server: &mut Renewals, shown: &RenewalToken, request: u8) -> RenewalToken {
    match server.renew(&mint(), shown, [request; 16]) {
        Answer::Renew {
            next,
            server_was_behind: false,
        } => next,
        other => panic!("{other:?}"),
    }
}

#[test]
fn l6_a_stick_that_was_put_back_betrays_that_there_are_two() {
    // However long ago the copy was made.
    for renewals in 1..4 {
        let (mut server, first) = enrolled();
        let mut newest = first.clone();
        for request in 0..renewals {
            newest = renewed(&mut server, &newest, request);
        }
        assert_eq!(server.renew(&mint(), &first, [9; 16]), Answer::CloneSuspected);
        assert_eq!(
            server.renew(&mint(), &newest, [8; 16]),
            Answer::CloneSuspected,
            "neither is trusted"
        );
    }
}

#[test]
fn l7_a_lost_answer_is_given_again_and_is_no_clone() {
    let (mut server, first) = enrolled();
    let second = renewed(&mut server, &first, 1);
    let again = server.renew(&mint(), &first, [1; 16]);
    assert_eq!(again, Answer::Again(second.clone()));
    renewed(&mut server, &second, 2);
    assert!(!format!("{first:?}").contains("gbr_"));
}

#[test]
fn a_server_that_was_put_back_believes_the_token_that_it_will_have_made() {
    let (mut server, first) = enrolled();
    let backup = server.clone();
    let second = renewed(&mut server, &first, 1);
    let third = renewed(&mut server, &second, 2);
    let mut server = backup;
    let Answer::Renew {
        next,
        server_was_behind: true,
    } = server.renew(&mint(), &third, [3; 16])
    else {
        panic!("the honest stick is let in");
    };
    // A copy that has the token which the backup knew is found out all the same.
    assert_eq!(server.renew(&mint(), &first, [4; 16]), Answer::CloneSuspected);
    assert_ne!(next, third);
}

#[test]
fn nobody_else_can_make_a_token() {
    let (mut server, first) = enrolled();
    let others = [
        Mint::new(&Key::from_bytes([8; 32]), "acme", BUNDLE),
        Mint::new(&Key::from_bytes([7; 32]), "other", BUNDLE),
        Mint::new(&Key::from_bytes([7; 32]), "acme", BundleId([9; 16])),
    ];
    let mut bad: Vec<RenewalToken> = others.iter().map(|other| other.token(5, b"enrolled")).collect();
    let text = serde_json::to_string(&first).unwrap();
    for (from, to) in [
        ("gbr_", "gbt_"),
        ("\"gbr_A", "\"gbr_B"),
        ("gbr_", "gbr_AAAA"),
        ("gbr_", ""),
    ] {
        bad.push(serde_json::from_str(&text.replacen(from, to, 1)).unwrap());
    }
    bad.push(serde_json::from_str("\"\"").unwrap());
    for token in bad {
        assert_eq!(server.renew(&mint(), &token, [1; 16]), Answer::Unknown);
    }
    renewed(&mut server, &first, 1);
}

#[test]
fn l8_a_server_that_is_down_for_weeks_locks_nobody_out() {
    let standing = judge(&policy(), &held(), STICK, NOW + 25 * DAY).unwrap();
    assert!(standing.renew && standing.warn);
}

#[test]
fn l12_an_image_older_than_allowed_is_refused() {
    let mut strict = lease();
    strict.oldest_versions.insert("office".to_owned(), 4);
    let held = Held {
        lease: Some(strict.sign(&key(1))),
        ..Held::default()
    };
    assert_eq!(code(&held, NOW), "lease.old-image");
    let newer = Stick { version: 4, ..STICK };
    assert!(judge(&policy(), &held, newer, NOW).is_ok());
    let other = Stick {
        image: "shop",
        ..STICK
    };
    assert!(judge(&policy(), &held, other, NOW).is_ok());
}

#[test]
fn what_is_not_the_servers_word_for_this_stick_is_refused() {
    assert_eq!(code(&Held::default(), NOW), "lease.none");
    let signed_by = |seed| Held {
        lease: Some(lease().sign(&key(seed))),
        ..Held::default()
    };
    // Officers extend; they do not make leases.
    for seed in [2, 11] {
        assert_eq!(code(&signed_by(seed), NOW), "envelope.bad-signature");
    }
    for (org, bundle) in [(OrgId([9; 16]), BUNDLE), (ORG, BundleId([9; 16]))] {
        let other = Lease::new(org, bundle, "sales", 1, SPAN);
        let held = Held {
            lease: Some(other.sign(&key(1))),
            ..Held::default()
        };
        assert_eq!(code(&held, NOW), "lease.other-stick");
    }
    let as_extension = Envelope::sign(EXTENSION, b"{}", &key(1));
    let held = Held {
        lease: Some(as_extension),
        ..Held::default()
    };
    assert_eq!(code(&held, NOW), "envelope.other-kind");
}

#[test]
fn a_policy_that_makes_no_sense_is_refused_and_none_asks_nothing() {
    let of = |policy: serde_json::Value| LeasePolicy::of_policy(&policy);
    assert_eq!(of(serde_json::json!({})), Ok(None));
    assert_eq!(of(serde_json::Value::Null), Ok(None));
    let stated = serde_json::json!({ "lease": policy() });
    assert_eq!(of(stated), Ok(Some(policy())));
    let changed = |change: fn(&mut LeasePolicy)| {
        let mut policy = policy();
        change(&mut policy);
        of(serde_json::json!({ "lease": policy })).unwrap_err().code()
    };
    let cases: [fn(&mut LeasePolicy); 6] = [
        |policy| policy.code_keys.truncate(2),
        |policy| policy.code_keys[2] = policy.code_keys[0],
        |policy| policy.threshold = 0,
        |policy| policy.threshold = 4,
        |policy| policy.officers.push(policy.officers[0]),
        |policy| policy.officers = (0..17).map(|seed| key(seed).verifying_key()).collect(),
    ];
    for change in cases {
        assert_eq!(changed(change), "lease.policy");
    }
    assert!(of(serde_json::json!({ "lease": {} })).is_err());
    let with_mode =
        |word: &str| of(serde_json::json!({ "lease": { "server": policy().server, "unlock": word } }));
    assert_eq!(with_mode("online").unwrap().unwrap().unlock, UnlockMode::Online);
    assert_eq!(
        with_mode("hardware").unwrap_err().code(),
        "lease.policy",
        "it would be opened more easily than was meant"
    );
}
