//! One method for each request of a stick; of objects and lines they are [`crate::owner`]'s.
//!
//! Nothing is asked again by itself, but for one case: a server that refuses a large body may close the connection before its refusal is
//! read; then the body is offered first (`Expect: 100-continue`). Everything else may be asked again as it is, by [`Client::retry`] or
//! by the caller: whatever the answer was that got lost, the same request gets it again.

use std::ops::Range;

use gobag_protocol::{
    PROTOCOL,
    enrol::{EnrolRequest, Enrolled},
    error::Code,
    hello::Hello,
    ids::{LineName, ObjectId, WorkspaceId},
    lease::{CertificateRequest, Certified, Erased, RenewRequest, Renewed},
    limits::MEMORY_BYTES,
    points::{Bookmark, MadePoint, NewPoint, Part, Point, Wanted},
    share::{
        Asked, NextRequest, NextShare, Question, QuestionRequest, Share, ShareGiven, ShareHeld, ShareRequest,
    },
    workspaces::{Workspace, Workspaces},
};

use crate::{client::Client, error::ClientError, owner::Owner};

/// What a server keeps of a stick's last moment (`docs/format/memory.md`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Sealed.
    pub sealed: [u8; MEMORY_BYTES],
    /// Says which one it is, when the next is put.
    pub tag: String,
}

impl Client {
    /// What the server can do. Fails if it speaks no version of the protocol that this program knows.
    pub fn hello(&self) -> Result<Hello, ClientError> {
        let hello: Hello = self.get_json("/v1/hello")?;
        match hello.agreed(&[PROTOCOL]) {
            Some(_) => Ok(hello),
            None => {
                let reason = format!(
                    "it speaks the protocols {:?}, and this program {PROTOCOL}",
                    hello.protocols
                );
                Err(self.protocol(reason))
            }
        }
    }

    /// Makes the stick one with a certificate. The same request may be sent again within the token's quarter of an hour.
    pub fn enrol(&self, request: &EnrolRequest) -> Result<Enrolled, ClientError> {
        self.answered("/v1/enrol", request)
    }

    /// The next lease and a certificate. The same request may be sent again: its answer may have been lost. Needs no certificate.
    pub fn renew(&self, request: &RenewRequest) -> Result<Renewed, ClientError> {
        self.answered("/v1/lease/renew", request)
    }

    /// A certificate, whatever became of the lease. Needs none.
    pub fn certificate(&self, request: &CertificateRequest) -> Result<Certified, ClientError> {
        self.answered("/v1/certificate", request)
    }

    /// Says that the stick erased its key slots, as it was told. Needs no certificate.
    pub fn revoked(&self, erased: &Erased) -> Result<(), ClientError> {
        self.posted("/v1/revoked", erased)
    }

    /// What somebody who knows a stick's passphrase has to sign for its share. Needs no certificate.
    pub fn share_question(&self, request: &QuestionRequest) -> Result<Question, ClientError> {
        let asked: Asked = self.answered("/v1/share/question", request)?;
        Ok(asked.question)
    }

    /// A stick's share, for somebody who signed that. Needs no certificate. A wrong passphrase is counted: not to be asked again by itself.
    pub fn share(&self, request: &ShareRequest) -> Result<Share, ClientError> {
        let given: ShareGiven = self.answered("/v1/share", request)?;
        Ok(given.share)
    }

    /// A fresh share for the stick's header. Asked again it is another one.
    pub fn next_share(&self, request: &NextRequest) -> Result<NextShare, ClientError> {
        self.answered("/v1/share/next", request)
    }

    /// Says that the whole header wants this share.
    pub fn share_held(&self, held: &ShareHeld) -> Result<(), ClientError> {
        self.posted("/v1/share/held", held)
    }

    /// What the stick has of its own, as [`Client::workspace`] is what several have.
    pub fn own(&self) -> Owner {
        Owner::new(self, "/v1".to_owned())
    }

    /// What a workspace has that the stick is a member of. Only with the feature [`WORKSPACES`](gobag_protocol::hello::WORKSPACES).
    pub fn workspace(&self, id: WorkspaceId) -> Owner {
        Owner::new(self, format!("/v1/workspaces/{id}"))
    }

    /// The workspaces that the stick is a member of. Only with that feature.
    pub fn workspaces(&self) -> Result<Vec<Workspace>, ClientError> {
        let told: Workspaces = self.get_json("/v1/workspaces")?;
        Ok(told.workspaces)
    }

    /// As [`Owner::missing`].
    pub fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, ClientError> {
        self.own().missing(ids)
    }

    /// As [`Owner::put`].
    pub fn put(&self, id: ObjectId, sealed: &[u8]) -> Result<(), ClientError> {
        self.own().put(id, sealed)
    }

    /// As [`Owner::get`].
    pub fn get(&self, id: ObjectId) -> Result<Vec<u8>, ClientError> {
        self.own().get(id)
    }

    /// As [`Owner::get_range`].
    pub fn get_range(&self, id: ObjectId, range: Range<u64>) -> Result<Vec<u8>, ClientError> {
        self.own().get_range(id, range)
    }

    /// As [`Owner::part`].
    pub fn part(&self, line: &LineName, part: &Part) -> Result<(), ClientError> {
        self.own().part(line, part)
    }

    /// As [`Owner::publish`].
    pub fn publish(&self, line: &LineName, point: &NewPoint) -> Result<MadePoint, ClientError> {
        self.own().publish(line, point)
    }

    /// As [`Owner::points`].
    pub fn points(&self, line: &LineName, wanted: &Wanted) -> Result<Vec<Point>, ClientError> {
        self.own().points(line, wanted)
    }

    /// As [`Owner::point`].
    pub fn point(&self, line: &LineName, generation: u64) -> Result<Point, ClientError> {
        self.own().point(line, generation)
    }

    /// Names a point.
    pub fn bookmark(&self, line: &LineName, generation: u64, name: &Bookmark) -> Result<(), ClientError> {
        self.posted(&format!("/v1/lines/{line}/points/{generation}/bookmarks"), name)
    }

    /// What the server remembers of the stick; `None` if nothing.
    pub fn memory(&self) -> Result<Option<Memory>, ClientError> {
        let response = match self.get_path("/v1/memory", &[]) {
            Err(error) if error.is_refused(Code::MemoryUnknown) => return Ok(None),
            response => response?,
        };
        let tag = self.tag(&response)?;
        let sealed = self.body(response, MEMORY_BYTES as u64)?;
        let sealed = sealed
            .try_into()
            .map_err(|_| self.protocol(format!("a memory has {MEMORY_BYTES} bytes")))?;
        Ok(Some(Memory { sealed, tag }))
    }

    /// Puts a memory in the place of the one with the tag `before`, or as the first; gives its tag.
    pub fn put_memory(
        &self,
        sealed: &[u8; MEMORY_BYTES],
        before: Option<&str>,
    ) -> Result<String, ClientError> {
        let condition = match before {
            Some(tag) => ("if-match", tag),
            None => ("if-none-match", "*"),
        };
        let response = self.put_bytes("/v1/memory", &[condition], sealed)?;
        self.tag(&response)
    }

    /// Hands over a signed check result, as it is kept in the ledger.
    pub fn result(&self, envelope: &str) -> Result<(), ClientError> {
        self.post("/v1/results", envelope.as_bytes()).map(drop)
    }
}
