//! Who asks: a stick by its certificate, a person by a token, or nobody. The tenant comes from here and from nowhere else.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use gobag_protocol::{
    enrol::{PERSON_TOKEN_PREFIX, TokenText},
    error::Code,
    ids::VerifyingKey,
    people::Role,
};

use crate::{
    app::Shared,
    refusal::{Answer, Refusal},
    store::{StickKey, people, people::Person, sticks},
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
