//! What people of IT ask, with a token of theirs.

use gobag_protocol::{
    ids::{BundleId, LineName, ObjectId, WorkspaceId, WorkspaceName},
    people::{Reason, RevokeRequest, StickDetails, Sticks},
    points::{Point, Points, Wanted},
    workspaces::{
        MadeWorkspace, MemberRequest, MemberRole, WorkspaceDetails, WorkspaceInfo, WorkspaceInfos,
        WorkspaceRequest,
    },
};
use zeroize::Zeroizing;

use crate::{
    client::{Client, Method},
    error::ClientError,
    owner::query,
};

/// A person at a server.
pub struct People {
    client: Client,
    bearer: Zeroizing<String>,
}

impl People {
    /// Whoever has `token` (`gbt_…`), through a client without an identity.
    pub fn new(client: Client, token: &str) -> Self {
        let bearer = Zeroizing::new(format!("Bearer {}", token.trim()));
        Self { client, bearer }
    }

    /// Through which it is asked.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Up to 500 sticks, those after this one.
    pub fn sticks(&self, after: Option<BundleId>) -> Result<Sticks, ClientError> {
        let after = after.map(|after| format!("?after={after}")).unwrap_or_default();
        self.get(&format!("/v1/admin/sticks{after}"))
    }

    /// How one stick stands.
    pub fn stick(&self, bundle: BundleId) -> Result<StickDetails, ClientError> {
        self.get(&format!("/v1/admin/sticks/{bundle}"))
    }

    /// Cuts a stick off. Once more, it changes the reason alone.
    pub fn revoke(&self, bundle: BundleId, reason: Reason) -> Result<(), ClientError> {
        self.post(
            &format!("/v1/admin/sticks/{bundle}/revoke"),
            &RevokeRequest { reason },
        )
    }

    /// Takes that back.
    pub fn restore(&self, bundle: BundleId) -> Result<(), ClientError> {
        self.post(&format!("/v1/admin/sticks/{bundle}/restore"), &Nothing {})
    }

    /// Lets a stick renew its lease again of which two copies were seen.
    pub fn clear_clone(&self, bundle: BundleId) -> Result<(), ClientError> {
        self.post(&format!("/v1/admin/sticks/{bundle}/clear-clone"), &Nothing {})
    }

    /// A drill brought this point back.
    pub fn drilled(&self, bundle: BundleId, line: &LineName, generation: u64) -> Result<(), ClientError> {
        let path = format!("/v1/admin/sticks/{bundle}/lines/{line}/points/{generation}/drilled");
        self.post(&path, &Nothing {})
    }

    /// Points of a stick's line that are wanted, newest first, at most 100 of them.
    pub fn points(
        &self,
        bundle: BundleId,
        line: &LineName,
        wanted: &Wanted,
    ) -> Result<Vec<Point>, ClientError> {
        let points: Points = self.get(&format!(
            "/v1/admin/sticks/{bundle}/lines/{line}/points?{}",
            query(wanted)
        ))?;
        Ok(points.points)
    }

    /// One point, with its head.
    pub fn point(&self, bundle: BundleId, line: &LineName, generation: u64) -> Result<Point, ClientError> {
        self.get(&format!(
            "/v1/admin/sticks/{bundle}/lines/{line}/points/{generation}"
        ))
    }

    /// A whole object of a stick, whose bytes are those of its id.
    pub fn object(&self, bundle: BundleId, id: ObjectId) -> Result<Vec<u8>, ClientError> {
        let path = format!("/v1/admin/sticks/{bundle}/objects/{id}");
        self.client.whole(&path, &[self.authorization()], id)
    }

    /// All workspaces, in the order of names.
    pub fn workspaces(&self) -> Result<Vec<WorkspaceInfo>, ClientError> {
        let told: WorkspaceInfos = self.get("/v1/admin/workspaces")?;
        Ok(told.workspaces)
    }

    /// How one workspace stands, and who its members are.
    pub fn workspace(&self, id: WorkspaceId) -> Result<WorkspaceDetails, ClientError> {
        self.get(&format!("/v1/admin/workspaces/{id}"))
    }

    /// Makes a workspace without members. Not to be asked again by itself: of a name there is one.
    pub fn make_workspace(&self, name: WorkspaceName) -> Result<WorkspaceId, ClientError> {
        let request = WorkspaceRequest { name };
        let response = self.client.send_json(
            Method::Post,
            "/v1/admin/workspaces",
            &[self.authorization()],
            &request,
        )?;
        let made: MadeWorkspace = self.client.json(response)?;
        Ok(made.id)
    }

    /// Admits a stick to a workspace, or gives a member another role.
    pub fn admit(&self, id: WorkspaceId, bundle: BundleId, role: MemberRole) -> Result<(), ClientError> {
        let path = format!("/v1/admin/workspaces/{id}/members/{bundle}");
        let request = MemberRequest { role };
        self.client
            .send_json(Method::Put, &path, &[self.authorization()], &request)
            .map(drop)
    }

    /// Takes a member away.
    pub fn remove(&self, id: WorkspaceId, bundle: BundleId) -> Result<(), ClientError> {
        let path = format!("/v1/admin/workspaces/{id}/members/{bundle}");
        self.client.delete(&path, &[self.authorization()])
    }

    fn authorization(&self) -> (&str, &str) {
        ("authorization", &self.bearer)
    }

    fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.client.get_path(path, &[self.authorization()])?;
        self.client.json(response)
    }

    fn post(&self, path: &str, body: &impl serde::Serialize) -> Result<(), ClientError> {
        self.client
            .send_json(Method::Post, path, &[self.authorization()], body)
            .map(drop)
    }
}

/// The body of a request whose address says everything.
#[derive(serde::Serialize)]
struct Nothing {}
