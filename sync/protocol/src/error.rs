//! Refusals: a stable code, its status, and words for people.

use serde::{Deserialize, Serialize};

use crate::ids::ObjectId;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal;)*) => {
        /// Why the server says no. Codes are never renamed; a client that does not know one goes by the status.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status it comes with.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// The request cannot be read.
    RequestMalformed = "request.malformed", 400;
    /// More bytes or items than the protocol has.
    RequestTooLarge = "request.too-large", 413;
    /// The body stopped coming.
    RequestStalled = "request.stalled", 408;
    /// More requests than are allowed; `Retry-After` says when again.
    RequestTooMany = "request.too-many", 429;
    /// No such address, or not for whom asks.
    RequestUnknown = "request.unknown", 404;
    /// The address has no such method.
    RequestMethod = "request.method", 405;
    /// Neither a certificate nor a token that counts.
    IdentityMissing = "identity.missing", 401;
    /// A role that may not do this.
    IdentityRole = "identity.role", 403;
    /// The token is not one, was used by another, or is over.
    EnrolToken = "enrol.token", 403;
    /// The token is for another stick.
    EnrolOtherStick = "enrol.other-stick", 403;
    /// The number is a workspace's, and no stick's.
    EnrolWorkspace = "enrol.workspace", 409;
    /// The stick did not prove that it has its key.
    EnrolProof = "enrol.proof", 403;
    /// IT revoked the stick.
    StickRevoked = "stick.revoked", 403;
    /// The stick enrolled again with another key since this certificate was made.
    StickOtherKey = "stick.other-key", 403;
    /// Two copies of the stick asked for leases; IT has to decide.
    StickCloneSuspected = "stick.clone-suspected", 403;
    /// There is no such stick, or the proof is not by its key.
    StickProof = "stick.proof", 403;
    /// The stick says that it erased itself, and nobody asked it to.
    StickNotRevoked = "stick.not-revoked", 409;
    /// A renewal token that this server never made.
    LeaseToken = "lease.token", 403;
    /// Not the passphrase of the stick, as the proof shows; counted.
    ShareProof = "share.proof", 403;
    /// Too many wrong passphrases; `Retry-After` says when the next is looked at.
    ShareLocked = "share.locked", 429;
    /// The question that was answered is not this server's, or was asked too long ago.
    ShareQuestion = "share.question", 409;
    /// The share of a header from before: a later one is in force.
    ShareOld = "share.old", 403;
    /// A name that this server never gave to a share of this stick.
    ShareName = "share.name", 403;
    /// The share that the stick holds is one for another passphrase; it needs a fresh one.
    ShareOtherPassphrase = "share.other-passphrase", 409;
    /// The bytes are not those of the id.
    ObjectOtherContent = "object.other-content", 422;
    /// The stick has no such object here.
    ObjectUnknown = "object.unknown", 404;
    /// The part of the object that was asked for is not there.
    ObjectRange = "object.range", 416;
    /// Another generation is the next; the current one is told.
    PointOtherGeneration = "point.other-generation", 409;
    /// Added objects that are not here; up to 100 are told.
    PointMissingObjects = "point.missing-objects", 422;
    /// Ids added that the line already has, or dropped that it has not; up to 100 are told.
    PointOtherContent = "point.other-content", 422;
    /// The ids sent in parts are not as many as the point says; the parts are to be sent again.
    PointPartsMissing = "point.parts-missing", 422;
    /// No such point.
    PointUnknown = "point.unknown", 404;
    /// More bookmarks than a point has.
    PointBookmarks = "point.bookmarks", 422;
    /// The point is progress of a first copy: nobody can go back to it.
    PointPartial = "point.partial", 422;
    /// A policy that would keep nothing.
    PolicyEmpty = "policy.empty", 422;
    /// More lines than a stick or a workspace has.
    LineTooMany = "line.too-many", 422;
    /// No such workspace, or none that who asks is a member of.
    WorkspaceUnknown = "workspace.unknown", 404;
    /// A reader of the workspace may not write to it.
    WorkspaceRole = "workspace.role", 403;
    /// The tenant has a workspace of this name.
    WorkspaceName = "workspace.name", 409;
    /// More workspaces than a tenant has, or more members than a workspace has.
    WorkspaceTooMany = "workspace.too-many", 422;
    /// Nothing is remembered of the stick.
    MemoryUnknown = "memory.unknown", 404;
    /// The memory is not what `If-Match` says.
    MemoryChanged = "memory.changed", 412;
    /// `If-Match` or `If-None-Match` is missing.
    MemoryUnconditional = "memory.unconditional", 428;
    /// No room left for this stick or this tenant.
    QuotaExceeded = "quota.exceeded", 507;
    /// The server's clock may be wrong, and this is nothing to be done by a wrong one. IT puts it right or says that it is.
    ServerClock = "server.clock", 409;
    /// The server cannot do it now; `Retry-After` says when again.
    ServerUnavailable = "server.unavailable", 503;
}

/// A refusal, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is refused, and why.
    pub error: ErrorWords,
}

/// What is refused, and why. `code` is text: a later server may know more of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorWords {
    /// The stable code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// With `point.other-generation`: the line's newest generation, 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// With `point.missing-objects` and `point.other-content`: which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<ObjectId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Clients depend on these: never change a line, only add.
    #[test]
    fn codes_are_stable_and_differ() {
        let listed: Vec<String> = Code::ALL
            .iter()
            .map(|code| format!("{} {}", code.as_str(), code.status()))
            .collect();
        let expected = [
            "request.malformed 400",
            "request.too-large 413",
            "request.stalled 408",
            "request.too-many 429",
            "request.unknown 404",
            "request.method 405",
            "identity.missing 401",
            "identity.role 403",
            "enrol.token 403",
            "enrol.other-stick 403",
            "enrol.workspace 409",
            "enrol.proof 403",
            "stick.revoked 403",
            "stick.other-key 403",
            "stick.clone-suspected 403",
            "stick.proof 403",
            "stick.not-revoked 409",
            "lease.token 403",
            "share.proof 403",
            "share.locked 429",
            "share.question 409",
            "share.old 403",
            "share.name 403",
            "share.other-passphrase 409",
            "object.other-content 422",
            "object.unknown 404",
            "object.range 416",
            "point.other-generation 409",
            "point.missing-objects 422",
            "point.other-content 422",
            "point.parts-missing 422",
            "point.unknown 404",
            "point.bookmarks 422",
            "point.partial 422",
            "policy.empty 422",
            "line.too-many 422",
            "workspace.unknown 404",
            "workspace.role 403",
            "workspace.name 409",
            "workspace.too-many 422",
            "memory.unknown 404",
            "memory.changed 412",
            "memory.unconditional 428",
            "quota.exceeded 507",
            "server.clock 409",
            "server.unavailable 503",
        ];
        assert_eq!(listed, expected);
        let different: HashSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(different.len(), Code::ALL.len());
    }

    #[test]
    fn a_refusal_of_a_later_server_is_read() {
        let text = r#"{"error":{"code":"moon.full","message":"m","ids":[],"phase":3},"more":1}"#;
        let body: ErrorBody = serde_json::from_str(text).unwrap();
        assert_eq!(body.error.code, "moon.full");
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"error":{"code":"moon.full","message":"m"}}"#
        );
    }
}
