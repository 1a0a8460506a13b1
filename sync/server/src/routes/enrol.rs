//! `POST /v1/enrol`: a stick with a token becomes one with a certificate.

use axum::{Json, body::Body, extract::State};
use gobag_format::envelope::Envelope;
use gobag_protocol::{
    enrol::{EnrolRequest, Enrolled},
    error::Code,
    ids::GroupName,
    limits::MAX_SMALL_BODY,
};

use crate::{
    app::{App, Shared},
    body,
    identity::Anybody,
    lease::About,
    refusal::{Answer, Refusal},
    store::{StickKey, sticks},
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
        true => sticks::enrol(&app.database, &tenant, &request, now_s).await,
        false => Err(Refusal::new(
            Code::EnrolProof,
            "the proof is not by the key that is to be enrolled",
        )),
    };
    match enrolled {
        Ok(stick) => certified(&app, &stick, &request).await.map(Json),
        Err(refusal) => {
            if refusal.code != Code::ServerUnavailable {
                sticks::note_refusal(&app.database, &tenant, &request, refusal.code, now_s).await?;
            }
            Err(refusal)
        }
    }
}

async fn certified(app: &App, stick: &StickKey, request: &EnrolRequest) -> Answer<Enrolled> {
    app.blobs.make_place(stick).await?;
    let (certificate, certificate_ends_s) = app
        .ca
        .certify(stick, &request.public_key, &app.clock)
        .map_err(Refusal::unavailable)?;
    let about = About {
        org: request.org,
        group: GroupName::default(),
        sequence: 1,
    };
    let (_, lease) = app.lease_keys.sign(stick, &about, &app.leases, app.clock.now_s());
    let first = app
        .lease_keys
        .mint(stick)
        .token(about.sequence, request.token.expose().as_bytes());
    Ok(Enrolled {
        certificate,
        certificate_ends_s,
        ca: app.ca.pem().to_owned(),
        tenant: stick.tenant.clone(),
        lease: Envelope::parse(lease.as_bytes()).map_err(Refusal::unavailable)?,
        renewal_token: first,
    })
}
