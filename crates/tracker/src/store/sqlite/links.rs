//! Links between the keys of one volunteer.

use distcompute_protocol::ErrorCode;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::{
    clock::Millis,
    rules::link::{Asked, MOST_CODES, refusal},
    store::{ProvenKey, StoreError, unsigned},
};

pub(super) fn offer(
    on: &mut Connection,
    proven: &ProvenKey,
    code: &str,
    expires_at: Millis,
) -> Result<(), StoreError> {
    let unit = on.transaction_with_behavior(TransactionBehavior::Immediate)?;
    unit.execute("delete from link_codes where key = ?", [&proven.thumbprint])?;
    let codes = "select count(*) from link_codes";
    if unsigned(unit.query_row(codes, (), |row| row.get(0))?) >= MOST_CODES {
        return Err(StoreError::Busy);
    }
    let add = "insert into link_codes (code, key, expires_at) values (?, ?, ?)";
    unit.execute(add, (code, &proven.thumbprint, expires_at))?;
    use_nonce(&unit, proven)?;
    unit.commit()?;
    Ok(())
}

pub(super) fn link(
    on: &mut Connection,
    proven: &ProvenKey,
    code: &str,
    now: Millis,
) -> Result<Option<&'static str>, StoreError> {
    let unit = on.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let text = |statement: &str, of: &str| {
        let found = unit.query_row(statement, [of], |row| row.get::<_, String>(0));
        found.optional()
    };
    let count = |of: &str| {
        let linked = "select count(*) from linked_keys where identity = ?";
        unit.query_row(linked, [of], |row| row.get(0)).map(unsigned)
    };
    let offered = "select key from link_codes where code = ? and expires_at > ?";
    let new = unit.query_row(offered, (code, now), |row| row.get::<_, String>(0));
    let new = new.optional()?;
    let new = new.ok_or(StoreError::Refused(ErrorCode::LinkCodeUnknown))?;
    let identity = text(
        "select identity from linked_keys where key = ?",
        &proven.thumbprint,
    )?;
    let identity = identity.unwrap_or_else(|| proven.thumbprint.clone());
    let asked = Asked {
        identity: &identity,
        new: &new,
        devices: count(&identity)?,
        of_new: count(&new)?,
    };
    if let Some(why) = refusal(asked) {
        return Ok(Some(why));
    }
    let add = "insert into linked_keys (key, identity, at) values (?1, ?2, ?3) \
               on conflict (key) do update set identity = ?2, at = ?3";
    unit.execute(add, (&new, &identity, now))?;
    unit.execute("delete from link_codes where code = ?", [code])?;
    let workers = "update workers set key = ?1 where key = ?2";
    unit.execute(workers, [&identity, &new])?;
    use_nonce(&unit, proven)?;
    unit.commit()?;
    Ok(None)
}

fn use_nonce(unit: &Transaction<'_>, proven: &ProvenKey) -> Result<(), StoreError> {
    let add = "insert into used_nonces (nonce, expires_at) values (?, ?) on conflict do nothing";
    match unit.execute(add, (&proven.nonce, proven.expires_at))? {
        0 => Err(StoreError::Refused(ErrorCode::UseDpopNonce)),
        _ => Ok(()),
    }
}
