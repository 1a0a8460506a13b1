//! What a stick holds of the company: where it is, who the stick is there, and until when it may be started without it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{LedgerError, LedgerRecord};
use crate::{
    envelope::{Envelope, EnvelopeError},
    ids::RenewalId,
    lease::{Held, LeaseError, renewal::RenewalToken},
    limits::{MAX_CERTIFICATE_LEN, MAX_KEPT_EXTENSIONS, MAX_KEPT_LEASE_LEN, MAX_SERVER_LEN, MAX_SERVERS},
};

/// The company's server, and who the stick is to it; there since the stick was enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Company {
    /// Where it answers, `host:port`; the first is tried first.
    pub servers: Vec<String>,
    /// The organisation's CA, PEM: the only root that counts.
    pub ca: String,
    /// What the company is called there.
    pub tenant: String,
    /// The stick's certificate, PEM.
    pub certificate: String,
    /// When it ends, seconds since 1970 UTC by the server's clock.
    pub certificate_ends_s: u64,
    /// Fields of later versions.
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

/// How the next lease is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// The token that counts.
    pub token: RenewalToken,
    /// The attempt that was begun with it; noted before it is made, gone with the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RenewalId>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

impl LedgerRecord {
    /// What it holds of leases, to be judged ([`crate::lease::judge`]).
    pub fn held(&self) -> Result<Held, LeaseError> {
        let lease = self.lease.as_deref().map(kept).transpose()?;
        // One that is none is passed over: another may do.
        let extensions = self.extensions.iter().filter_map(|text| kept(text).ok());
        Ok(Held {
            lease,
            extensions: extensions.collect(),
            phoned_until_s: self.phone.until_s,
            high_water_s: self.high_water_s,
            revoked: self.revoked,
        })
    }

    /// Takes over a lease, and the token for the next one.
    pub fn renewed(&mut self, lease: &Envelope, token: RenewalToken) -> Result<(), EnvelopeError> {
        self.lease = Some(keepable(lease)?);
        self.renewal = Some(Renewal {
            token,
            request: None,
            later: Map::new(),
        });
        Ok(())
    }

    /// Keeps an extension, joined with a kept one of the same words; the oldest go where there are more than
    /// [`MAX_KEPT_EXTENSIONS`].
    pub fn extend(&mut self, extension: &Envelope) -> Result<(), EnvelopeError> {
        let mut joined = extension.clone();
        // Of other words, or of more signatures than one document has: each stays by itself.
        self.extensions
            .retain(|text| !kept(text).is_ok_and(|before| joined.join(&before).is_ok()));
        let text = keepable(&joined)?;
        self.extensions.push(text);
        let surplus = self.extensions.len().saturating_sub(MAX_KEPT_EXTENSIONS);
        self.extensions.drain(..surplus);
        Ok(())
    }

    /// Nothing is larger than its limit.
    pub(super) fn check_company(&self) -> Result<(), LedgerError> {
        let lease = self.lease.iter().chain(&self.extensions);
        let fits = lease.clone().all(|text| text.len() <= MAX_KEPT_LEASE_LEN)
            && self.extensions.len() <= MAX_KEPT_EXTENSIONS
            && self.company.as_ref().is_none_or(Company::fits);
        match fits {
            true => Ok(()),
            false => Err(LedgerError::Damaged),
        }
    }
}

impl Company {
    /// Whether nothing of it is larger than its limit.
    pub fn fits(&self) -> bool {
        self.servers.len() <= MAX_SERVERS
            && self.servers.iter().all(|server| server.len() <= MAX_SERVER_LEN)
            && [&self.ca, &self.certificate]
                .iter()
                .all(|pem| pem.len() <= MAX_CERTIFICATE_LEN)
    }
}

fn kept(text: &str) -> Result<Envelope, LeaseError> {
    Ok(Envelope::parse(text.as_bytes())?)
}

