//! What a ledger says.
//!
//! JSON, with unknown fields carried along, so that an older program that rewrites it loses nothing that a newer one put there.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Company, KeptPair, KeptWorkspace, LedgerError, NotedPoint, NotedPoints, Renewal};
use crate::{
    agree::{AgreementKey, AgreementPublic},
    crypto::{Key, Random},
    lease::phone::PhoneState,
    limits::{MAX_KEPT_RESULTS, MAX_LEDGER_RECORD_LEN},
    sign::{SigningKey, VerifyingKey},
};

/// The sealed part of a ledger.
#[derive(Clone, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// Seed of the stick's own signing key; drawn when the ledger is first written.
    stick_key: Key,
    /// How fast the stick was written when it was made, with a sync after each file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_bytes_per_s: Option<u64>,
    /// Results of checks that wait for the company, oldest first.
    #[serde(default)]
    results: Vec<KeptResult>,
    /// The company's server, if the stick was enrolled there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<Company>,
    /// The last lease ([`crate::lease::Lease`]), a signed document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// The latest moment that is known to have been, seconds since 1970 UTC; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub high_water_s: u64,
    /// How the next lease is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Renewal>,
    /// Officers' extensions, signed documents, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
    /// The company cut the stick off; noted before its keys are erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// IT is bringing a lost stick's state onto this one, or was interrupted: it holds a mixture and must not be started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// The last point of the stick's replica by which changes were confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<NotedPoint>,
    /// Complete points from before it, oldest first: see [`noted`](super::noted), and [`LedgerRecord::noted_before`] for reading them.
    #[serde(default, skip_serializing_if = "NotedPoints::is_empty")]
    pub replica_before: NotedPoints,
    /// Extensions over the telephone.
    #[serde(default)]
    pub phone: PhoneState,
    /// Workspaces whose keys the stick has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) workspaces: Vec<KeptWorkspace>,
    /// Folders that are kept the same as something, the one that was paired last at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pairs: Vec<KeptPair>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

/// What others know of a stick's own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StickKeys {
    /// Verifies what it signs.
    pub signing: VerifyingKey,
    /// Agrees with officers on the key of their codes.
    pub codes: AgreementPublic,
}

/// A signed result that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptResult {
    /// When it was made, seconds since 1970 UTC.
    pub made_s: u64,
    /// When it no longer counts.
    pub expires_s: u64,
    /// The pseudonym of what it is about; a newer result about the same takes its place.
    pub about: String,
    /// The signed document ([`crate::envelope`]).
    pub envelope: String,
}

impl LedgerRecord {
    /// One that says nothing yet, with a fresh key.
    pub fn new(random: &dyn Random) -> Self {
        Self {
            stick_key: Key::generate(random),
            write_bytes_per_s: None,
            results: Vec::new(),
            company: None,
            lease: None,
            high_water_s: 0,
            renewal: None,
            extensions: Vec::new(),
            revoked: false,
            unfinished: false,
            replica: None,
            replica_before: NotedPoints::default(),
            phone: PhoneState::default(),
            workspaces: Vec::new(),
            pairs: Vec::new(),
            later: Map::new(),
        }
    }

