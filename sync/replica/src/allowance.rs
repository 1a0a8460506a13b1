//! What may be sent now, and how fast: IT's rules, the person's word, and what the network costs. Pure.
//!
//! IT's rules stand in the signed manifest's policy, under `replication` ([`ReplicationPolicy`]); the person says theirs at the start
//! ([`Wish`]). **The stricter counts**, with one exception: that a network is metered costs the person, not the company, so the person may lift
//! that rule ([`Wish::Anything`]), and no other.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The key in a manifest's policy.
pub const REPLICATION: &str = "replication";
/// Most windows that one policy may name.
const MAX_WINDOWS: usize = 64;
/// More than this, waiting on a metered network, is no longer counted as changes: days without a network, or everything anew.
const MOST_METERED_BYTES: u64 = 1 << 30;
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// What IT says of replication. A word that is not known is ignored here, and refused where IT writes it ([`ReplicationPolicy::unknown`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicationPolicy {
    /// Most bytes a second that leave, at all times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_bytes_per_s: Option<u64>,
    /// The same by time of day. Of several that hold, the lowest counts.
    pub upload_limits: Vec<Window>,
    /// What becomes of it on a network that costs by the byte.
    pub metered: MeteredRule,
    /// Bytes a second there, with [`MeteredRule::Limit`].
    pub metered_bytes_per_s: u64,
    /// Seconds that changes may gather without the company getting them, until it is said.
    pub rpo_target_s: u64,
    /// Seconds between two bookmarks by the clock, for which the guest's agent holds its file systems still; 0 for none.
    pub bookmark_every_s: u64,
}

impl Default for ReplicationPolicy {
    fn default() -> Self {
        Self {
            upload_bytes_per_s: None,
            upload_limits: Vec::new(),
            metered: MeteredRule::default(),
            metered_bytes_per_s: 100_000,
            rpo_target_s: 3600,
            bookmark_every_s: 3600,
        }
    }
}

/// A part of each day, and how fast bytes may leave in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// From this minute on, by the clock of the computer that the stick is in.
    pub from: TimeOfDay,
    /// Until before this one; on the next day if it is not later than `from`.
    pub to: TimeOfDay,
    /// Bytes a second; 0: nothing is sent.
    pub bytes_per_s: u64,
}

impl Window {
    fn holds_at(&self, minute: u16) -> bool {
        let (from, to) = (self.from.0, self.to.0);
        match from < to {
            true => (from..to).contains(&minute),
            false => minute >= from || minute < to,
        }
    }
}

/// A minute of the day, written `08:30`; `24:00` is its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = |part: &str| {
            let is_two = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            is_two.then(|| part.parse::<u16>().ok()).flatten()
        };
        let parts = text.split_once(':');
        let parts = parts.and_then(|(hours, minutes)| Some((digits(hours)?, digits(minutes)?)));
        match parts {
            Some((hours, minutes)) if minutes < 60 && hours * 60 + minutes <= DAY => {
                Ok(Self(hours * 60 + minutes))
            }
            _ => Err(format!("`{text}` is no time of day like 08:30")),
        }
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        format!("{:02}:{:02}", time.0 / 60, time.0 % 60)
    }
}

/// What becomes of replication on a network that costs by the byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeteredRule {
    /// Nothing is sent.
    Pause,
    /// What changed is sent; a first copy, and whatever else is more than a gigabyte, waits. The rule unless IT says otherwise: a day's changes
    /// are small and would be lost with the stick, a first copy is most of a month's volume.
    #[default]
    Changes,
    /// Everything is sent, slowly.
    Limit,
    /// It is as any other.
    Ignore,
    /// A rule that this program does not know; as [`MeteredRule::Changes`].
    #[serde(other)]
    Unknown,
}

/// IT's words on replication cannot be used.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("the image's policy for replication cannot be used: {reason}")]
pub struct ReplicationPolicyError {
    /// What is wrong with it.
    pub reason: String,
}

impl ReplicationPolicyError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        "replica.policy"
    }
}

impl ReplicationPolicy {
    /// What a manifest's policy says; the usual where it says nothing.
    pub fn of_policy(policy: &serde_json::Value) -> Result<Self, ReplicationPolicyError> {
        let Some(stated) = policy.get(REPLICATION).filter(|stated| !stated.is_null()) else {
            return Ok(Self::default());
        };
        let unusable = |reason: String| ReplicationPolicyError { reason };
        let policy = Self::deserialize(stated).map_err(|error| unusable(error.to_string()))?;
        match policy.upload_limits.len() {
            ..=MAX_WINDOWS => Ok(policy),
            count => Err(unusable(format!(
                "{count} upload limits; {MAX_WINDOWS} are the most"
            ))),
        }
    }

