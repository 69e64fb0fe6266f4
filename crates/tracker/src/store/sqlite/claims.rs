//! What workers do: register, take jobs, hand results in, leave. What a flag does is in `flags`.

use distcompute_protocol::{ErrorCode, Stage};

use super::{column, unsigned, writer::Unit};
use crate::{
    clock::Millis,
    rules::{names, stages},
    store::{Claimed, NewWorker, StoreError},
};

/// How far from its head the queue is searched for a job that the volunteer did not give back.
/// Those jobs go to the tail, so this is only ever reached where little else is left.
const LOOK_AHEAD: i64 = 256;

/// Workers that are dropped in one go.
const SWEEP: i64 = 200;

/// A worker and what it holds.
pub(super) struct Worker {
    pub(super) id: i64,
    pub(super) nickname: String,
    pub(super) stage: Stage,
    pub(super) lease: Option<Lease>,
}

impl Worker {
    fn volunteer(&self) -> String {
        names::volunteer(&self.nickname, self.id)
    }
}

/// A job in a worker's hands.
pub(super) struct Lease {
    pub(super) id: i64,
    pub(super) number: i64,
    /// The stage at which the job was handed out.
    pub(super) stage: Stage,
    pub(super) attempt: i64,
    pub(super) nickname: String,
    pub(super) volunteer: String,
    pub(super) sent_back: i64,
}

fn stage_of(index: i64) -> Result<Stage, StoreError> {
    usize::try_from(index)
        .ok()
        .and_then(|index| Stage::ALL.get(index).copied())
        .ok_or_else(|| StoreError::Failed(format!("there is no stage {index}")))
}

/// A worker and the job that it holds.
pub(super) const WORKER: &str = "select w.id, w.nickname, w.stage, l.id, l.number, l.stage, \
     l.attempt, l.nickname, l.volunteer, j.sent_back \
     from workers w left join leases l on l.worker = w.id and l.ended_at is null \
     left join jobs j on j.number = l.number \
     where w.token = ? limit 1";

pub(super) async fn worker(unit: &mut Unit, token: &str) -> Result<Worker, StoreError> {
    use sqlx::Row as _;
    let row = sqlx::query(WORKER)
        .bind(token)
        .fetch_optional(&mut unit.connection)
        .await?
        .ok_or(StoreError::Refused(ErrorCode::WorkerUnknown))?;
    let lease = match row.try_get::<Option<i64>, _>(3)? {
        None => None,
        Some(id) => Some(Lease {
            id,
            number: row.try_get(4)?,
            stage: stage_of(row.try_get(5)?)?,
            attempt: row.try_get(6)?,
            nickname: row.try_get(7)?,
            volunteer: row.try_get(8)?,
            sent_back: row.try_get::<Option<i64>, _>(9)?.unwrap_or(0),
        }),
    };
    Ok(Worker {
        id: row.try_get(0)?,
        nickname: row.try_get(1)?,
        stage: stage_of(row.try_get(2)?)?,
        lease,
    })
}

pub(super) async fn register(unit: &mut Unit, new: NewWorker) -> Result<(), StoreError> {
    let now = unit.clock.now();
    sqlx::query(
        "insert into workers (token, display_name, nickname, stage, first_seen, last_seen) \
         values (?, ?, ?, ?, ?, ?)",
    )
    .bind(new.token)
    .bind(new.display_name)
    .bind(new.nickname)
    .bind(column(new.stage))
    .bind(now)
    .bind(now)
    .execute(&mut unit.connection)
    .await?;
    unit.tally.stage(new.stage).workers += 1;
    Ok(())
}

pub(super) async fn note_progress(
    unit: &mut Unit,
    token: String,
    progress: String,
) -> Result<(), StoreError> {
    let now = unit.clock.now();
    let changed = sqlx::query("update workers set progress = ?, last_seen = ? where token = ?")
        .bind(progress)
        .bind(now)
        .bind(token)
        .execute(&mut unit.connection)
        .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Refused(ErrorCode::WorkerUnknown));
    }
    Ok(())
}

