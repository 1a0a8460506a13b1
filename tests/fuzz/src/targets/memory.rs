//! What comes from outside of a stick: memories behind their seal, restore tokens and waivers, and codes that were read aloud.

use gobag_format::{
    crypto::{Cipher, position_nonce},
    ids::OrgId,
    memory::{MEMORY_LEN, Memory, MemoryKeys, Moment, Remember},
    sign::SigningKey,
    token::{RestoreRequest, RestoreToken, SignedToken, TagStart},
    waiver::{SignedWaiver, Waiver, WaiverLetter},
};

use crate::fixture::{BUNDLE, Counting, key, split};

const SEALED_AT: usize = 48;
const PLAIN_LEN: usize = MEMORY_LEN - SEALED_AT - 16;
const ORG: OrgId = OrgId([0x0e; 16]);

/// The plaintext of a memory, which gets a right seal.
pub(super) fn memory(input: &[u8]) {
    let (plain, _) = split::<PLAIN_LEN>(input);
    let salt = [1; 32];
    let mut bytes = b"GOBAGMEM\x01\0\0\0\0\0\0\0".to_vec();
    let aad = bytes.clone();
    bytes.extend_from_slice(&salt);
    bytes.extend_from_slice(&plain);
    let seal = key(1).derive("memory", &[]).derive("memory record", &salt);
    Cipher::gcm_siv(&seal).seal(position_nonce(0, 0), &aad, &mut bytes, SEALED_AT);
    let keys = MemoryKeys::new(BUNDLE, &key(1));
    let Ok(memory) = keys.open(&bytes) else { return };
    let again = keys.seal(&memory, &Counting::new());
    assert_eq!(
        keys.open(&again),
        Ok(memory),
        "a memory changes when written again"
    );
    assert_ne!(memory.rule, Remember::Off, "what is off is not remembered");
    assert_eq!(
        memory.moment.judge(&memory.moment),
        Ok(()),
        "a stick that did not change is right"
    );
}

pub(super) fn memories() -> Vec<Vec<u8>> {
    let memory = Memory {
        moment: Moment {
            generation: 3,
            sequence: 41,
            tag: [7; 16],
        },
        rule: Remember::Token,
        restored: 1_800_000_000,
        saved_s: 1_800_000_001,
    };
    let mut plain = BUNDLE.0.to_vec();
    for number in [
        memory.moment.generation,
        memory.moment.sequence,
        memory.restored,
        memory.saved_s,
    ] {
        plain.extend_from_slice(&number.to_le_bytes());
    }
    plain.extend_from_slice(&memory.moment.tag);
    plain.push(2);
    vec![plain]
}

fn signer() -> SigningKey {
    SigningKey::from_seed(&key(5))
}

/// The text of a token, as it came by mail.
pub(super) fn token(input: &[u8]) {
    let Ok(signed) = SignedToken::parse(input) else {
        return;
    };
    let Ok(token) = signed.verify(ORG, BUNDLE, &signer().verifying_key()) else {
        return;
    };
    // Whatever its lines end with, only what was signed comes out.
    assert!(
        tokens_signed().contains(&token),
        "a token that nobody signed: {token:?}"
    );
}

fn tokens_signed() -> [RestoreToken; 1] {
    [RestoreToken {
        org: ORG,
        bundle: BUNDLE,
        request: request(),
        number: 1_800_000_000,
    }]
}

fn request() -> RestoreRequest {
    RestoreRequest {
        generation: 2,
        sequence: 40_000,
        tag: TagStart([7; 8]),
        seen_generation: 3,
        seen_sequence: 41_000,
    }
}

pub(super) fn tokens() -> Vec<Vec<u8>> {
    let signed = tokens_signed().map(|token| token.sign(&signer()));
    let [text] = &signed;
    vec![text.clone().into_bytes(), text.replace('\n', "\r\n").into_bytes()]
}

/// The text of a waiver, as it came by mail.
pub(super) fn waiver(input: &[u8]) {
    let Ok(signed) = SignedWaiver::parse(input) else {
        return;
    };
    let Ok(waiver) = signed.verify(ORG, BUNDLE, &signer().verifying_key()) else {
        return;
    };
    let signed: Vec<Waiver> = waivers_signed().into_iter().map(|letter| letter.waiver).collect();
    assert!(
        signed.contains(&waiver),
        "a waiver that nobody signed: {waiver:?}"
    );
}

/// One for one stick, one for all.
fn waivers_signed() -> [WaiverLetter; 2] {
    [(Some(BUNDLE), "antivirus.active"), (None, "firewall.active")].map(|(bundle, rule)| WaiverLetter {
        org: ORG,
        bundle,
        waiver: Waiver {
            rule: rule.to_owned(),
            until: "2026-12-31".parse().expect("a day"),
            reason: "so it is".to_owned(),
        },
    })
}

pub(super) fn waivers() -> Vec<Vec<u8>> {
    let signed = waivers_signed().map(|letter| letter.sign(&signer()).expect("can be one"));
    signed.map(String::into_bytes).to_vec()
}

/// A code as it was typed.
pub(super) fn code(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(request) = RestoreRequest::parse(text, BUNDLE) else {
        return;
    };
    let again = request.code(BUNDLE);
    assert_eq!(RestoreRequest::parse(&again, BUNDLE), Ok(request));
    // One request has one code, however it was typed.
    let plain: String = text
        .chars()
        .filter(|letter| !" -\t\r\n".contains(*letter))
        .collect();
    let plain = plain
        .to_ascii_uppercase()
        .replace('O', "0")
        .replace(['I', 'L'], "1");
    assert_eq!(again.replace('-', ""), plain);
}

pub(super) fn codes() -> Vec<Vec<u8>> {
    let code = request().code(BUNDLE);
    vec![
        code.to_lowercase().replace('-', " ").into_bytes(),
        code.into_bytes(),
    ]
}
