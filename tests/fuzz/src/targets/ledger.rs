//! The ledger's record behind its seal, and signed documents.

use gobag_format::{
    crypto::{Cipher, TAG_LEN, position_nonce},
    envelope::{CHECK_RESULT, Envelope},
    ledger::{KeptResult, LedgerKeys, LedgerRecord},
    limits::LEDGER_SLOT_LEN,
    sign::SigningKey,
};

use crate::fixture::{BUNDLE, Counting, key};

const SEALED_AT: usize = 112;

/// The plaintext of a ledger (length, then JSON), which gets a right seal.
pub(super) fn ledger(input: &[u8]) {
    let salt = [1; 32];
    let mut slot = b"GOBAGLDG\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    slot.extend_from_slice(&BUNDLE.0);
    slot.extend_from_slice(&7_u64.to_le_bytes());
    slot.extend_from_slice(&salt);
    let tag = key(1).derive("ledger front", &[]).mac(&slot);
    slot.extend_from_slice(tag.as_bytes());
    let front = slot.clone();
    slot.extend_from_slice(input);
    slot.resize(LEDGER_SLOT_LEN - TAG_LEN, 0);
    let seal = key(1).derive("ledger", &[]).derive("ledger record", &salt);
    Cipher::gcm_siv(&seal).seal(position_nonce(0, 0), &front, &mut slot, SEALED_AT);
    let keys = LedgerKeys::new(BUNDLE, &key(1));
    let Ok(opened) = keys.open(&slot) else { return };
    let again = keys.seal(&opened, &Counting::new()).expect("what was read fits");
    let again = keys.open(&again).expect("what was written is read");
    assert_eq!(again.generation, opened.generation);
    assert_eq!(again.record.results(), opened.record.results());
    assert_eq!(
        again.record.signing_key().verifying_key(),
        opened.record.signing_key().verifying_key()
    );
    assert_eq!(again.record.later, opened.record.later, "what is of later stays");
}

pub(super) fn ledgers() -> Vec<Vec<u8>> {
    let mut record = LedgerRecord::new(&Counting::new());
    record.keep(KeptResult {
        made_s: 1,
        expires_s: 2,
        about: "aa11".to_owned(),
        envelope: "{}".to_owned(),
    });
    let json = serde_json::to_vec(&record).expect("plain fields always serialise");
    let mut plain = u32::try_from(json.len()).expect("short").to_le_bytes().to_vec();
    plain.extend_from_slice(&json);
    vec![plain]
}

/// A document that claims to be signed: nothing comes out but what was.
pub(super) fn envelope(input: &[u8]) {
    let Ok(envelope) = Envelope::parse(input) else {
        return;
    };
    let _ = envelope.unverified(CHECK_RESULT);
    let known = SigningKey::from_seed(&key(1)).verifying_key();
    if let Ok((payload, _)) = envelope.verify(CHECK_RESULT, [&known]) {
        assert_eq!(payload, SIGNED, "a signature holds for what was never signed");
    }
    let again = Envelope::parse(envelope.to_json().as_bytes());
    assert!(again.is_ok_and(|again| again == envelope));
}

const SIGNED: &[u8] = b"{\"format\":1}";

pub(super) fn envelopes() -> Vec<Vec<u8>> {
    let signed = Envelope::sign(CHECK_RESULT, SIGNED, &SigningKey::from_seed(&key(1)));
    vec![signed.to_json().into_bytes()]
}
