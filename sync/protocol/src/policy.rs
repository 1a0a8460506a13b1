//! What a tenant wants of its sticks' history, and which images may still be started.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The body of `PUT /v1/admin/policy` and the answer to `GET`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Which points are kept; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Seconds that the newest complete point of a stick may be old; a day if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_target_s: Option<u64>,
    /// Oldest version of each image that leases allow to be started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub oldest_versions: BTreeMap<String, u64>,
}

/// Which points of each line are kept: those that any of these rules keeps, as long as they fit `space_bytes`. Times are those of the
/// server, days and weeks those of UTC. Always kept: the newest point, the newest complete one, the one of the last good drill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// All points of so many hours before the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_within_hours: Option<u64>,
    /// The last points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Tier>,
    /// The last point of each hour that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hourly: Option<Tier>,
    /// The last of each day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<Tier>,
    /// The last of each week (ISO 8601).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly: Option<Tier>,
    /// The last of each month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Tier>,
    /// The last of each year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yearly: Option<Tier>,
    /// Also all points with a bookmark; those by the clock alone ([`BookmarkKind::Automatic`](crate::points::BookmarkKind::Automatic)) do not count.
    #[serde(default)]
    pub bookmarked: bool,
    /// Bytes that the points of one stick may need; the oldest go first. Without any other rule all points are kept that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space_bytes: Option<u64>,
}

/// How far a rule reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// So many of them.
    Count(u32),
    /// Those of so many hours before the newest point.
    Hours(u64),
    /// All of them.
    All,
}

impl Retention {
    /// The tiers, finest first.
    pub fn tiers(&self) -> [Option<Tier>; 6] {
        [
            self.last,
            self.hourly,
            self.daily,
            self.weekly,
            self.monthly,
            self.yearly,
        ]
    }

    /// Whether it says which points are kept by their time.
    pub fn has_rules(&self) -> bool {
        let says = |tier: &Option<Tier>| !matches!(tier, None | Some(Tier::Count(0) | Tier::Hours(0)));
        self.keep_within_hours.is_some_and(|hours| hours > 0) || self.tiers().iter().any(says)
    }

    /// Whether it would keep nothing by any rule: never meant, so refused.
    pub fn is_empty(&self) -> bool {
        !self.has_rules() && self.space_bytes.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_an_empty_rule_is_known_and_a_misspelt_one_refused() {
        let read = |text: &str| serde_json::from_str::<Policy>(text);
        let retention = |text: &str| read(&format!(r#"{{"retention":{text}}}"#)).unwrap().retention;
        for empty in [
            "{}",
            r#"{"bookmarked":true}"#,
            r#"{"daily":{"count":0}}"#,
            r#"{"keep_within_hours":0}"#,
        ] {
            assert!(retention(empty).unwrap().is_empty(), "{empty}");
        }
        for said in [
            r#"{"daily":{"count":7},"weekly":"all","yearly":{"hours":1}}"#,
            r#"{"space_bytes":1}"#,
            r#"{"keep_within_hours":1}"#,
        ] {
            assert!(!retention(said).unwrap().is_empty(), "{said}");
        }
        assert!(read(r#"{"retention":{"dayly":{"count":7}}}"#).is_err());
        assert!(read("{}").unwrap().retention.is_none());
    }
}
