//! `POST /v1/enrol`: a stick with a token becomes one with a certificate.

use axum::{Json, body::Body, extract::State};
use gobag_protocol::{
    enrol::{EnrolRequest, Enrolled},
    error::Code,
    limits::MAX_SMALL_BODY,
};

use super::lease;
use crate::{
    app::{App, Shared},
    body,
    identity::Anybody,
    refusal::{Answer, Refusal},
    store::{StickKey, leases::Given, sticks},
};

pub(super) async fn enrol(_: Anybody, State(app): State<Shared>, body: Body) -> Answer<Json<Enrolled>> {
    let request: EnrolRequest = body::json(&app.bodies, body, MAX_SMALL_BODY).await?;
    let Some(tenant) = sticks::tenant_of(&app.database, &request.token).await? else {
        // Nobody's token: no tenant whose log it would belong to.
        tracing::warn!(bundle = %request.bundle, "enrolment with an unknown token");
        return Err(Refusal::new(Code::EnrolToken, "this is not a token of ours"));
    };
    let now_s = app.clock.now_s();
    let enrolled = match request.is_proven() {
        true => sticks::enrol(&app.database, app.issuer(), &tenant, &request, now_s).await,
        false => Err(Refusal::new(
            Code::EnrolProof,
            "the proof is not by the key that is to be enrolled",
        )),
    };
    match enrolled {
        Ok((stick, given)) => told(&app, &stick, &request, given).await.map(Json),
        Err(refusal) => {
            if refusal.code != Code::ServerUnavailable {
                sticks::note_refusal(&app.database, &tenant, &request, refusal.code, now_s).await?;
            }
            Err(refusal)
        }
    }
}

async fn told(app: &App, stick: &StickKey, request: &EnrolRequest, given: Given) -> Answer<Enrolled> {
    app.blobs.make_place(stick).await?;
    let certified = lease::certify(app, stick, &request.public_key)?;
    let (lease, renewal_token) = lease::told(given)?;
    Ok(Enrolled {
        certificate: certified.certificate,
        certificate_ends_s: certified.certificate_ends_s,
        ca: app.ca.pem().to_owned(),
        tenant: stick.tenant.clone(),
        lease,
        renewal_token,
    })
}
