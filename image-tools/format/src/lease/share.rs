//! What a server does with shares (`docs/format/lease.md`, section 6): it makes them, knows them again by their names, and makes the question that a
//! stick answers before it gets one.
//!
//! The server keeps no share. A share follows from the server's secret, the stick and the share's name; the name, which the stick keeps beside its key
//! slots, says under the server's own seal which number it has and by which key the stick proves its passphrase. So a server that was put back to an
//! earlier state gives every share that it ever made, also those that it does not remember, and by the passphrase that goes with them.
//!
//! Whether a stick may have its share (it was not cut off, the share is not one from before) is for the server's rows to say.

use crate::{
    crypto::{Cipher, Key, TAG_LEN, position_nonce},
    digest::Digest,
    ids::BundleId,
    keyslot::{SHARE_NAME_LEN, Share, ShareName},
    sign::VerifyingKey,
};

/// Bytes of a name's salt; number and key come after it, sealed.
const SALT: usize = 32;
const NUMBER: usize = 8;
const SEALED: usize = NUMBER + 32 + TAG_LEN;
const _: () = assert!(SALT + SEALED == SHARE_NAME_LEN);

/// Bytes of a question: its time, random ones, and those that only the server can make.
pub const QUESTION_LEN: usize = 8 + 16 + 32;
/// For how many seconds a question counts. A passphrase is hardened meanwhile on the weakest PC.
pub const QUESTION_S: u64 = 120;

/// Makes the shares of one stick, and knows them again.
pub struct ShareMint(Key);

/// A share that this server made.
pub struct Made {
    /// Rises with each share of the stick.
    pub number: u64,
    /// Whose signature proves that somebody typed the passphrase that goes with it.
    pub proof_key: VerifyingKey,
    /// The share itself.
    pub share: Share,
}

impl ShareMint {
    /// For a stick of a tenant, with the secret of the server.
    pub fn new(secret: &Key, tenant: &str, bundle: BundleId) -> Self {
        let tenant = Digest::of(tenant.as_bytes());
        Self(secret.derive("shares", &[&tenant.0[..], &bundle.0].concat()))
    }

    /// A fresh share of this number, for the passphrase with this proof, and its name. The salt is random.
    pub fn make(&self, number: u64, proof_key: &VerifyingKey, salt: [u8; SALT]) -> (ShareName, Share) {
        let mut said = [&number.to_le_bytes()[..], &proof_key.0].concat();
        self.seal(&salt).seal(position_nonce(0, 0), &[], &mut said, 0);
        let mut name = [0; SHARE_NAME_LEN];
        name[..SALT].copy_from_slice(&salt);
        name[SALT..].copy_from_slice(&said);
        (ShareName(name), self.share(&salt))
    }

    /// The share of this name, if this server made it for this stick.
    pub fn open(&self, name: &ShareName) -> Option<Made> {
        let (salt, sealed) = name.0.split_first_chunk::<SALT>()?;
        let mut sealed = <[u8; SEALED]>::try_from(sealed).ok()?;
        let said = self
            .seal(salt)
            .open(position_nonce(0, 0), &[], &mut sealed)
            .ok()?;
        let (number, key) = said.split_first_chunk::<NUMBER>()?;
        Some(Made {
            number: u64::from_le_bytes(*number),
            proof_key: VerifyingKey(key.try_into().ok()?),
            share: self.share(salt),
        })
    }

    /// A question for this stick, at the server's time; the nonce is random.
    pub fn question(&self, now_s: u64, nonce: [u8; 16]) -> [u8; QUESTION_LEN] {
        let said = [&now_s.to_le_bytes()[..], &nonce].concat();
        let mut question = [0; QUESTION_LEN];
        question[..said.len()].copy_from_slice(&said);
        question[said.len()..].copy_from_slice(self.mac(&said).as_bytes());
        question
    }

    /// Whether this server asked this of this stick, and not long ago.
    pub fn is_asked(&self, question: &[u8; QUESTION_LEN], now_s: u64) -> bool {
        let (said, mac) = question.split_at(QUESTION_LEN - 32);
        let asked_s = said.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        // Hashes are compared in constant time.
        let is_ours =
            <[u8; 32]>::try_from(mac).is_ok_and(|mac| self.mac(said) == blake3::Hash::from_bytes(mac));
        is_ours && asked_s.is_some_and(|asked_s| asked_s.abs_diff(now_s) <= QUESTION_S)
    }

    /// Each name has a salt of its own, so the key seals once.
    fn seal(&self, salt: &[u8; SALT]) -> Cipher {
        Cipher::gcm_siv(&self.0.derive("share name", salt))
    }

    fn share(&self, salt: &[u8; SALT]) -> Share {
        Share::from_bytes(*self.0.derive("share", salt).expose())
    }

    fn mac(&self, said: &[u8]) -> blake3::Hash {
        self.0.derive("share question", &[]).mac(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: VerifyingKey = VerifyingKey([7; 32]);

    fn mint(secret: u8, tenant: &str, bundle: u8) -> ShareMint {
        ShareMint::new(&Key::from_bytes([secret; 32]), tenant, BundleId([bundle; 16]))
    }

    #[test]
    fn a_name_leads_to_its_share_at_its_own_server_and_stick_alone() {
        let ours = mint(1, "acme", 1);
        let (name, share) = ours.make(41, &KEY, [1; SALT]);
        let made = ours.open(&name).unwrap();
        assert_eq!((made.number, made.proof_key), (41, KEY));
        assert!(made.share == share);
        for other in [mint(2, "acme", 1), mint(1, "other", 1), mint(1, "acme", 2)] {
            assert!(other.open(&name).is_none());
        }
        for at in 0..SHARE_NAME_LEN {
            let mut changed = name;
            changed.0[at] ^= 1;
            assert!(ours.open(&changed).is_none(), "byte {at}");
        }
    }

    #[test]
    fn names_and_shares_are_fresh_and_a_name_tells_nothing() {
        let ours = mint(1, "acme", 1);
        let (one, first) = ours.make(1, &KEY, [1; SALT]);
        let (other, second) = ours.make(1, &KEY, [2; SALT]);
        assert!(one != other && first != second);
        assert!(
            !one.0
                .windows(32)
                .any(|bytes| bytes == KEY.0 || bytes == first.expose())
        );
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<ShareName>(&text).unwrap(), one);
        assert!(serde_json::from_str::<ShareName>("\"AAAA\"").is_err());
    }

    #[test]
    fn a_question_counts_for_two_minutes_and_one_stick() {
        let ours = mint(1, "acme", 1);
        let question = ours.question(1_000, [1; 16]);
        assert!(ours.is_asked(&question, 1_000) && ours.is_asked(&question, 1_000 + QUESTION_S));
        assert!(
            !ours.is_asked(&question, 1_001 + QUESTION_S)
                && !ours.is_asked(&question, 1_000 - QUESTION_S - 1)
        );
        assert!(!mint(1, "acme", 2).is_asked(&question, 1_000));
        for at in 0..QUESTION_LEN {
            let mut changed = question;
            changed[at] ^= 1;
            assert!(!ours.is_asked(&changed, 1_000), "byte {at}");
        }
    }
}
