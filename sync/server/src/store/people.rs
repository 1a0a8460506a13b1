//! People and their tokens. A token is told once; what is kept is its digest.

use gobag_protocol::{
    enrol::{PERSON_TOKEN_PREFIX, TokenText},
    error::Code,
    ids::{Digest, PersonName, TenantName},
    people::{Role, TokenInfo},
};
use sqlx::Row;

use super::{
    audit::{self, Event},
    database::Database,
    signed, unsigned,
};
use crate::{
    refusal::{Answer, Refusal},
    secret,
};

/// Bytes of a token's digest in its name.
const ID_BYTES: usize = 8;

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

/// Tokens of a tenant that count.
pub async fn tokens(database: &Database, tenant: &TenantName) -> Answer<Vec<TokenInfo>> {
    let rows = sqlx::query(
        "SELECT token_hash, name, role, made_s FROM people WHERE tenant = $1 ORDER BY made_s, token_hash",
    )
    .bind(tenant.as_str().to_owned())
    .fetch_all(database.read())
    .await?;
    let mut tokens = Vec::with_capacity(rows.len());
    for row in rows {
        let (name, role): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        let odd = || Refusal::unavailable(format!("cannot read the row of {name}"));
        tokens.push(TokenInfo {
            id: id(&row.try_get::<Vec<u8>, _>(0)?),
            name: PersonName::parse(&name).ok_or_else(odd)?,
            role: Role::parse(&role).ok_or_else(odd)?,
            made_s: unsigned(row.try_get(3)?),
        });
    }
    Ok(tokens)
}

/// Ends a token.
pub async fn remove_token(
    database: &Database,
    tenant: &TenantName,
    wanted: &str,
    now_s: u64,
    by: &str,
) -> Answer<()> {
    let mut write = database.write().await?;
    let rows = sqlx::query("SELECT token_hash, name FROM people WHERE tenant = $1")
        .bind(tenant.as_str().to_owned())
        .fetch_all(write.connection())
        .await?;
    for row in rows {
        let (hash, name): (Vec<u8>, String) = (row.try_get(0)?, row.try_get(1)?);
        if id(&hash) != wanted {
            continue;
        }
        sqlx::query("DELETE FROM people WHERE token_hash = $1")
            .bind(hash)
            .execute(write.connection())
            .await?;
        let event = Event {
            who: by,
            what: "token.removed",
            about: &name,
        };
        audit::append(&mut write, tenant, now_s, &event).await?;
        return write.commit().await;
    }
    Err(Refusal::new(Code::RequestUnknown, "there is no such token"))
}

/// What a token is called in lists: the first digits of its digest, by which nobody can ask anything.
fn id(hash: &[u8]) -> String {
    let digits = hash.iter().take(ID_BYTES);
    digits.map(|byte| format!("{byte:02x}")).collect()
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