    /// The first word of a policy that this program would ignore: where IT writes it, it is a mistake.
    pub fn unknown(policy: &serde_json::Value) -> Option<String> {
        let stated = policy.get(REPLICATION)?.as_object()?;
        let known = serde_json::to_value(Self {
            upload_bytes_per_s: Some(0),
            ..Self::default()
        });
        let known = known.unwrap_or_default();
        let word = stated.keys().find(|word| known.get(word).is_none());
        let rule = stated.get("metered").and_then(|rule| rule.as_str());
        let is_unknown = |rule: &&str| {
            let read: Result<MeteredRule, serde::de::value::Error> =
                MeteredRule::deserialize(serde::de::value::StrDeserializer::new(rule));
            read == Ok(MeteredRule::Unknown)
        };
        word.cloned().or(rule.filter(is_unknown).map(str::to_owned))
    }
}

/// What the person said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    #[default]
    Usual,
    /// At most so many bytes a second.
    AtMost(u64),
    /// As fast as IT lets it, on every network.
    Anything,
}

/// Whether bytes cost something on the network that the computer uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Metered {
    /// They do, or the system guesses so.
    Yes,
    /// They do not, or the system guesses so.
    No,
    /// Nobody knows; it counts as not metered.
    #[default]
    Unknown,
}

/// What is around the stick at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Minutes since midnight, on the computer's clock.
    pub minute: u16,
    /// What its network costs.
    pub metered: Metered,
}

/// What there is to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether the company ever had a complete copy.
    pub first_copied: bool,
    /// Bytes that it does not have.
    pub unsent_bytes: u64,
}

/// Whose rule it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// IT's, at all times.
    Policy,
    /// IT's, at this time of day.
    Schedule,
    /// IT's, for networks that cost by the byte.
    Metered,
    /// The person's.
    Person,
    /// One that this program does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// Everything, at most so fast.
    Send(Option<Limit>),
    /// Nothing.
    Wait(Why),
}

/// How fast bytes may leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limit {
    /// Bytes a second.
    pub bytes_per_s: u64,
    /// By whose rule.
    pub by: Why,
}

