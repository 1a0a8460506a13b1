//! Signed results: whose they are, whether they still count.

use gobag_bundle::repository::{Access, StickEntry};
use gobag_checklists::coverage::SignedBy;
use gobag_format::{
    envelope::{CHECK_RESULT, Envelope},
    sign::VerifyingKey,
};
use gobag_term::CliError;
use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;

use crate::{args::OrgArgs, error::OrExplain, office::Office};

/// The field that a signed document has and a plain result has not.
const MARK: &str = "payloadType";

/// Sticks whose word counts.
pub(super) struct Sticks(Vec<(VerifyingKey, StickEntry)>);

/// Of a signed result, what is looked at here.
#[derive(Deserialize)]
struct Validity {
    bundle: String,
    made_s: u64,
    expires_s: u64,
}

/// The longest that a result may say of itself that it counts.
const MOST_LASTS_S: u64 = 90 * 86_400;
/// How far a computer's clock may be ahead of IT's.
const AHEAD_S: u64 = 86_400;

impl Sticks {
    /// Those in the organisation's register.
    pub(super) fn of(org: &OrgArgs) -> Result<Self, CliError> {
        let office = Office::open(org, Access::Shared)?;
        let sticks = office.repository.sticks().or_explain()?.into_iter();
        Ok(Self(
            sticks.filter_map(|stick| Some((stick.key?, stick))).collect(),
        ))
    }
}

/// The result in a file, and who vouches for it; or why it does not count, in words.
pub(super) fn opened(
    bytes: Vec<u8>,
    sticks: Option<&Sticks>,
    now_s: u64,
) -> Result<(Vec<u8>, SignedBy), String> {
    let is_signed =
        serde_json::from_slice::<serde_json::Value>(&bytes).is_ok_and(|json| json.get(MARK).is_some());
    if !is_signed {
        return Ok((bytes, SignedBy::Nobody));
    }
    let envelope = Envelope::parse(&bytes).map_err(|error| error.to_string())?;
    let Some(Sticks(known)) = sticks else {
        let payload = envelope
            .unverified(CHECK_RESULT)
            .map_err(|error| error.to_string())?;
        unexpired(&payload, now_s)?;
        return Ok((payload, SignedBy::NotChecked));
    };
    let keys = known.iter().map(|(key, _)| key);
    let (payload, key) = envelope.verify(CHECK_RESULT, keys).map_err(|error| match error {
        gobag_format::envelope::EnvelopeError::BadSignature => {
            "its signature is of no stick in the register, or it was altered".to_owned()
        }
        other => other.to_string(),
    })?;
    let named = unexpired(&payload, now_s)?;
    let stick = known
        .iter()
        .find(|(known, _)| known == key)
        .map(|(_, stick)| stick);
    match stick.filter(|stick| stick.bundle.to_string() == named) {
        Some(stick) => Ok((payload, SignedBy::Stick(stick.user.clone()))),
        None => Err("it names another stick than the one that signed it".to_owned()),
    }
}

/// The stick that a result names, if it still counts.
fn unexpired(payload: &[u8], now_s: u64) -> Result<String, String> {
    let validity: Validity =
        serde_json::from_slice(payload).map_err(|error| format!("not a result: {error}"))?;
    let Validity {
        bundle,
        made_s,
        expires_s,
    } = validity;
    if made_s > now_s.saturating_add(AHEAD_S) {
        return Err(format!(
            "it says that it was made on {}: the computer's clock was wrong",
            day(made_s)
        ));
    }
    if expires_s > made_s.saturating_add(MOST_LASTS_S) {
        return Err("it says that it counts for longer than results do".to_owned());
    }
    match now_s < expires_s {
        true => Ok(bundle),
        false => Err(format!("it expired on {}", day(expires_s))),
    }
}

