//! Who asks: a stick by its certificate, a person by a token, or nobody. The tenant comes from here and from nowhere else.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{header, request::Parts},
};
use gobag_protocol::{
    enrol::{PERSON_TOKEN_PREFIX, TokenText},
    error::Code,
    ids::{BundleId, VerifyingKey, WorkspaceId},
    people::Role,
    workspaces::MemberRole,
};

use crate::{
    app::Shared,
    refusal::{Answer, Refusal},
    store::{OwnerKey, StickKey, people, people::Person, sticks, workspaces},
};

/// What the handshake found out; the same for all requests of a connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// From a certificate of our CA.
    pub(crate) stick: Option<Arc<(StickKey, VerifyingKey)>>,
}

fn peer(parts: &Parts) -> Answer<&Peer> {
    let peer = parts.extensions.get();
    peer.ok_or_else(|| Refusal::unavailable("a request without a connection"))
}

/// Nobody in particular: counted by address.
pub(crate) struct Anybody;

impl FromRequestParts<Shared> for Anybody {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Answer<Self> {
        app.rates.address(peer(parts)?.address.ip(), Instant::now())?;
        Ok(Self)
    }
}

/// A stick that is enrolled, with the key it enrolled with, and not revoked.
pub(crate) struct Stick(pub(crate) StickKey);

impl FromRequestParts<Shared> for Stick {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Answer<Self> {
        let peer = peer(parts)?;
        let Some((stick, key)) = peer.stick.as_deref() else {
            app.rates.address(peer.address.ip(), Instant::now())?;
            let text = "this needs the certificate of an enrolled stick";
            return Err(Refusal::new(Code::IdentityMissing, text));
        };
        app.rates.stick(stick, Instant::now())?;
        sticks::let_in(&app.database, stick, key, app.clock.now_s()).await?;
        tracing::Span::current().record("who", format!("{} stick {}", stick.tenant, stick.bundle));
        Ok(Self(stick.clone()))
    }
}

/// Whose objects and lines a request of a stick is about: its own, or those of the workspace in its address, of which the stick is a member.
pub(crate) struct Reads {
    pub(crate) owner: OwnerKey,
    pub(crate) stick: StickKey,
    /// In the workspace.
    role: Option<MemberRole>,
}

impl Reads {
    /// Fails if the stick is no member any more. Its own is its own.
    pub(crate) async fn check(&self, app: &Shared) -> Answer<()> {
        if self.role.is_none() {
            return Ok(());
        }
        let role = workspaces::role(&app.database, &self.owner, &self.stick).await?;
        role.map(drop).ok_or_else(workspaces::unknown)
    }
}

impl FromRequestParts<Shared> for Reads {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Answer<Self> {
        let Stick(stick) = Stick::from_request_parts(parts, app).await?;
        let named = RawPathParams::from_request_parts(parts, app).await;
        let named = named.map_err(Refusal::unavailable)?;
        let workspace = named.iter().find(|(name, _)| *name == "workspace");
        let Some((_, workspace)) = workspace else {
            return Ok(Self {
                owner: stick.clone(),
                stick,
                role: None,
            });
        };
        let id = WorkspaceId::parse(workspace).ok_or_else(workspaces::unknown)?;
        let owner = OwnerKey::workspace(&stick.tenant, id);
        let role = workspaces::role(&app.database, &owner, &stick).await?;
        Ok(Self {
            role: Some(role.ok_or_else(workspaces::unknown)?),
            owner,
            stick,
        })
    }
}

/// The same where the request changes something there.
pub(crate) struct Writes {
    pub(crate) owner: OwnerKey,
    /// The member, where it is a workspace.
    pub(crate) made_by: Option<BundleId>,
}

impl FromRequestParts<Shared> for Writes {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Answer<Self> {
        let Reads { owner, stick, role } = Reads::from_request_parts(parts, app).await?;
        match role {
            Some(MemberRole::Reader) => Err(Refusal::new(
                Code::WorkspaceRole,
                "this stick only reads the workspace; nothing was changed",
            )
            .hint("IT can make it a writer: `gobag-image company workspace admit`")),
            Some(MemberRole::Writer) => Ok(Self {
                owner,
                made_by: Some(stick.bundle),
            }),
            None => Ok(Self { owner, made_by: None }),
        }
    }
}

/// A person with a token that counts.
pub(crate) struct Somebody(Person);

impl Somebody {
    /// The person, if their role is at least `role`.
    pub(crate) fn at_least(self, role: Role) -> Answer<Person> {
        match self.0.role >= role {
            true => Ok(self.0),
            false => Err(Refusal::new(
                Code::IdentityRole,
                format!("this needs the role {}", role.as_str()),
            )),
        }
    }
}

impl FromRequestParts<Shared> for Somebody {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Answer<Self> {
        let address = peer(parts)?.address.ip();
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .and_then(|text| TokenText::parse(text, PERSON_TOKEN_PREFIX));
        let person = match token {
            Some(token) => people::find(&app.database, &token).await?,
            None => None,
        };
        let Some(person) = person else {
            app.rates.address(address, Instant::now())?;
            let text = "this needs a person's token that counts";
            return Err(Refusal::new(Code::IdentityMissing, text));
        };
        app.rates.person(&person.tenant, Instant::now())?;
        tracing::Span::current().record("who", format!("{} person {}", person.tenant, person.name));
        Ok(Self(person))
    }
}