    /// The stick's own key.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(&self.stick_key)
    }

    /// What that key comes from, for whoever signs by it where the ledger is not open.
    pub fn signing_seed(&self) -> Key {
        self.stick_key.clone()
    }

    /// What it agrees with officers' keys by ([`crate::lease::phone`]).
    pub fn code_key(&self) -> AgreementKey {
        AgreementKey::from_seed(&self.stick_key.derive("stick codes", &[]))
    }

    /// The public halves of its keys.
    pub fn public_keys(&self) -> StickKeys {
        StickKeys {
            signing: self.signing_key().verifying_key(),
            codes: self.code_key().public(),
        }
    }

    /// Results that wait, oldest first.
    pub fn results(&self) -> &[KeptResult] {
        &self.results
    }

    /// Adds a result. One about the same computer goes, and the oldest ones do where there are more than
    /// [`MAX_KEPT_RESULTS`] or no room for them.
    pub fn keep(&mut self, result: KeptResult) {
        self.results.retain(|kept| kept.about != result.about);
        self.results.push(result);
        while self.results.len() > 1
            && (self.results.len() > MAX_KEPT_RESULTS || self.to_json().len() > MAX_LEDGER_RECORD_LEN)
        {
            self.results.remove(0);
        }
    }

    /// The company keeps `point`, and everything that was sent is in it.
    pub fn note(&mut self, point: NotedPoint) {
        if !self.knows_before() {
            self.replica_before = NotedPoints::default();
        }
        let point = NotedPoint {
            knows_before: true,
            ..point
        };
        let before = self.replica.replace(point);
        self.replica_before.push(before, point.generation);
    }

    /// Complete points from before the last one, newest first; none where that was noted by a program that does not know of them.
    pub fn noted_before(&self) -> impl Iterator<Item = NotedPoint> + '_ {
        self.replica_before.newest_first().filter(|_| self.knows_before())
    }

    fn knows_before(&self) -> bool {
        self.replica.is_some_and(|noted| noted.knows_before)
    }

    /// The log has lost records, and gives their numbers and those of uses of segments to others: no point from before says any more since
    /// when something changed.
    pub fn forget_before(&mut self) {
        self.replica_before = NotedPoints::default();
        if let Some(noted) = &mut self.replica {
            noted.segment_use = None;
        }
    }

    /// Forgets these results: the company has them.
    pub fn delivered(&mut self, results: &[KeptResult]) {
        self.results.retain(|kept| !results.contains(kept));
    }

    pub(super) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        // Of a vector that grows, parts with the key would stay behind.
        let mut json = Zeroizing::new(Vec::with_capacity(2 * MAX_LEDGER_RECORD_LEN));
        serde_json::to_writer(&mut *json, self).expect("plain fields always serialise");
        json
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self, LedgerError> {
        let record: Self = serde_json::from_slice(json).map_err(|_| LedgerError::Damaged)?;
        record.check_company()?;
        record.check_shared()?;
        match record.results.len() <= MAX_KEPT_RESULTS && record.replica_before.is_sane() {
            true => Ok(record),
            false => Err(LedgerError::Damaged),
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixed;

    fn result(about: &str, made_s: u64, len: usize) -> KeptResult {
        KeptResult {
            made_s,
            expires_s: made_s + 1,
            about: about.to_owned(),
            envelope: "e".repeat(len),
        }
    }

    fn kept(record: &LedgerRecord) -> Vec<(&str, u64)> {
        let results = record.results().iter();
        results.map(|kept| (kept.about.as_str(), kept.made_s)).collect()
    }

    #[test]
    fn the_newest_result_of_each_computer_is_kept_and_the_oldest_goes() {
        let mut record = LedgerRecord::new(&Fixed::new(1));
        for (about, made_s) in [("a", 1), ("b", 2), ("a", 3)] {
            record.keep(result(about, made_s, 10));
        }
        assert_eq!(kept(&record), [("b", 2), ("a", 3)]);
        for made_s in 4..4 + MAX_KEPT_RESULTS as u64 {
            record.keep(result(&format!("c{made_s}"), made_s, 10));
        }
        assert_eq!(record.results().len(), MAX_KEPT_RESULTS);
        assert_eq!(kept(&record)[0], ("c4", 4));
    }

    #[test]
    fn large_results_push_others_out_rather_than_not_fit() {
        let mut record = LedgerRecord::new(&Fixed::new(1));
        for made_s in 0..3 {
            record.keep(result(
                &made_s.to_string(),
                made_s,
                MAX_LEDGER_RECORD_LEN / 2 - 1000,
            ));
        }
        assert_eq!(kept(&record), [("1", 1), ("2", 2)]);
        assert!(record.to_json().len() <= MAX_LEDGER_RECORD_LEN);
    }

    #[test]
    fn what_was_delivered_goes_and_what_came_meanwhile_stays() {
        let mut record = LedgerRecord::new(&Fixed::new(1));
        record.keep(result("a", 1, 10));
        let sent = record.results().to_vec();
        record.keep(result("a", 2, 10));
        record.keep(result("b", 3, 10));
        record.delivered(&sent);
        assert_eq!(kept(&record), [("a", 2), ("b", 3)]);
        let sent = record.results().to_vec();
        record.delivered(&sent);
        assert!(record.results().is_empty());
    }

    #[test]
    fn fields_of_later_versions_are_carried_along() {
        let mut record = LedgerRecord::new(&Fixed::new(1));
        record.later.insert("moon".to_owned(), Value::from("later"));
        let mut back = LedgerRecord::from_json(&record.to_json()).unwrap();
        back.keep(result("a", 1, 10));
        let again = LedgerRecord::from_json(&back.to_json()).unwrap();
        assert_eq!(again.later["moon"], "later");
        assert_eq!(
            again.signing_key().verifying_key(),
            record.signing_key().verifying_key()
        );
    }

    /// It replaces `replica` by its own words, and keeps what it does not know.
    #[test]
    fn points_that_a_program_kept_without_knowing_them_do_not_count() {
        let mut record = LedgerRecord::new(&Fixed::new(1));
        let point = |generation| NotedPoint {
            generation,
            point: crate::ids::PointId([generation as u8; 16]),
            sequence: generation,
            segment_use: Some(generation),
            knows_before: false,
        };
        let before = |record: &LedgerRecord| -> Vec<u64> {
            record.noted_before().map(|point| point.generation).collect()
        };
        (1..4).for_each(|generation| record.note(point(generation)));
        assert_eq!(before(&record), [2, 1]);
        let read = LedgerRecord::from_json(&record.to_json()).unwrap();
        assert_eq!(before(&read), [2, 1]);
        record.replica = Some(NotedPoint {
            segment_use: None,
            ..point(4)
        });
        assert!(before(&record).is_empty());
        record.note(point(5));
        assert!(before(&record).is_empty());
        record.note(point(6));
        assert_eq!(before(&record), [5]);
    }
}
