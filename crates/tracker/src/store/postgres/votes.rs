//! Opinions, and what is known of the volunteers who gave them.

use distcompute_protocol::Stage;
use sqlx::{PgPool, Row as _, postgres::PgRow};

use crate::{
    ledger::{Confirmation, Doubt, Recall},
    rules::trust::{Policy, Trust},
    store::{
        BrowserPair, Recalled, StoreError, TrustRow, Which, column, signed, stage_of, unsigned,
    },
};

/// A volunteer whose results are to be made again, or were confirmed by it. A command does not know
/// whom the configuration trusts, and leaves the latter to the tracker.
pub(super) const DOUBTED: &str = "select stage, volunteer, version, on_hold, doubted, looked \
    from trust where doubted > 0 and (doubted = 1 or $1) order by doubted limit 1";

/// Results that count on its word alone; of one on hold, also those on which nobody else has an
/// opinion.
pub(super) const RESTING: &str = "select o.number, o.lease from opinions o \
    where o.volunteer = $1 and o.stage = $2 and o.version = $3 \
    and (o.state = 'alone' or o.state = 'waiting') and o.answer not like '!%' \
    and (o.state = 'alone' or ($4 <> 0 and exists (select 1 from jobs j where j.number = o.number \
        and j.state = 'waiting' and j.stage = o.stage and j.opinions = 1))) limit $5";

/// What it has confirmed, from a lease on; with the round of the job, the result that rests on too few
/// others, and whether the volunteer of that result is on hold too. The operator's word is enough.
pub(super) const CONFIRMED: &str = "select o.lease, o.number, j.round, \
    case when w.state = 'right' and w.lease < o.lease and o.answer not like '!%' \
        and (j.stage > o.stage or (j.stage = o.stage and j.state = 'closed')) \
        and not exists (select 1 from opinions q where q.number = o.number and q.stage = o.stage \
            and q.state = 'right' and q.lease >= w.lease and q.volunteer = any($5)) \
        and (select count(distinct q.volunteer) from opinions q where q.number = o.number \
            and q.stage = o.stage and q.state = 'right' and q.lease >= w.lease \
            and q.answer not like '!%' and not exists (select 1 from trust t \
                where t.stage = q.stage and t.volunteer = q.volunteer and t.version = q.version \
                and t.on_hold = 1)) < $6 \
    then w.lease end, \
    exists (select 1 from trust t where t.stage = w.stage and t.volunteer = w.volunteer \
        and t.version = w.version and t.on_hold = 1) \
    from opinions o join jobs j on j.number = o.number \
    left join opinions w on w.lease = (select max(l.id) from leases l where l.number = o.number \
        and l.stage = o.stage and l.outcome = 'completed') \
    where o.volunteer = $1 and o.stage = $2 and o.version = $3 and o.state = 'right' \
    and o.lease > $4 order by o.lease limit $7";

pub(super) async fn doubted(
    pool: &PgPool,
    trust: Trust,
    limit: u32,
) -> Result<Option<Recalled>, StoreError> {
    let found: Option<(i64, String, String, i64, i64, i64)> = sqlx::query_as(DOUBTED)
        .bind(trust.is_on())
        .fetch_optional(pool)
        .await?;
    let Some((stage, volunteer, version, on_hold, doubted, looked)) = found else {
        return Ok(None);
    };
    let policy = trust.policy(stage_of(stage)?);
    let what = if doubted == Doubt::Alone.number() {
        let found = sqlx::query_as(RESTING)
            .bind(&volunteer)
            .bind(stage)
            .bind(&version)
            .bind(on_hold)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?;
        Recall::Alone(found)
    } else if on_hold != 0 && policy != Policy::Off {
        let rows: Vec<(i64, i64, i64, Option<i64>, bool)> = sqlx::query_as(CONFIRMED)
            .bind(&volunteer)
            .bind(stage)
            .bind(&version)
            .bind(looked)
            .bind(trust.operators)
            .bind(signed(policy.needed() as u64))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?;
        let read = |(lease, number, round, result, is_void)| Confirmation {
            lease,
            number,
            round,
            result,
            is_void,
        };
        Recall::Confirmed(rows.into_iter().map(read).collect())
    } else {
        Recall::Confirmed(Vec::new())
    };
    Ok(Some(Recalled {
        stage: stage_of(stage)?,
        volunteer,
        version,
        on_hold: on_hold != 0,
        what,
    }))
}

