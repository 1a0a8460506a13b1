//! The card of the company on a stick that wants a share: where to ask for it, before anything is unlocked (`docs/format/lease.md`, section 6).
//!
//! Everybody can read it and write another one. So nothing depends on it but whom a locked stick asks, what it says is compared with the ledger as soon
//! as that can be read, and a proof of the passphrase is made for one company's CA (`gobag-protocol`, `share`).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    ledger::Company,
    limits::{CARD_LEN, MAX_CERTIFICATE_LEN, MAX_SERVER_LEN, MAX_SERVERS, MAX_TENANT_LEN},
};

const MAGIC: &[u8; 8] = b"GOBAGCRD";
const FORMAT: u16 = 1;
/// Magic, format and length of the text; then the text, zeros, and BLAKE3 of all before it.
const TEXT_AT: usize = 14;
const CHECK_AT: usize = CARD_LEN - 32;

/// Where a stick's company is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Where its server answers, `host:port`.
    pub servers: Vec<String>,
    /// The organisation's CA, PEM.
    pub ca: String,
    /// What the company is called there.
    pub tenant: String,
}

/// What was read is no card.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CardError {
    /// Not whole, or not one at all.
    #[error("the stick's word on where its company is, is damaged")]
    Damaged,
    /// A later version wrote it.
    #[error("the stick's word on where its company is, is of a newer version")]
    Newer,
    /// More than a card holds.
    #[error("the address of the company is too long")]
    TooLarge,
}

impl CardError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Damaged => "card.damaged",
            Self::Newer => "card.newer-format",
            Self::TooLarge => "card.too-large",
        }
    }
}

impl Card {
    /// What a stick holds of its company, as far as it is for everybody.
    pub fn of(company: &Company) -> Self {
        Self {
            servers: company.servers.clone(),
            ca: company.ca.clone(),
            tenant: company.tenant.clone(),
        }
    }

    /// Its file's bytes, [`CARD_LEN`] of them.
    pub fn encode(&self) -> Result<Vec<u8>, CardError> {
        let text = serde_json::to_vec(self).map_err(|_| CardError::TooLarge)?;
        if !self.fits() || text.len() > CHECK_AT - TEXT_AT {
            return Err(CardError::TooLarge);
        }
        let mut bytes = vec![0; CARD_LEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[10..TEXT_AT].copy_from_slice(&(text.len() as u32).to_le_bytes());
        bytes[TEXT_AT..TEXT_AT + text.len()].copy_from_slice(&text);
        let check = blake3::hash(&bytes[..CHECK_AT]);
        bytes[CHECK_AT..].copy_from_slice(check.as_bytes());
        Ok(bytes)
    }

    /// Reads it back.
    pub fn decode(bytes: &[u8]) -> Result<Self, CardError> {
        if bytes.len() != CARD_LEN || &bytes[..8] != MAGIC {
            return Err(CardError::Damaged);
        }
        if u16::from_le_bytes([bytes[8], bytes[9]]) != FORMAT {
            return Err(CardError::Newer);
        }
        let len = u32::from_le_bytes([bytes[10], bytes[11], bytes[12], bytes[13]]) as usize;
        if len > CHECK_AT - TEXT_AT || blake3::hash(&bytes[..CHECK_AT]).as_bytes() != &bytes[CHECK_AT..] {
            return Err(CardError::Damaged);
        }
        let card: Self =
            serde_json::from_slice(&bytes[TEXT_AT..TEXT_AT + len]).map_err(|_| CardError::Damaged)?;
        card.fits().then_some(card).ok_or(CardError::Damaged)
    }

    fn fits(&self) -> bool {
        (1..=MAX_SERVERS).contains(&self.servers.len())
            && self.servers.iter().all(|server| server.len() <= MAX_SERVER_LEN)
            && self.ca.len() <= MAX_CERTIFICATE_LEN
            && self.tenant.len() <= MAX_TENANT_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        Card {
            servers: vec!["s".repeat(MAX_SERVER_LEN); MAX_SERVERS],
            ca: "c\n".repeat(MAX_CERTIFICATE_LEN / 2),
            tenant: "t".repeat(MAX_TENANT_LEN),
        }
    }

    #[test]
    fn the_largest_card_has_room_and_is_read_as_it_was_written() {
        let bytes = card().encode().unwrap();
        assert_eq!(bytes.len(), CARD_LEN);
        assert_eq!(Card::decode(&bytes).unwrap(), card());
    }

    #[test]
    fn what_is_altered_cut_or_too_large_is_none() {
        let bytes = card().encode().unwrap();
        for at in [0, 10, 13, TEXT_AT, TEXT_AT + 500, CHECK_AT - 1, CARD_LEN - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 0x80;
            assert_eq!(Card::decode(&changed), Err(CardError::Damaged), "byte {at}");
        }
        assert_eq!(Card::decode(&bytes[..CARD_LEN - 1]), Err(CardError::Damaged));
        assert_eq!(Card::decode(&[]), Err(CardError::Damaged));
        let mut later = bytes;
        later[8] = 2;
        assert_eq!(Card::decode(&later), Err(CardError::Newer));
        let changes: [fn(&mut Card); 4] = [
            |card| card.servers.clear(),
            |card| card.servers.push("s".to_owned()),
            |card| card.ca.push('c'),
            |card| card.tenant.push('t'),
        ];
        for change in changes {
            let mut other = card();
            change(&mut other);
            assert_eq!(other.encode(), Err(CardError::TooLarge));
        }
    }
}