pub(super) async fn claim(
    unit: &mut Unit,
    token: String,
    secret: String,
) -> Result<Claimed, StoreError> {
    let worker = worker(unit, &token).await?;
    if let Some(lease) = &worker.lease {
        put_back(unit, lease, "released").await?;
    }
    // After a put-back there is at least that job, so a refusal has changed nothing.
    let found = next_job(unit, worker.stage, &worker.volunteer()).await?;
    let (number, attempt) = found.ok_or(StoreError::Refused(ErrorCode::NoJobs))?;
    let now = unit.clock.now();
    sqlx::query("update jobs set state = 'held', attempt = ? where number = ?")
        .bind(attempt + 1)
        .bind(number)
        .execute(&mut unit.connection)
        .await?;
    sqlx::query(
        "insert into leases \
         (secret, number, stage, attempt, worker, nickname, volunteer, granted_at) \
         values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(secret)
    .bind(number)
    .bind(column(worker.stage))
    .bind(attempt + 1)
    .bind(worker.id)
    .bind(&worker.nickname)
    .bind(worker.volunteer())
    .bind(now)
    .execute(&mut unit.connection)
    .await?;
    seen(unit, worker.id, now).await?;
    let change = unit.tally.stage(worker.stage);
    change.open -= 1;
    change.held += 1;
    let data = sqlx::query_scalar("select data from inputs where number = ? and stage = ?")
        .bind(number)
        .bind(column(worker.stage))
        .fetch_optional(&mut unit.connection)
        .await?;
    Ok(Claimed {
        number: unsigned(number),
        data,
    })
}

/// The head of the queue, and whether the volunteer should rather not have it.
pub(super) const QUEUE_HEAD: &str = "select number, attempt, \
     exists (select 1 from avoided a where a.number = jobs.number and a.volunteer = ?1) \
     from jobs where stage = ?2 and state = 'open' order by position, number limit 1";

/// The first job near the head that the volunteer may well have.
pub(super) const QUEUE_AHEAD: &str = "select number, attempt from \
     (select number, attempt, position from jobs where stage = ?2 and state = 'open' \
      order by position, number limit ?3) as head \
     where not exists (select 1 from avoided a where a.number = head.number and a.volunteer = ?1) \
     order by position, number limit 1";

async fn next_job(
    unit: &mut Unit,
    stage: Stage,
    volunteer: &str,
) -> Result<Option<(i64, i64)>, StoreError> {
    let head: Option<(i64, i64, bool)> = sqlx::query_as(QUEUE_HEAD)
        .bind(volunteer)
        .bind(column(stage))
        .fetch_optional(&mut unit.connection)
        .await?;
    let Some((number, attempt, avoided)) = head else {
        return Ok(None);
    };
    if !avoided {
        return Ok(Some((number, attempt)));
    }
    let ahead: Option<(i64, i64)> = sqlx::query_as(QUEUE_AHEAD)
        .bind(volunteer)
        .bind(column(stage))
        .bind(LOOK_AHEAD)
        .fetch_optional(&mut unit.connection)
        .await?;
    Ok(ahead.or(Some((number, attempt))))
}

pub(super) async fn seen(unit: &mut Unit, worker: i64, now: Millis) -> Result<(), StoreError> {
    sqlx::query("update workers set last_seen = ? where id = ?")
        .bind(now)
        .bind(worker)
        .execute(&mut unit.connection)
        .await?;
    Ok(())
}

pub(super) async fn end_lease(
    unit: &mut Unit,
    lease: &Lease,
    outcome: &str,
) -> Result<(), StoreError> {
    let now = unit.clock.now();
    sqlx::query("update leases set ended_at = ?, outcome = ? where id = ?")
        .bind(now)
        .bind(outcome)
        .bind(lease.id)
        .execute(&mut unit.connection)
        .await?;
    unit.tally.stage(lease.stage).held -= 1;
    Ok(())
}

/// Moves a job behind all others that are open at a stage.
pub(super) const ENQUEUE: &str = "update jobs set stage = ?1, state = 'open', attempt = ?2, \
     position = (select coalesce(max(position), 0) + 1 from jobs \
     where stage = ?1 and state = 'open') where number = ?3";

/// Queues a job last at a stage.
pub(super) async fn enqueue(
    unit: &mut Unit,
    number: i64,
    stage: Stage,
    attempt: i64,
) -> Result<(), StoreError> {
    sqlx::query(ENQUEUE)
        .bind(column(stage))
        .bind(attempt)
        .bind(number)
        .execute(&mut unit.connection)
        .await?;
    unit.tally.stage(stage).open += 1;
    Ok(())
}

pub(super) async fn avoid(unit: &mut Unit, number: i64, volunteer: &str) -> Result<(), StoreError> {
    sqlx::query("insert into avoided (number, volunteer) values (?, ?) on conflict do nothing")
        .bind(number)
        .bind(volunteer)
        .execute(&mut unit.connection)
        .await?;
    Ok(())
}

pub(super) async fn forget_avoided(unit: &mut Unit, number: i64) -> Result<(), StoreError> {
    sqlx::query("delete from avoided where number = ?")
        .bind(number)
        .execute(&mut unit.connection)
        .await?;
    Ok(())
}

/// Ends a lease and opens its job for others, for its volunteer last.
pub(super) async fn put_back(
    unit: &mut Unit,
    lease: &Lease,
    outcome: &str,
) -> Result<(), StoreError> {
    end_lease(unit, lease, outcome).await?;
    avoid(unit, lease.number, &lease.volunteer).await?;
    enqueue(unit, lease.number, lease.stage, lease.attempt).await
}

pub(super) async fn complete(
    unit: &mut Unit,
    token: String,
    number: Option<i64>,
    data: String,
) -> Result<(), StoreError> {
    let worker = worker(unit, &token).await?;
    match &worker.lease {
        Some(lease) if number.is_none_or(|number| number == lease.number) => {
            accept(unit, &worker, lease, &data).await
        }
        _ => repeated(unit, &worker, number, &data).await,
    }
}

async fn accept(
    unit: &mut Unit,
    worker: &Worker,
    lease: &Lease,
    data: &str,
) -> Result<(), StoreError> {
    let now = unit.clock.now();
    let cursor = unit.tally.next_cursor(&mut unit.connection).await?;
    sqlx::query(
        "insert into inputs (number, stage, cursor, data) values (?, ?, ?, ?) \
         on conflict (number, stage) do update set cursor = excluded.cursor, data = excluded.data",
    )
    .bind(lease.number)
    .bind(column(lease.stage) + 1)
    .bind(cursor)
    .bind(data)
    .execute(&mut unit.connection)
    .await?;
    end_lease(unit, lease, "completed").await?;
    unit.tally.stage(lease.stage).done += 1;
    if lease.attempt > 1 || lease.sent_back > 0 {
        forget_avoided(unit, lease.number).await?;
    }
    match stages::after(lease.stage, unit.rules.last_stage) {
        Some(next) => enqueue(unit, lease.number, next, 0).await?,
        None => {
            sqlx::query("update jobs set state = 'closed' where number = ?")
                .bind(lease.number)
                .execute(&mut unit.connection)
                .await?;
            unit.tally.closed += 1;
        }
    }
    unit.tally.credit(&lease.nickname, lease.stage, now);
    sqlx::query("update workers set completed = completed + 1, last_seen = ? where id = ?")
        .bind(now)
        .bind(worker.id)
        .execute(&mut unit.connection)
        .await?;
    Ok(())
}

/// Whether a job was completed by this worker, and whether by another after this one had it.
pub(super) const REPEATED: &str = "select coalesce(max(l.outcome = 'completed'), 0), \
     coalesce(max(j.state = 'closed' or j.stage > l.stage), 0) \
     from leases l join jobs j on j.number = l.number where l.number = ? and l.worker = ?";

/// Whether the worker's last job was completed with this output.
pub(super) const LAST_OUTPUT: &str = "select last.outcome = 'completed' and i.data = ?2 from \
     (select number, stage, outcome from leases where worker = ?1 order by id desc limit 1) \
     as last join inputs i on i.number = last.number and i.stage = last.stage + 1";

/// A completion of what the worker does not hold: fine if it is one that was already accepted and
/// whose answer was lost, refused otherwise.
async fn repeated(
    unit: &mut Unit,
    worker: &Worker,
    number: Option<i64>,
    data: &str,
) -> Result<(), StoreError> {
    let refused = match number {
        Some(number) => {
            let (by_this_one, by_another): (bool, bool) = sqlx::query_as(REPEATED)
                .bind(number)
                .bind(worker.id)
                .fetch_one(&mut unit.connection)
                .await?;
            if by_this_one {
                return Ok(());
            }
            match (by_another, &worker.lease) {
                (true, _) => ErrorCode::AlreadyCompleted,
                (false, Some(_)) => ErrorCode::WrongJob,
                (false, None) => ErrorCode::NoOpenJob,
            }
        }
        None => {
            let same: Option<bool> = sqlx::query_scalar(LAST_OUTPUT)
                .bind(worker.id)
                .bind(data)
                .fetch_optional(&mut unit.connection)
                .await?;
            if same == Some(true) {
                return Ok(());
            }
            ErrorCode::NoOpenJob
        }
    };
    Err(StoreError::Refused(refused))
}

pub(super) async fn leave(unit: &mut Unit, token: String) -> Result<(), StoreError> {
    let worker = worker(unit, &token).await?;
    forget(unit, &worker, "left").await
}

async fn forget(unit: &mut Unit, worker: &Worker, outcome: &str) -> Result<(), StoreError> {
    if let Some(lease) = &worker.lease {
        put_back(unit, lease, outcome).await?;
    }
    sqlx::query("delete from workers where id = ?")
        .bind(worker.id)
        .execute(&mut unit.connection)
        .await?;
    unit.tally.stage(worker.stage).workers -= 1;
    Ok(())
}

pub(super) async fn drop_idle(unit: &mut Unit, idle: Millis) -> Result<u64, StoreError> {
    let before = unit.clock.now() - idle;
    let tokens: Vec<String> = sqlx::query_scalar(
        "select token from workers where last_seen < ? order by last_seen limit ?",
    )
    .bind(before)
    .bind(SWEEP)
    .fetch_all(&mut unit.connection)
    .await?;
    for token in &tokens {
        let worker = worker(unit, token).await?;
        forget(unit, &worker, "idle").await?;
    }
    Ok(tokens.len() as u64)
}
