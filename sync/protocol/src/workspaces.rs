//! Workspaces: histories that several sticks share. Their objects, lines and points are as a stick's own.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{BundleId, PersonName, WorkspaceId, WorkspaceName},
    people::LineInfo,
};

/// What a member may do; each may also do what those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberRole {
    /// Gets objects and points.
    Reader,
    /// Also puts and makes them.
    Writer,
}

impl MemberRole {
    /// All of them, ascending.
    pub const ALL: [Self; 2] = [Self::Reader, Self::Writer];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
        }
    }

    /// Reads its word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A workspace, as a member is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Which.
    pub id: WorkspaceId,
    /// What IT calls it.
    pub name: WorkspaceName,
    /// What the member that asks may do.
    pub role: MemberRole,
    /// Its lines.
    pub lines: Vec<NewestOfLine>,
}

/// How far a line is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewestOfLine {
    /// Its name.
    pub line: String,
    /// Its newest generation.
    pub generation: u64,
}

/// The answer to `GET /v1/workspaces`, in the order of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspaces {
    /// Those that the stick is a member of.
    pub workspaces: Vec<Workspace>,
}

/// The body of `POST /v1/admin/workspaces`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceRequest {
    /// What it is to be called.
    pub name: WorkspaceName,
}

/// Its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeWorkspace {
    /// Which it is.
    pub id: WorkspaceId,
}

/// The body of `PUT /v1/admin/workspaces/{id}/members/{bundle}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRequest {
    /// What the member may do from now on.
    pub role: MemberRole,
}

/// A workspace as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceInfo {
    /// Which.
    pub id: WorkspaceId,
    /// What IT calls it.
    pub name: WorkspaceName,
    /// When it was made, seconds since 1970 UTC.
    pub made_s: u64,
    /// How many members it has.
    pub members: u64,
    /// When its newest point was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_point_s: Option<u64>,
    /// What its objects take.
    pub space_bytes: u64,
    /// What its points, names and ids count for besides, against the same quota.
    pub row_bytes: u64,
}

/// The answer to `GET /v1/admin/workspaces`, in the order of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceInfos {
    /// All of the tenant.
    pub workspaces: Vec<WorkspaceInfo>,
}

/// The answer to `GET /v1/admin/workspaces/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceDetails {
    /// As in the list.
    pub workspace: WorkspaceInfo,
    /// Its lines.
    pub lines: Vec<LineInfo>,
    /// Its members, in the order of their numbers.
    pub members: Vec<Member>,
}

/// A stick that reaches a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Which.
    pub bundle: BundleId,
    /// Whose it is.
    pub user: PersonName,
    /// What it may do.
    pub role: MemberRole,
    /// When it was admitted, or got this role, seconds since 1970 UTC.
    pub since_s: u64,
    /// Whether IT revoked it; then it reaches nothing, until that is taken back.
    pub revoked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_may_what_a_reader_may_and_both_have_words() {
        assert!(MemberRole::Reader < MemberRole::Writer);
        for role in MemberRole::ALL {
            assert_eq!(MemberRole::parse(role.as_str()), Some(role));
            let request = MemberRequest { role };
            let text = format!(r#"{{"role":"{}"}}"#, role.as_str());
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
        }
        assert_eq!(MemberRole::parse("owner"), None);
    }

    #[test]
    fn a_number_is_32_digits_and_a_name_is_no_path() {
        let id = WorkspaceId([7; 16]);
        assert_eq!(WorkspaceId::parse(&id.to_string()), Some(id));
        assert_eq!(WorkspaceId::parse("../x"), None);
        for bad in ["", "A", "a/b", "a b", "..", &"x".repeat(65)] {
            let text = format!(r#"{{"name":"{bad}"}}"#);
            assert!(
                serde_json::from_str::<WorkspaceRequest>(&text).is_err(),
                "{bad:?}"
            );
        }
    }
}
