//! The policy of a tenant.

use gobag_protocol::{error::Code, ids::TenantName, policy::Policy};
use sqlx::{AnyConnection, Row};

use super::{
    audit::{self, Event},
    database::Database,
};
use crate::refusal::{Answer, Refusal};

/// What a tenant set; nothing if it set nothing.
pub async fn get(connection: &mut AnyConnection, tenant: &TenantName) -> Answer<Policy> {
    let row = sqlx::query("SELECT policy FROM policies WHERE tenant = $1")
        .bind(tenant.as_str().to_owned())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        return Ok(Policy::default());
    };
    serde_json::from_str(&row.try_get::<String, _>(0)?).map_err(Refusal::unavailable)
}

/// Sets it. Rules that would keep nothing are refused: nobody means that.
pub async fn set(
    database: &Database,
    tenant: &TenantName,
    policy: &Policy,
    by: &str,
    now_s: u64,
) -> Answer<()> {
    if policy.retention.is_some_and(|retention| retention.is_empty()) {
        let text = "this retention would keep no points; nothing was changed";
        return Err(Refusal::new(Code::PolicyEmpty, text).hint("leave `retention` out to keep all of them"));
    }
    let text = serde_json::to_string(policy).map_err(Refusal::unavailable)?;
    let mut write = database.write().await?;
    sqlx::query(
        "INSERT INTO policies (tenant, policy) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET policy = $2",
    )
    .bind(tenant.as_str().to_owned())
    .bind(text.clone())
    .execute(write.connection())
    .await?;
    let event = Event {
        who: by,
        what: "policy.set",
        about: &text,
    };
    audit::append(&mut write, tenant, now_s, &event).await?;
    write.commit().await
}