fn day(seconds: u64) -> String {
    let moment = i64::try_from(seconds)
        .ok()
        .and_then(|s| Timestamp::from_second(s).ok());
    moment.map_or_else(
        || "a day that has no date".to_owned(),
        |moment| moment.to_zoned(TimeZone::UTC).date().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use gobag_format::{
        crypto::Key,
        ids::{BundleId, ImageId},
        sign::SigningKey,
    };

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&Key::from_bytes([seed; 32]))
    }

    fn sticks() -> Sticks {
        let entry = |number: u8, user: &str| StickEntry {
            bundle: BundleId([number; 16]),
            user: user.to_owned(),
            image: "office".to_owned(),
            version: 1,
            image_id: ImageId([9; 16]),
            written_s: 1,
            key: Some(key(number).verifying_key()),
            code_key: None,
        };
        let entries = [entry(1, "alice"), entry(2, "bob")];
        Sticks(
            entries
                .into_iter()
                .map(|stick| (key(stick.bundle.0[0]).verifying_key(), stick))
                .collect(),
        )
    }

    fn result(named: u8, signer: u8) -> Vec<u8> {
        let payload = format!(
            "{{\"bundle\":\"{}\",\"made_s\":1,\"expires_s\":100}}",
            BundleId([named; 16])
        );
        Envelope::sign(CHECK_RESULT, payload.as_bytes(), &key(signer))
            .to_json()
            .into_bytes()
    }

    #[test]
    fn a_result_counts_as_its_sticks_until_it_expires() {
        let sticks = sticks();
        let who = |bytes, now_s| opened(bytes, Some(&sticks), now_s).map(|(_, who)| who);
        assert_eq!(who(result(2, 2), 99), Ok(SignedBy::Stick("bob".to_owned())));
        assert_eq!(who(result(2, 2), 100), Err("it expired on 1970-01-01".to_owned()));
        assert!(
            who(result(3, 3), 99)
                .unwrap_err()
                .contains("no stick in the register")
        );
        assert!(who(result(2, 1), 99).unwrap_err().contains("another stick"));
        let mut altered: Envelope = Envelope::parse(&result(2, 2)).unwrap();
        assert_eq!(altered, altered.clone());
        let text = String::from_utf8(result(2, 2)).unwrap().replace("eyJ", "eyI");
        altered = Envelope::parse(text.as_bytes()).unwrap();
        assert!(who(altered.to_json().into_bytes(), 99).is_err());
    }

    #[test]
    fn dates_that_cannot_be_do_not_count() {
        let of = |made_s: u64, expires_s: u64| {
            let bundle = BundleId([2; 16]);
            let payload =
                format!("{{\"bundle\":\"{bundle}\",\"made_s\":{made_s},\"expires_s\":{expires_s}}}");
            let signed = Envelope::sign(CHECK_RESULT, payload.as_bytes(), &key(2)).to_json();
            opened(signed.into_bytes(), Some(&sticks()), 1_000_000).map(drop)
        };
        assert_eq!(of(999_000, 999_000 + MOST_LASTS_S), Ok(()));
        assert!(
            of(999_000, 999_001 + MOST_LASTS_S)
                .unwrap_err()
                .contains("longer")
        );
        assert!(of(1, u64::MAX).unwrap_err().contains("longer"));
        assert!(of(u64::MAX - 5, u64::MAX).unwrap_err().contains("clock"));
        assert_eq!(of(1_000_000 + AHEAD_S, 1_000_001 + AHEAD_S), Ok(()));
    }

    #[test]
    fn without_a_register_a_signature_is_not_checked_and_a_plain_result_is_what_it_is() {
        let (payload, who) = opened(result(3, 3), None, 99).unwrap();
        assert_eq!(who, SignedBy::NotChecked);
        assert!(payload.starts_with(b"{\"bundle\""));
        assert!(opened(result(3, 3), None, 100).is_err());
        let plain = b"{\"facts\":{}}".to_vec();
        assert_eq!(
            opened(plain.clone(), Some(&sticks()), 0),
            Ok((plain, SignedBy::Nobody))
        );
    }
}