fn keepable(envelope: &Envelope) -> Result<String, EnvelopeError> {
    let text = envelope.to_json();
    match text.len() <= MAX_KEPT_LEASE_LEN {
        true => Ok(text),
        false => Err(EnvelopeError::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::Key, sign::SigningKey, testing::Fixed};

    fn envelope(len: usize, fill: u8) -> Envelope {
        let key = SigningKey::from_seed(&Key::from_bytes([1; 32]));
        Envelope::sign("kind", &vec![fill; len], &key)
    }

    fn full() -> LedgerRecord {
        let mut record = LedgerRecord::new(&Fixed::new(1));
        record.company = Some(Company {
            servers: vec!["s".repeat(MAX_SERVER_LEN); MAX_SERVERS],
            ca: "c".repeat(MAX_CERTIFICATE_LEN),
            tenant: "acme".to_owned(),
            certificate: "c".repeat(MAX_CERTIFICATE_LEN),
            certificate_ends_s: u64::MAX,
            later: Map::new(),
        });
        let token: RenewalToken = serde_json::from_str("\"a token\"").unwrap();
        record.renewed(&envelope(12_000, 0), token).unwrap();
        for fill in 0..6 {
            record.extend(&envelope(12_000, fill)).unwrap();
        }
        record.high_water_s = u64::MAX;
        record
    }

    #[test]
    fn all_of_it_has_room_beside_the_largest_result() {
        let mut record = full();
        assert_eq!(record.extensions.len(), MAX_KEPT_EXTENSIONS);
        let held = record.held().unwrap();
        assert!(held.lease.is_some() && !held.revoked);
        // The two oldest went.
        assert_eq!(held.extensions[0], envelope(12_000, 2));
        record.keep(crate::ledger::KeptResult {
            made_s: 1,
            expires_s: 2,
            about: "a".to_owned(),
            envelope: "e".repeat(crate::limits::MAX_ENVELOPE_LEN),
        });
        let json = record.to_json();
        assert!(
            json.len() <= crate::limits::MAX_LEDGER_RECORD_LEN,
            "{}",
            json.len()
        );
        let back = LedgerRecord::from_json(&json).unwrap();
        assert_eq!(back.results().len(), 1);
        assert_eq!((back.company, back.renewal), (record.company, record.renewal));
    }

    #[test]
    fn what_is_over_a_limit_is_not_kept_and_not_read() {
        let mut record = full();
        assert!(record.extend(&envelope(MAX_KEPT_LEASE_LEN, 9)).is_err());
        assert!(record.extend(&envelope(12_000, 5)).is_ok());
        assert_eq!(
            record.extensions.len(),
            MAX_KEPT_EXTENSIONS,
            "the same again takes no place"
        );
        record.extensions.push("{}".to_owned());
        assert!(LedgerRecord::from_json(&record.to_json()).is_err());
        let mut record = full();
        record
            .company
            .as_mut()
            .unwrap()
            .servers
            .push("one more".to_owned());
        assert!(LedgerRecord::from_json(&record.to_json()).is_err());
        let mut record = full();
        record.lease = Some("x".repeat(MAX_KEPT_LEASE_LEN + 1));
        assert!(LedgerRecord::from_json(&record.to_json()).is_err());
    }

    #[test]
    fn a_ledger_of_before_the_company_has_none_and_later_fields_stay() {
        let record = LedgerRecord::new(&Fixed::new(1));
        let json = record.to_json();
        let text = std::str::from_utf8(&json).unwrap();
        for name in [
            "company",
            "lease",
            "high_water_s",
            "renewal",
            "extensions",
            "revoked",
        ] {
            assert!(!text.contains(name), "{text}");
        }
        assert_eq!(
            LedgerRecord::from_json(&json)
                .unwrap()
                .held()
                .unwrap()
                .high_water_s,
            0
        );
        let mut record = full();
        for later in [
            &mut record.company.as_mut().unwrap().later,
            &mut record.renewal.as_mut().unwrap().later,
        ] {
            later.insert("moon".to_owned(), Value::from("full"));
        }
        let back = LedgerRecord::from_json(&record.to_json()).unwrap();
        assert_eq!(back.company.unwrap().later["moon"], "full");
        assert_eq!(back.renewal.unwrap().later["moon"], "full");
    }
}