/// Jobs with as many opinions as a job is given.
pub(super) const UNDECIDED: &str = "select number from jobs where stage = $1 and opinions >= 5 \
    and state = 'waiting' limit $2";

pub(super) async fn undecided(
    pool: &PgPool,
    stage: Stage,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let found = sqlx::query_scalar(UNDECIDED).bind(column(stage));
    Ok(found.bind(i64::from(limit)).fetch_all(pool).await?)
}

pub(super) async fn stale(
    pool: &PgPool,
    stage: Stage,
    version: Option<&str>,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let Some(version) = version else {
        let all = sqlx::query_scalar("select number from lane where stage = $1 limit $2");
        let all = all.bind(column(stage)).bind(i64::from(limit));
        return Ok(all.fetch_all(pool).await?);
    };
    let mut found = Vec::new();
    for statement in [
        "select number from lane where stage = $1 and version < $2 limit $3",
        "select number from lane where stage = $1 and version > $2 limit $3",
    ] {
        let numbers: Vec<i64> = sqlx::query_scalar(statement)
            .bind(column(stage))
            .bind(version)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?;
        found.extend(numbers);
    }
    Ok(found)
}

/// The columns of what is known of a volunteer.
macro_rules! trusted {
    ($which:literal) => {
        concat!(
            "select stage, volunteer, version, confirmed, agreed, refuted, waiting, unchecked, \
             on_hold from trust ",
            $which
        )
    };
}

pub(super) async fn trusted(pool: &PgPool, which: &Which) -> Result<Vec<TrustRow>, StoreError> {
    let rows = match which {
        Which::Volunteer(who) => {
            sqlx::query(trusted!("where volunteer = $1 order by stage, version"))
                .bind(who)
                .fetch_all(pool)
                .await?
        }
        Which::OnHold(limit) => {
            sqlx::query(trusted!("where on_hold = 1 limit $1"))
                .bind(i64::from(*limit))
                .fetch_all(pool)
                .await?
        }
    };
    let read = |row: &PgRow| {
        let number = |at: usize| row.try_get(at).map(unsigned);
        Ok(TrustRow {
            stage: stage_of(row.try_get(0)?)?,
            volunteer: row.try_get(1)?,
            version: row.try_get(2)?,
            confirmed: number(3)?,
            right: number(4)?,
            wrong: number(5)?,
            waiting: number(6)?,
            unchecked: number(7)?,
            on_hold: row.try_get::<i64, _>(8)? != 0,
        })
    };
    rows.iter().map(read).collect()
}

/// Kinds of browsers of which outputs differed. There are few.
const BROWSER_PAIRS: &str = "select stage, one, other, agreed, differed from browser_pairs \
    where differed > 0 order by differed desc, stage, one collate \"C\", other collate \"C\" limit $1";

pub(super) async fn browser_pairs(
    pool: &PgPool,
    limit: u32,
) -> Result<Vec<BrowserPair>, StoreError> {
    let rows: Vec<(i64, String, String, i64, i64)> = sqlx::query_as(BROWSER_PAIRS)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    let read = |(stage, one, other, agreed, differed)| {
        Ok(BrowserPair {
            stage: stage_of(stage)?,
            browsers: (one, other),
            agreed: unsigned(agreed),
            differed: unsigned(differed),
        })
    };
    rows.into_iter().map(read).collect()
}

pub(super) async fn unconfirmed(
    pool: &PgPool,
    stage: Stage,
    numbers: &[u64],
) -> Result<Vec<u64>, StoreError> {
    let numbers: Vec<i64> = numbers.iter().map(|number| signed(*number)).collect();
    let found: Vec<i64> = sqlx::query_scalar(
        "select number from opinions where number = any($1) and stage = $2 and state = 'alone'",
    )
    .bind(numbers)
    .bind(column(stage))
    .fetch_all(pool)
    .await?;
    Ok(found.into_iter().map(unsigned).collect())
}
