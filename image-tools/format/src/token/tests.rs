//! Tokens: what is let in, and every way to be refused.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::*;
use crate::{crypto::Key, limits::MAX_COUNT, memory::Remember};

const ORG: OrgId = OrgId([1; 16]);
const BUNDLE: BundleId = BundleId([2; 16]);

fn signer() -> SigningKey {
    SigningKey::from_seed(&Key::from_bytes([3; 32]))
}

fn moment(generation: u64, sequence: u64, tag: u8) -> Moment {
    Moment {
        generation,
        sequence,
        tag: [tag; 16],
    }
}

fn memory() -> Memory {
    Memory {
        moment: moment(6, 5_000_000, 9),
        rule: Remember::Token,
        restored: 1_000,
        saved_s: 0,
    }
}

fn found() -> Moment {
    moment(4, 4_321_000, 8)
}

fn token() -> RestoreToken {
    RestoreToken {
        org: ORG,
        bundle: BUNDLE,
        request: RestoreRequest::new(&memory().moment, &found()),
        number: 1_001,
    }
}

fn verified(text: &str) -> Result<RestoreToken, TokenError> {
    SignedToken::parse(text.as_bytes())?.verify(ORG, BUNDLE, &signer().verifying_key())
}

#[test]
fn a_token_survives_its_text_and_what_mail_does_to_it() {
    let text = token().sign(&signer());
    assert_eq!(verified(&text).unwrap(), token());
    assert_eq!(
        verified(&format!("\r\n  {}  \r\n", text.replace('\n', "\r\n"))).unwrap(),
        token()
    );
    assert!(text.len() < MAX_TOKEN_LEN / 2, "{}", text.len());
}

#[test]
fn every_altered_character_is_noticed() {
    let text = token().sign(&signer());
    let len = text.trim_end().len();
    for at in 0..len {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let opened =
            SignedToken::parse(&bytes).and_then(|token| token.verify(ORG, BUNDLE, &signer().verifying_key()));
        assert!(opened.is_err(), "byte {at}");
    }
    for len in 0..len {
        assert!(verified(&text[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn each_stranger_is_called_by_name() {
    let code = |text: &str| verified(text).unwrap_err().code();
    let signed = |token: RestoreToken| token.sign(&signer());
    let forged = token().sign(&SigningKey::from_seed(&Key::from_bytes([4; 32])));
    assert_eq!(code(&forged), "token.bad-signature");
    let other = OrgId([7; 16]);
    assert_eq!(
        code(&signed(RestoreToken {
            org: other,
            ..token()
        })),
        "token.other-org"
    );
    let other = BundleId([7; 16]);
    assert_eq!(
        code(&signed(RestoreToken {
            bundle: other,
            ..token()
        })),
        "token.other-bundle"
    );
    let text = token().sign(&signer());
    assert_eq!(code(&text.replace("token 1", "token 2")), "token.newer-format");
    assert_eq!(code(&format!("{text}more: 1\n")), "token.malformed");
    assert_eq!(
        code(&text.replace("sequence: ", "sequence: 0")),
        "token.malformed"
    );
    assert_eq!(code(&"x".repeat(MAX_TOKEN_LEN + 1)), "token.too-large");
    // A manifest's signature, or any other of the same key, is none of a token.
    let text = token().text();
    let signature = signer().sign("manifest", text.as_bytes());
    assert_eq!(
        code(&format!("{text}signature: {}\n", BASE64.encode(signature))),
        "token.bad-signature"
    );
}

#[test]
fn one_moment_is_let_in_once_and_over_nothing_that_it_did_not_know() {
    let code = |memory: &Memory, found: &Moment| token().admits(memory, found).unwrap_err().code();
    assert_eq!(token().admits(&memory(), &found()), Ok(()));
    for other in [
        moment(3, 4_321_000, 8),
        moment(5, 4_321_000, 8),
        moment(4, 4_320_999, 8),
        moment(4, 4_321_001, 8),
        moment(4, 4_321_000, 7),
    ] {
        assert_eq!(code(&memory(), &other), "token.other-moment", "{other:?}");
    }
    for restored in [1_001, 1_002] {
        let used = Memory { restored, ..memory() };
        assert_eq!(code(&used, &found()), "token.used");
    }
    for later in [moment(7, 5_000_000, 9), moment(6, 5_000_001, 9)] {
        let memory = Memory {
            moment: later,
            ..memory()
        };
        assert_eq!(code(&memory, &found()), "token.too-early");
    }
    // A computer that has seen less than the one that refused.
    let less = Memory {
        moment: moment(5, 4_900_000, 1),
        ..memory()
    };
    assert_eq!(token().admits(&less, &found()), Ok(()));
}

#[test]
fn a_code_is_short_survives_the_telephone_and_no_mistake() {
    let request = token().request;
    let code = request.code(BUNDLE);
    assert!(code.len() <= 50, "{code}");
    assert_eq!(RestoreRequest::parse(&code, BUNDLE), Ok(request));
    let heard = code
        .to_lowercase()
        .replace('-', " ")
        .replace('0', "o")
        .replace('1', "l");
    assert_eq!(RestoreRequest::parse(&heard, BUNDLE), Ok(request));
    assert_eq!(
        RestoreRequest::parse(&code, BundleId([3; 16])),
        Err(CodeError::Mistyped)
    );
    for at in 0..code.len() {
        let mut wrong = code.clone().into_bytes();
        wrong[at] = if wrong[at] == b'7' { b'8' } else { b'7' };
        let wrong = String::from_utf8(wrong).unwrap();
        assert!(RestoreRequest::parse(&wrong, BUNDLE).is_err(), "{wrong}");
        assert!(
            RestoreRequest::parse(&code[..at], BUNDLE).is_err(),
            "{at} characters"
        );
    }
    let largest = RestoreRequest {
        generation: MAX_COUNT,
        sequence: MAX_COUNT,
        tag: TagStart([0xff; 8]),
        seen_generation: MAX_COUNT,
        seen_sequence: MAX_COUNT,
    };
    assert_eq!(RestoreRequest::parse(&largest.code(BUNDLE), BUNDLE), Ok(largest));
}
