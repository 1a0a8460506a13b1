//! Leases, certificates, and the last word of a revoked stick: who asks is known by a proof, for the certificate may have ended.

use axum::{Json, body::Body, extract::State, http::StatusCode};
use gobag_format::envelope::Envelope;
use gobag_protocol::{
    ids::VerifyingKey,
    lease::{CertificateRequest, Certified, Erased, RenewRequest, Renewed},
    limits::MAX_SMALL_BODY,
};

use crate::{
    app::{App, Shared},
    body,
    identity::Anybody,
    refusal::{Answer, Refusal},
    store::{
        StickKey,
        leases::{self, Given},
        revocation,
    },
};

pub(super) async fn renew(_: Anybody, State(app): State<Shared>, body: Body) -> Answer<Json<Renewed>> {
    let request: RenewRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let stick = StickKey {
        tenant: request.tenant.clone(),
        bundle: request.bundle,
    };
    let key = leases::proven(&app.database, &stick, |key| request.is_proven(key)).await?;
    let now_s = app.clock.now_s();
    let given = leases::renew(&app.database, app.issuer(), &stick, &request, now_s).await?;
    let certified = certify(&app, &stick, &key)?;
    let (lease, renewal_token) = told(given)?;
    Ok(Json(Renewed {
        lease,
        renewal_token,
        certificate: certified.certificate,
        certificate_ends_s: certified.certificate_ends_s,
    }))
}

pub(super) async fn certificate(
    _: Anybody,
    State(app): State<Shared>,
    body: Body,
) -> Answer<Json<Certified>> {
    let request: CertificateRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let stick = StickKey {
        tenant: request.tenant.clone(),
        bundle: request.bundle,
    };
    let key = leases::proven(&app.database, &stick, |key| request.is_proven(key)).await?;
    certify(&app, &stick, &key).map(Json)
}

pub(super) async fn revoked(_: Anybody, State(app): State<Shared>, body: Body) -> Answer<StatusCode> {
    let said: Erased = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let stick = StickKey {
        tenant: said.tenant.clone(),
        bundle: said.bundle,
    };
    revocation::erased(&app.database, &stick, &said, app.clock.now_s()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A certificate for the key that the stick enrolled with.
pub(super) fn certify(app: &App, stick: &StickKey, key: &VerifyingKey) -> Answer<Certified> {
    let certified = app.ca.certify(stick, key, &app.clock);
    let (certificate, certificate_ends_s) = certified.map_err(Refusal::unavailable)?;
    Ok(Certified {
        certificate,
        certificate_ends_s,
    })
}

/// A lease and a token as they are told.
pub(super) fn told(given: Given) -> Answer<(Envelope, gobag_format::lease::renewal::RenewalToken)> {
    let lease = Envelope::parse(given.lease.as_bytes()).map_err(Refusal::unavailable)?;
    Ok((lease, given.token))
}
