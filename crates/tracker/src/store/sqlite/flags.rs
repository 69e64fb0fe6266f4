//! What happens in the tables when a volunteer calls a job's input bad. What it leads to is decided
//! in `rules::flags`.

use distcompute_protocol::{ErrorCode, Stage};

use super::{
    claims::{Lease, Worker, avoid, end_lease, enqueue, forget_avoided, put_back, seen, worker},
    column,
    writer::Unit,
};
use crate::{rules::flags, store::StoreError};

pub(super) async fn flag(
    unit: &mut Unit,
    token: String,
    number: Option<i64>,
) -> Result<(), StoreError> {
    let worker = worker(unit, &token).await?;
    let lease = match &worker.lease {
        Some(lease) if number.is_none_or(|number| number == lease.number) => lease,
        held => {
            let code = match held {
                Some(_) => ErrorCode::WrongJob,
                None => ErrorCode::NotWorking,
            };
            return flagged_before(unit, &worker, number, code).await;
        }
    };
    let now = unit.clock.now();
    seen(unit, worker.id, now).await?;
    sqlx::query(
        "insert into flags (number, stage, volunteer, flagged_at) values (?, ?, ?, ?) \
         on conflict do nothing",
    )
    .bind(lease.number)
    .bind(column(lease.stage))
    .bind(&lease.volunteer)
    .bind(now)
    .execute(&mut unit.connection)
    .await?;
    let (total, sent_back, distinct): (u32, u32, u32) = sqlx::query_as(
        "update jobs set flagged = flagged + 1 where number = ?1 returning flagged, sent_back, \
         (select count(*) from flags where number = ?1 and stage = ?2)",
    )
    .bind(lease.number)
    .bind(column(lease.stage))
    .fetch_one(&mut unit.connection)
    .await?;
    let flagged = flags::Flagged {
        stage: lease.stage,
        distinct,
        total,
        sent_back,
    };
    match flags::verdict(flagged, unit.rules.invalid_after) {
        flags::Verdict::PutBack => put_back(unit, lease, "flagged").await,
        flags::Verdict::SendBack(previous) => send_back(unit, lease, previous).await,
        flags::Verdict::SetAside(reason) => set_aside(unit, lease, &reason).await,
    }
}

/// A flag whose answer was lost and that is sent again by number counts once.
async fn flagged_before(
    unit: &mut Unit,
    worker: &Worker,
    number: Option<i64>,
    otherwise: ErrorCode,
) -> Result<(), StoreError> {
    let known: bool = sqlx::query_scalar(
        "select exists (select 1 from leases \
         where number = ? and worker = ? and outcome = 'flagged')",
    )
    .bind(number)
    .bind(worker.id)
    .fetch_one(&mut unit.connection)
    .await?;
    if known {
        Ok(())
    } else {
        Err(StoreError::Refused(otherwise))
    }
}

/// Opens a job at the stage before, from the input that that stage had.
async fn send_back(unit: &mut Unit, lease: &Lease, previous: Stage) -> Result<(), StoreError> {
    end_lease(unit, lease, "flagged").await?;
    for statement in [
        "delete from flags where number = ? and stage = ?",
        // The bad output: it is no result any more.
        "delete from inputs where number = ? and stage = ?",
    ] {
        sqlx::query(statement)
            .bind(lease.number)
            .bind(column(lease.stage))
            .execute(&mut unit.connection)
            .await?;
    }
    sqlx::query("update jobs set sent_back = sent_back + 1 where number = ?")
        .bind(lease.number)
        .execute(&mut unit.connection)
        .await?;
    forget_avoided(unit, lease.number).await?;
    // Who made it wrong is the last who should make it again.
    let maker: Option<String> = sqlx::query_scalar(
        "select volunteer from leases \
         where number = ? and stage = ? and outcome = 'completed' order by id desc limit 1",
    )
    .bind(lease.number)
    .bind(column(previous))
    .fetch_optional(&mut unit.connection)
    .await?;
    if let Some(maker) = maker {
        avoid(unit, lease.number, &maker).await?;
    }
    unit.tally.stage(previous).done -= 1;
    enqueue(unit, lease.number, previous, 0).await
}

async fn set_aside(unit: &mut Unit, lease: &Lease, reason: &str) -> Result<(), StoreError> {
    end_lease(unit, lease, "flagged").await?;
    sqlx::query("update jobs set state = 'aside', reason = ? where number = ?")
        .bind(reason)
        .bind(lease.number)
        .execute(&mut unit.connection)
        .await?;
    unit.tally.stage(lease.stage).aside += 1;
    Ok(())
}
