//! Links between the keys of one volunteer. Rows of workers are locked before nonces, as registrations
//! lock them.

use distcompute_protocol::ErrorCode;
use sqlx::{PgConnection, PgPool};

use crate::{
    clock::Millis,
    rules::link::{Asked, MOST_CODES, refusal},
    store::{ProvenKey, StoreError, unsigned},
};

pub(super) async fn offer(
    pool: &PgPool,
    proven: &ProvenKey,
    code: &str,
    expires_at: Millis,
) -> Result<(), StoreError> {
    let mut unit = pool.begin().await?;
    sqlx::query("delete from link_codes where key = $1")
        .bind(&proven.thumbprint)
        .execute(&mut *unit)
        .await?;
    let codes: i64 = sqlx::query_scalar("select count(*) from link_codes")
        .fetch_one(&mut *unit)
        .await?;
    if unsigned(codes) >= MOST_CODES {
        return Err(StoreError::Busy);
    }
    sqlx::query("insert into link_codes (code, key, expires_at) values ($1, $2, $3)")
        .bind(code)
        .bind(&proven.thumbprint)
        .bind(expires_at)
        .execute(&mut *unit)
        .await?;
    use_nonce(&mut unit, proven).await?;
    unit.commit().await?;
    Ok(())
}

pub(super) async fn link(
    pool: &PgPool,
    proven: &ProvenKey,
    code: &str,
    now: Millis,
) -> Result<Option<&'static str>, StoreError> {
    let mut unit = pool.begin().await?;
    // One link after the other: two at once could make a chain.
    sqlx::query("lock table linked_keys in share row exclusive mode")
        .execute(&mut *unit)
        .await?;
    let offered = "select key from link_codes where code = $1 and expires_at > $2 for update";
    let new: Option<String> = sqlx::query_scalar(offered)
        .bind(code)
        .bind(now)
        .fetch_optional(&mut *unit)
        .await?;
    let new = new.ok_or(StoreError::Refused(ErrorCode::LinkCodeUnknown))?;
    let identity: Option<String> =
        sqlx::query_scalar("select identity from linked_keys where key = $1")
            .bind(&proven.thumbprint)
            .fetch_optional(&mut *unit)
            .await?;
    let identity = identity.unwrap_or_else(|| proven.thumbprint.clone());
    let asked = Asked {
        identity: &identity,
        new: &new,
        devices: count(&mut unit, &identity).await?,
        of_new: count(&mut unit, &new).await?,
    };
    if let Some(why) = refusal(asked) {
        return Ok(Some(why));
    }
    sqlx::query(
        "insert into linked_keys (key, identity, at) values ($1, $2, $3) \
         on conflict (key) do update set identity = excluded.identity, at = excluded.at",
    )
    .bind(&new)
    .bind(&identity)
    .bind(now)
    .execute(&mut *unit)
    .await?;
    sqlx::query("delete from link_codes where code = $1")
        .bind(code)
        .execute(&mut *unit)
        .await?;
    sqlx::query(
        "update workers w set key = $1 from ( \
             select id from workers where key = $2 order by id for update) as own \
         where w.id = own.id",
    )
    .bind(&identity)
    .bind(&new)
    .execute(&mut *unit)
    .await?;
    use_nonce(&mut unit, proven).await?;
    unit.commit().await?;
    Ok(None)
}

async fn count(unit: &mut PgConnection, of: &str) -> Result<u64, StoreError> {
    let linked = sqlx::query_scalar("select count(*) from linked_keys where identity = $1");
    let count: i64 = linked.bind(of).fetch_one(unit).await?;
    Ok(unsigned(count))
}

async fn use_nonce(unit: &mut PgConnection, proven: &ProvenKey) -> Result<(), StoreError> {
    let add = "insert into used_nonces (nonce, expires_at) values ($1, $2) on conflict do nothing";
    let added = sqlx::query(add)
        .bind(&proven.nonce)
        .bind(proven.expires_at)
        .execute(unit)
        .await?;
    match added.rows_affected() {
        0 => Err(StoreError::Refused(ErrorCode::UseDpopNonce)),
        _ => Ok(()),
    }
}