/// What may be sent now: the strictest of all rules that hold.
pub fn allowance(
    policy: &ReplicationPolicy,
    wish: Wish,
    around: Surroundings,
    standing: Standing,
) -> Allowance {
    let mut limits = Vec::new();
    let mut limit = |bytes_per_s, by| limits.push(Limit { bytes_per_s, by });
    policy
        .upload_bytes_per_s
        .into_iter()
        .for_each(|rate| limit(rate, Why::Policy));
    policy
        .upload_limits
        .iter()
        .filter(|window| window.holds_at(around.minute))
        .for_each(|window| limit(window.bytes_per_s, Why::Schedule));
    if let Wish::AtMost(rate) = wish {
        limit(rate, Why::Person);
    }
    if around.metered == Metered::Yes && wish != Wish::Anything {
        let are_changes = standing.first_copied && standing.unsent_bytes <= MOST_METERED_BYTES;
        match policy.metered {
            MeteredRule::Pause => return Allowance::Wait(Why::Metered),
            MeteredRule::Changes | MeteredRule::Unknown if !are_changes => {
                return Allowance::Wait(Why::Metered);
            }
            MeteredRule::Limit => limit(policy.metered_bytes_per_s, Why::Metered),
            MeteredRule::Changes | MeteredRule::Unknown | MeteredRule::Ignore => {}
        }
    }
    match limits.into_iter().min_by_key(|limit| limit.bytes_per_s) {
        Some(Limit { bytes_per_s: 0, by }) => Allowance::Wait(by),
        limit => Allowance::Send(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COPIED: Standing = Standing {
        first_copied: true,
        unsent_bytes: 1 << 20,
    };

    fn policy(stated: serde_json::Value) -> ReplicationPolicy {
        ReplicationPolicy::of_policy(&json!({ REPLICATION: stated })).unwrap()
    }

    fn at(hour: u16, minute: u16, metered: Metered) -> Surroundings {
        Surroundings {
            minute: hour * 60 + minute,
            metered,
        }
    }

    fn send(bytes_per_s: u64, by: Why) -> Allowance {
        Allowance::Send(Some(Limit { bytes_per_s, by }))
    }

    #[test]
    fn the_strictest_rule_that_holds_counts() {
        let office = json!({
            "upload_bytes_per_s": 2_000_000,
            "upload_limits": [
                {"from": "08:00", "to": "18:00", "bytes_per_s": 500_000},
                {"from": "12:00", "to": "13:00", "bytes_per_s": 900_000},
                {"from": "23:30", "to": "00:15", "bytes_per_s": 0},
            ],
        });
        let (none, office) = (policy(json!({})), policy(office));
        let noon = |wish| allowance(&office, wish, at(12, 30, Metered::No), COPIED);
        let table = [
            (noon(Wish::Usual), send(500_000, Why::Schedule)),
            (noon(Wish::AtMost(70_000)), send(70_000, Why::Person)),
            // IT's limits are not the person's to lift.
            (noon(Wish::AtMost(70_000_000)), send(500_000, Why::Schedule)),
            (noon(Wish::Anything), send(500_000, Why::Schedule)),
            (noon(Wish::AtMost(0)), Allowance::Wait(Why::Person)),
        ];
        for (nth, (found, expected)) in table.into_iter().enumerate() {
            assert_eq!(found, expected, "{nth}");
        }
        for (hour, minute, expected) in [
            (7, 59, send(2_000_000, Why::Policy)),
            (8, 0, send(500_000, Why::Schedule)),
            (17, 59, send(500_000, Why::Schedule)),
            (18, 0, send(2_000_000, Why::Policy)),
            (23, 29, send(2_000_000, Why::Policy)),
            (23, 30, Allowance::Wait(Why::Schedule)),
            (0, 14, Allowance::Wait(Why::Schedule)),
            (0, 15, send(2_000_000, Why::Policy)),
        ] {
            let found = allowance(&office, Wish::Usual, at(hour, minute, Metered::Unknown), COPIED);
            assert_eq!(found, expected, "{hour}:{minute}");
        }
        let free = allowance(&none, Wish::Usual, at(12, 0, Metered::No), COPIED);
        assert_eq!(free, Allowance::Send(None));
    }

    #[test]
    fn a_network_that_costs_by_the_byte_gets_what_it_says() {
        let first = Standing {
            first_copied: false,
            ..COPIED
        };
        let much = Standing {
            unsent_bytes: (1 << 30) + 1,
            ..COPIED
        };
        let wait = Allowance::Wait(Why::Metered);
        let free = Allowance::Send(None);
        let slow = send(50_000, Why::Metered);
        for (rule, changes, first_copy, days) in [
            (json!({"metered": "pause"}), wait, wait, wait),
            (json!({}), free, wait, wait),
            (json!({"metered": "changes"}), free, wait, wait),
            (
                json!({"metered": "limit", "metered_bytes_per_s": 50_000}),
                slow,
                slow,
                slow,
            ),
            (json!({"metered": "ignore"}), free, free, free),
            // A later program's rule: as if none were given.
            (json!({"metered": "by-the-moon"}), free, wait, wait),
        ] {
            let policy = policy(rule.clone());
            let ask = |wish, metered, standing| allowance(&policy, wish, at(3, 0, metered), standing);
            let found = [COPIED, first, much].map(|standing| ask(Wish::Usual, Metered::Yes, standing));
            assert_eq!(found, [changes, first_copy, days], "{rule}");
            for standing in [COPIED, first, much] {
                // The person pays for it, and may.
                assert_eq!(ask(Wish::Anything, Metered::Yes, standing), free, "{rule}");
                assert_eq!(ask(Wish::Usual, Metered::Unknown, standing), free, "{rule}");
            }
        }
        let limited = policy(json!({"metered": "limit", "upload_bytes_per_s": 10}));
        let found = allowance(&limited, Wish::Usual, at(3, 0, Metered::Yes), COPIED);
        assert_eq!(found, send(10, Why::Policy));
    }

    #[test]
    fn rules_that_make_no_sense_are_refused_and_none_are_the_usual() {
        let of = |stated| ReplicationPolicy::of_policy(&json!({ REPLICATION: stated }));
        let usual = Ok(ReplicationPolicy::default());
        assert_eq!(ReplicationPolicy::of_policy(&json!(null)), usual);
        assert_eq!(of(json!(null)), usual);
        assert_eq!(of(json!({"later": 1})), usual);
        let window =
            |from: &str, to: &str| json!({"upload_limits": [{"from": from, "to": to, "bytes_per_s": 1}]});
        assert!(of(window("00:00", "24:00")).is_ok());
        for bad in [
            json!(7),
            json!({"upload_bytes_per_s": -1}),
            json!({"upload_bytes_per_s": "2MB"}),
            json!({"upload_limits": [{"from": "08:00", "to": "18:00"}]}),
            window("8:00", "18:00"),
            window("08:00", "24:01"),
            window("08:60", "18:00"),
            window("", "18:00"),
            window("+8:00", "18:00"),
            json!({"upload_limits": vec![json!({"from": "08:00", "to": "09:00", "bytes_per_s": 1}); 65]}),
        ] {
            assert_eq!(of(bad.clone()).unwrap_err().code(), "replica.policy", "{bad}");
        }
    }

    #[test]
    fn it_hears_of_words_that_nobody_would_follow() {
        let unknown = |stated| ReplicationPolicy::unknown(&json!({ REPLICATION: stated }));
        assert_eq!(
            unknown(json!({"upload_bytes_per_s": 1, "metered": "pause"})),
            None
        );
        assert_eq!(
            unknown(json!({"upload_bytes_per_sec": 1})),
            Some("upload_bytes_per_sec".to_owned())
        );
        assert_eq!(unknown(json!({"metered": "stop"})), Some("stop".to_owned()));
        assert_eq!(ReplicationPolicy::unknown(&json!({})), None);
    }
}
