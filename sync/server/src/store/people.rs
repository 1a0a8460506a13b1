//! People and their tokens. A token is told once; what is kept is its digest.

use gobag_protocol::{
    enrol::{PERSON_TOKEN_PREFIX, TokenText},
    ids::{Digest, PersonName, TenantName},
    people::Role,
};
use sqlx::Row;

use super::{
    audit::{self, Event},
    database::Database,
    signed,
};
use crate::{
    refusal::{Answer, Refusal},
    secret,
};

/// Somebody with a token that counts.
#[derive(Clone, Debug)]
pub struct Person {
    /// Whose.
    pub tenant: TenantName,
    /// Who.
    pub name: PersonName,
    /// What they may do.
    pub role: Role,
}

/// Makes a token for a person; the tenant is made if it is not there.
pub async fn make_token(database: &Database, person: &Person, now_s: u64, by: &str) -> Answer<TokenText> {
    let token = secret::token(PERSON_TOKEN_PREFIX)?;
    let mut write = database.write().await?;
    audit::make_tenant(&mut write, &person.tenant).await?;
    sqlx::query("INSERT INTO people (token_hash, tenant, name, role, made_s) VALUES ($1, $2, $3, $4, $5)")
        .bind(digest(&token))
        .bind(person.tenant.as_str().to_owned())
        .bind(person.name.as_str().to_owned())
        .bind(person.role.as_str().to_owned())
        .bind(signed(now_s))
        .execute(write.connection())
        .await?;
    let about = format!("{} as {}", person.name, person.role.as_str());
    let event = Event {
        who: by,
        what: "token.made",
        about: &about,
    };
    audit::append(&mut write, &person.tenant, now_s, &event).await?;
    write.commit().await?;
    Ok(token)
}

/// Whose token it is.
pub async fn find(database: &Database, token: &TokenText) -> Answer<Option<Person>> {
    let row = sqlx::query("SELECT tenant, name, role FROM people WHERE token_hash = $1")
        .bind(digest(token))
        .fetch_optional(database.read())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (tenant, name, role): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let person = TenantName::parse(&tenant)
        .zip(PersonName::parse(&name))
        .zip(Role::parse(&role));
    person
        .map(|((tenant, name), role)| Some(Person { tenant, name, role }))
        .ok_or_else(|| Refusal::unavailable(format!("cannot read the row of {tenant}, {name}, {role}")))
}

/// What is kept of a token. It has 256 random bits, so a plain digest cannot be turned back.
pub(super) fn digest(token: &TokenText) -> Vec<u8> {
    Digest::of(token.expose().as_bytes()).0.to_vec()
}
