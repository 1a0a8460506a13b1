//! People: roles, and what they ask of the server.

use serde::{Deserialize, Serialize};

use crate::ids::{BundleId, GroupName, PersonName};

/// What a person may do; each may also do what those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also enrols, revokes and recovers.
    Operator,
    /// Also makes tokens and sets policy.
    Admin,
}

impl Role {
    /// All of them, ascending.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Reads its word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Why a stick is revoked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nobody knows where it is.
    Lost,
    /// Somebody took it.
    Stolen,
    /// Its user works here no more.
    Left,
    /// Its user has another stick now.
    Replaced,
    /// For another reason.
    #[default]
    Other,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Lost, Self::Stolen, Self::Left, Self::Replaced, Self::Other];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Stolen => "stolen",
            Self::Left => "left",
            Self::Replaced => "replaced",
            Self::Other => "other",
        }
    }

    /// Reads its word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// The body of `POST /v1/admin/sticks/{bundle}/revoke`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeRequest {
    /// Why.
    #[serde(default)]
    pub reason: Reason,
}

/// The body of `POST /v1/admin/enrolments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentRequest {
    /// Whose stick it is.
    pub user: PersonName,
    /// Which stick.
    pub bundle: BundleId,
    /// The group its leases name.
    #[serde(default)]
    pub group: GroupName,
}

/// Its answer; the token is told this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The token.
    pub token: String,
    /// When it ends, seconds since 1970 UTC.
    pub ends_s: u64,
}

/// A stick as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StickInfo {
    /// Which stick.
    pub bundle: BundleId,
    /// Whose it is.
    pub user: PersonName,
    /// The group its leases name; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupName>,
    /// Whether IT revoked it.
    pub revoked: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_reason: Option<Reason>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_s: Option<u64>,
    /// When the stick said that it erased its key slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_s: Option<u64>,
    /// Whether two copies of it were seen, and IT has not decided yet.
    #[serde(default)]
    pub clone_suspected: bool,
    /// Wrong passphrases that were typed to have its share, since the last right one.
    #[serde(default)]
    pub wrong_passphrases: u64,
    /// When its lease ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ends_s: Option<u64>,
    /// When it was enrolled, seconds since 1970 UTC.
    pub enrolled_s: u64,
    /// When it was last heard of.
    pub last_contact_s: u64,
    /// When its newest point was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_point_s: Option<u64>,
    /// What its objects take.
    pub space_bytes: u64,
    /// What its points, names and ids count for besides, against the same quota.
    #[serde(default)]
    pub row_bytes: u64,
}

/// The answer to `GET /v1/admin/sticks`, a page of it in the order of bundle ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sticks {
    /// The sticks.
    pub sticks: Vec<StickInfo>,
}

/// One stick in detail: the answer to `GET /v1/admin/sticks/{bundle}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StickDetails {
    /// As in the list.
    pub stick: StickInfo,
    /// The server's time, by which all ages are counted.
    pub server_time_s: u64,
    /// Whether the server's clock may be wrong; then no age is known.
    #[serde(default)]
    pub clock_doubtful: bool,
    /// Its lines.
    pub lines: Vec<LineInfo>,
    /// How much work would be lost now: the age of the oldest of the lines' newest complete points. Absent if a line has none, or there is no
    /// line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_s: Option<u64>,
    /// How much may be.
    pub rpo_target_s: u64,
    /// What that comes to.
    pub health: Health,
}

/// One line of a stick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineInfo {
    /// Its name.
    pub line: String,
    /// Its newest point.
    pub newest_generation: u64,
    /// When that was made.
    pub newest_point_s: u64,
    /// How many points there are.
    pub points: u64,
    /// When the newest that one can go back to was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_complete_s: Option<u64>,
    /// The age of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_s: Option<u64>,
    /// When a drill last proved a point of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good_drill_s: Option<u64>,
}

/// How a stick stands. What is not known is red, never green.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Within the target.
    Green,
    /// Within twice the target.
    Amber,
    /// Neither, or nothing to go back to.
    Red,
}

/// The body of `POST /v1/admin/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequest {
    /// Who it is for.
    pub name: PersonName,
    /// What they may do.
    pub role: Role,
}

/// Its answer; the token is told this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeToken {
    /// The token.
    pub token: String,
}

/// A token that counts, as it is listed: never itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// By which it is removed.
    pub id: String,
    /// Whose it is.
    pub name: PersonName,
    /// What they may do.
    pub role: Role,
    /// When it was made, seconds since 1970 UTC.
    pub made_s: u64,
}

/// The answer to `GET /v1/admin/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// The tokens.
    pub tokens: Vec<TokenInfo>,
}

/// What pruning removed, or would remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Points that the policy lets go.
    pub points: u64,
    /// Objects that no point needs.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Ids sent for points that never came.
    pub parts: u64,
    /// Pieces in the store that nobody knew of, left by interrupted uploads; not counted in a dry run.
    pub strays: u64,
    /// Sticks and workspaces of which not all could be removed that should have been; the server's log says why. The next run tries again.
    #[serde(default)]
    pub failed: u64,
}

impl Pruned {
    /// Adds what was removed elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.points += other.points;
        self.objects += other.objects;
        self.object_bytes += other.object_bytes;
        self.parts += other.parts;
        self.strays += other.strays;
        self.failed += other.failed;
    }

    /// Whether nothing was removed.
    pub fn is_nothing(&self) -> bool {
        self.points + self.objects + self.parts + self.strays == 0
    }
}

/// One row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// 1, 2, …, of the tenant.
    pub number: u64,
    /// The server's time, seconds since 1970 UTC.
    pub time_s: u64,
    /// Who did it: `stick <id>`, `person <name>`, `console`.
    pub who: String,
    /// What: a stable word.
    pub what: String,
    /// About what: mostly a stick.
    pub about: String,
    /// BLAKE3 of the row before and of this row, hexadecimal.
    pub hash: String,
}

/// The answer to `GET /v1/admin/audit`, a page of it, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The rows.
    pub rows: Vec<AuditRow>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_have_words() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
            assert_eq!(
                serde_json::to_string(&role).unwrap(),
                format!("{:?}", role.as_str())
            );
        }
    }

    #[test]
    fn reasons_have_words_and_none_is_needed() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
            let text = format!(r#"{{"reason":"{}"}}"#, reason.as_str());
            let request: RevokeRequest = serde_json::from_str(&text).unwrap();
            assert_eq!(request.reason, reason);
        }
        assert_eq!(
            serde_json::from_str::<RevokeRequest>("{}").unwrap(),
            RevokeRequest::default()
        );
    }
}
