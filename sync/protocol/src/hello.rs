//! What a server can do, told to everybody.

use serde::{Deserialize, Serialize};

use crate::{PROTOCOL, limits};

/// Words for what this version can do beyond the protocol's first. A stick uses a feature only if its word is there.
pub const FEATURES: &[&str] = &[
    // certificates, leases, revocation
    "leases",
    // points with `complete`
    "partial-points",
    SHARES,
    WORKSPACES,
];

/// The word of a server that gives shares.
pub const SHARES: &str = "shares";

/// The word of a server that has workspaces, and on which one can wait for a newer point.
pub const WORKSPACES: &str = "workspaces";

/// The answer to `GET /v1/hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Versions of the protocol; a client takes the highest both know.
    pub protocols: Vec<u32>,
    /// What the server can do besides.
    pub features: Vec<String>,
    /// The server's clock, seconds since 1970 UTC. Not signed: a stick believes only a signed time.
    pub server_time_s: u64,
    /// The server's limits, which may be lower than the protocol's.
    pub limits: Limits,
}

/// The most of everything, as this server has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "named like the constants in `limits`, where each is explained"
)]
pub struct Limits {
    pub object_bytes: usize,
    pub missing_ids: usize,
    pub point_ids: usize,
    pub point_ids_with_parts: usize,
    pub head_bytes: usize,
    pub bookmarks: usize,
    pub label_bytes: usize,
    pub lines: usize,
    pub result_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            object_bytes: limits::MAX_OBJECT_BYTES,
            missing_ids: limits::MAX_MISSING_IDS,
            point_ids: limits::MAX_POINT_IDS,
            point_ids_with_parts: limits::MAX_POINT_IDS_WITH_PARTS,
            head_bytes: limits::MAX_HEAD_BYTES,
            bookmarks: limits::MAX_BOOKMARKS,
            label_bytes: limits::MAX_LABEL_BYTES,
            lines: limits::MAX_LINES,
            result_bytes: limits::MAX_RESULT_BYTES,
        }
    }
}

impl Hello {
    /// What this version says at `server_time_s`.
    pub fn at(server_time_s: u64) -> Self {
        Self {
            protocols: vec![PROTOCOL],
            features: FEATURES.iter().map(|word| (*word).to_owned()).collect(),
            server_time_s,
            limits: Limits::default(),
        }
    }

    /// Whether the server has this feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|word| word == feature)
    }

    /// The version to speak with this server, if there is one.
    pub fn agreed(&self, known: &[u32]) -> Option<u32> {
        self.protocols
            .iter()
            .copied()
            .filter(|theirs| known.contains(theirs))
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_that_both_know_is_spoken() {
        let mut hello = Hello::at(1);
        assert_eq!(hello.agreed(&[1]), Some(1));
        hello.protocols = vec![1, 2, 4];
        assert_eq!(hello.agreed(&[1, 2, 3]), Some(2));
        assert_eq!(hello.agreed(&[3]), None);
    }
}
