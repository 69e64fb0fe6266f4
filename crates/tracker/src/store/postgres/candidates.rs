//! Jobs that may be requeued, and who has made their results.

use distcompute_protocol::Stage;
use sqlx::PgPool;

use crate::{
    clock::Millis,
    store::{Candidate, RequeueFilter, ResultLease, StoreError, column, stage_of, state_of},
};

/// Jobs that may be requeued, unless they have changed lately.
macro_rules! candidates {
    ($matching:literal) => {
        concat!(
            "select j.number, j.stage, j.state, j.round, j.failures, ",
            $matching,
            " from jobs j where j.number = any($1) and ($2::bigint is null \
             or least(j.changed_at, coalesce($3, tracker_now())) <= coalesce($3, tracker_now()) - $2) \
             order by j.number"
        )
    };
}

const CANDIDATES: &str = candidates!("null::bigint");

/// The same, with the earliest stage whose result fulfils conditions. Of the leases that have
/// completed a stage, the latest one has made its result; results of the stages that the job has yet
/// to pass were discarded.
const CANDIDATES_BY_RESULT: &str = candidates!(
    "(select min(l.stage) from leases l where l.number = j.number and l.outcome = 'completed' \
     and l.stage <= j.stage - (j.state <> 'closed')::int and ($4::bigint is null or l.stage = $4) \
     and ($5::text is null or l.nickname = $5) and ($6::text is null or l.address = $6) \
     and ($7::bigint is null or l.ended_at >= $7) and ($8::bigint is null or l.ended_at < $8) \
     and not exists (select 1 from leases m where m.number = l.number and m.stage = l.stage \
     and m.id > l.id and m.outcome = 'completed') \
     and ($10::text is null or l.volunteer = $10) \
     and ($9::text is null or exists (select 1 from inputs i where i.number = l.number \
     and i.stage = l.stage + 1 and strpos(i.data, $9) > 0)))"
);

pub(super) async fn candidates(
    pool: &PgPool,
    now: Option<Millis>,
    filter: &RequeueFilter,
    numbers: &[i64],
) -> Result<Vec<Candidate>, StoreError> {
    type Found = (i64, i64, String, i64, i64, Option<i64>);
    let rows: Vec<Found> = if filter.is_by_result() {
        sqlx::query_as(CANDIDATES_BY_RESULT)
            .bind(numbers)
            .bind(filter.older_than)
            .bind(now)
            .bind(filter.stage.map(column))
            .bind(&filter.nickname)
            .bind(&filter.address)
            .bind(filter.since)
            .bind(filter.until)
            .bind(&filter.result_contains)
            .bind(&filter.volunteer)
            .fetch_all(pool)
            .await?
    } else {
        sqlx::query_as(CANDIDATES)
            .bind(numbers)
            .bind(filter.older_than)
            .bind(now)
            .fetch_all(pool)
            .await?
    };
    let candidates = rows.into_iter().map(|row| {
        let (number, stage, state, round, failures, matching) = row;
        Ok(Candidate {
            number,
            stage: stage_of(stage)?,
            state: state_of(&state)?,
            round,
            failures,
            matching: matching.map(stage_of).transpose()?,
        })
    });
    candidates.collect()
}

pub(super) async fn result_leases(
    pool: &PgPool,
    of: &[(i64, Stage)],
) -> Result<Vec<ResultLease>, StoreError> {
    let (numbers, stages): (Vec<i64>, Vec<i64>) = of
        .iter()
        .map(|(number, stage)| (*number, column(*stage)))
        .unzip();
    type Found = (i64, i64, i64, String, Option<Millis>);
    let rows: Vec<Found> = sqlx::query_as(
        "select wanted.number, wanted.stage, l.id, l.address, l.ended_at \
         from unnest($1::bigint[], $2::bigint[]) as wanted (number, stage) \
         cross join lateral (select id, address, ended_at from leases m \
         where m.number = wanted.number and m.stage = wanted.stage and m.outcome = 'completed' \
         order by m.id desc limit 1) l",
    )
    .bind(numbers)
    .bind(stages)
    .fetch_all(pool)
    .await?;
    let leases = rows.into_iter().map(|(number, stage, lease, address, at)| {
        Ok(ResultLease {
            number,
            stage: stage_of(stage)?,
            lease,
            address,
            at: at.unwrap_or_default(),
        })
    });
    leases.collect()
}
