//! Reads what a group of operations needs, and locks it until the transaction ends. How much is
//! read depends on the group, never on the size of the tables.
//!
//! Locks are taken in one order so that trackers on one database cannot deadlock: workers by id,
//! jobs by number, then rows that can be had without waiting (heads of queues, silent workers), and
//! the counters last, in `save`. Rows that depend on a locked row are read by a later statement
//! than the one that locked it: a statement sees what was committed before it began, and it may
//! have waited for the lock.
//!
//! Every table is queried with a list of keys, `= any(…)`, and lists lead from one table to the
//! next instead of joins. Then the only possible plan uses the index, whatever the server's
//! statistics say about the size of a table; and they say that a table is empty if it was so when
//! last analyzed.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
};

use distcompute_protocol::Stage;
use sqlx::PgConnection;

use super::rows::{job, lease, opinion, standing, volunteer, waiting, worker};
use crate::{
    clock::Millis,
    ledger::{
        AUDIT_LOOKS, Confirmers, End, Job, LANE as LANE_ROWS, LOOK_AHEAD, Lease, OWN_LOOKS,
        Opinion, Pause, Queue, SWEEP, Snapshot, Standing, VOLUNTEERS, Volunteer, Waiting, Wanted,
        Worker,
    },
    rules::{
        allowance::GroupTotals,
        attempts::{THERE, WORKING},
        lane, order,
        trust::{Policy, Trust},
    },
    store::{
        Input, StoreError, column,
        columns::{
            job_columns, lease_columns, opinion_columns, standing_columns, volunteer_columns,
            worker_columns,
        },
        signed, stage_of, unsigned,
    },
};

/// Workers by token, by the leases named, and by the leases that hold jobs.
pub(super) const WORKERS: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.id = any(array( \
         select id from workers where token = any($1) \
         union all select worker from leases where id = any($2::bigint[] || array( \
             select unnest(array[lease, late]) from jobs where number = any($3::bigint[] || array( \
                 select number from leases where id = any($2))))))) \
     order by w.id for update"
);

/// The time, ids for new rows, the number of open jobs, and the number of workers.
const GIVEN: &str = "select coalesce($1, tracker_now()), \
     array(select nextval('worker_ids') from generate_series(1, $2)), \
     array(select nextval('lease_ids') from generate_series(1, $3)), \
     array(select open from stage_counters order by stage), \
     array(select workers from stage_counters order by stage), \
     array(select working from stage_counters order by stage), \
     (select late_bytes from totals where id = 1), \
     array(select failing from stage_counters order by stage), \
     array(select paused_at is not null from stage_counters order by stage), \
     array(select paused_by_operator from stage_counters order by stage), \
     array(select paused_reason from stage_counters order by stage), \
     array(select waiting from stage_counters order by stage), \
     coalesce((select version from trust_version where id = 1), ''), \
     coalesce((select since from trust_version where id = 1), 0)";

/// Volunteers that worked at a stage recently.
pub(super) const WORKED: &str = concat!(
    "select ",
    volunteer_columns!(),
    " from volunteers v where v.stage = $1 and v.worked_at > $2 \
     order by v.worked_at desc limit $3"
);

/// Volunteers that asked for jobs at a stage recently.
pub(super) const ASKED: &str = concat!(
    "select ",
    volunteer_columns!(),
    " from volunteers v where v.stage = $1 and v.asked_at > $2 \
     order by v.asked_at desc limit $3"
);

/// Volunteers that have failed at a stage since it last produced a result.
pub(super) const FAILED: &str = concat!(
    "select ",
    volunteer_columns!(),
    " from volunteers v where v.stage = $1 and v.failed_at > $2 \
     order by v.failed_at desc limit $3"
);

/// Workers that have made no call for too long. One that another transaction has locked is making a
/// call or is being swept, and is skipped.
const IDLE: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.last_seen < $1 order by w.last_seen limit $2 \
     for update skip locked"
);

/// Workers that use sync and have made no call for too long.
const MISSED: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.last_seen < $1 and w.seq >= 0 order by w.last_seen limit $2 \
     for update skip locked"
);

/// Workers whose leases have expired because no sync renewed them.
const LAPSED: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.synced_at < $1 order by w.synced_at limit $2 \
     for update skip locked"
);

/// Jobs by number, by lease, and held by workers.
pub(super) const JOBS: &str = concat!(
    "select ",
    job_columns!(),
    " from jobs j where j.number = any($1::bigint[] || array( \
         select number from leases where id = any($2) \
         union all select number from leases where worker = any($3) and ended_at is null)) \
     order by j.number for update"
);

/// Leases by id, held by workers, and those that hold jobs.
pub(super) const LEASES: &str = concat!(
    "select ",
    lease_columns!(),
    " from leases l where l.id = any($1) union all select ",
    lease_columns!(),
    " from leases l where l.worker = any($2) and l.ended_at is null and l.id <> all($1)"
);

/// The opinions on jobs that wait or count alone, and those of leases.
pub(super) const OPINIONS: &str = concat!(
    "select ",
    opinion_columns!(),
    " from opinions o where o.number = any($1) and o.state in ('waiting', 'alone') \
     and o.lease <> all($2) union all select ",
    opinion_columns!(),
    " from opinions o where o.lease = any($2)"
);

/// What is known of volunteers.
pub(super) const STANDINGS: &str = concat!(
    "select distinct ",
    standing_columns!(),
    " from trust t join unnest($1::bigint[], $2::text[]) as w (stage, volunteer) \
         on w.stage = t.stage and w.volunteer = t.volunteer \
     where t.volunteer = any($2) and t.stage = any($1) and t.version = $3"
);

/// Jobs of the lane between two places.
pub(super) const LANE: &str = "select number, volunteer, at from lane where stage = $1 \
     and version = $2 and disputed = $3 and place between $4 and $5 order by place limit $6";

/// When those who share the lane were last counted, and when a result was last made again.
const COUNTED: &str =
    "select established, established_at, audited_at from stage_counters where stage = $1";

/// Results that count on one word, among some opinions from a random one on.
pub(super) const AUDITS: &str = concat!(
    "select ",
    opinion_columns!(),
    " from (select * from opinions where lease >= $1 % ((select max(lease) from opinions) + 1) \
        order by lease limit $2) o \
    where o.stage = $3 and o.version = $4 and o.state = 'alone'",
);

/// Jobs by number. Those that another transaction has locked are skipped.
const FREE_JOBS: &str = concat!(
    "select ",
    job_columns!(),
    " from jobs j where j.number = any($1) order by j.number for update skip locked"
);

/// The secret by which the lane is divided. Of two trackers that make one at the same time, the second
/// waits for the first.
const SECRET: &str = "select secret from tracker_keys where name = 'lane'";
const ADD_SECRET: &str =
    "insert into tracker_keys (name, secret) values ('lane', $1) on conflict do nothing";

/// Jobs of the lane whose first opinion is another volunteer's.
pub(super) const LANE_ABOVE: &str = "select number from lane where stage = $1 and version = $2 \
     and disputed = $3 and volunteer > $4 order by volunteer limit $5";
pub(super) const LANE_BELOW: &str = "select number from lane where stage = $1 and version = $2 \
     and disputed = $3 and volunteer < $4 order by volunteer desc limit $5";

/// Jobs of the lane. Those that another transaction is about to take are skipped.
pub(super) const IN_LANE: &str = concat!(
    "select ",
    job_columns!(),
    " from jobs j where j.number = any($1) and j.state = 'waiting' \
     order by j.number for update skip locked"
);

/// The earlier leases that workers had of jobs.
pub(super) const PAST: &str = concat!(
    "select ",
    lease_columns!(),
    " from leases l join unnest($1::bigint[], $2::bigint[]) as past (worker, number) \
         on l.number = past.number and l.worker = past.worker \
     where l.number = any($2)"
);

/// The head of a queue. Jobs that another transaction is about to take are skipped.
pub(super) const QUEUE: &str = concat!(
    "select ",
    job_columns!(),
    " from jobs j where j.stage = $1 and j.state = 'open' \
     order by j.position limit $2 for update skip locked"
);

/// Jobs of a queue: for each of some shares of 1 the next one from there on, within a stretch of places.
pub(super) const DRAW: &str = concat!(
    "with first as (select position from jobs where stage = $1 and state = 'open' \
         order by position limit 1), \
     last as (select position from jobs where stage = $1 and state = 'open' \
         and position < (select position from first) + $3 order by position desc limit 1) \
     select ",
    job_columns!(),
    " from jobs j where j.number = any(array( \
         select (select q.number from jobs q where q.stage = $1 and q.state = 'open' \
             and q.position >= (select position from first) + floor(drawn.share \
                 * (1 + (select position from last) - (select position from first)))::bigint \
             order by q.position limit 1) \
         from unnest($2::float8[]) as drawn (share))) \
     and j.stage = $1 and j.state = 'open' order by j.number for update of j skip locked"
);

/// The key of the advisory lock for the table of bans: its name in ASCII, as a number.
pub(super) const BANS: i64 = 0x62_61_6e_73;

/// Converts a number of rows to a parameter.
fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reads what is wanted. `now` is given in tests only; otherwise the time is the database's.
pub(super) async fn load(
    connection: &mut PgConnection,
    wanted: &Wanted,
    now: Option<Millis>,
) -> Result<Snapshot, StoreError> {
    let mut read = Snapshot::default();
    let tokens: Vec<&str> = wanted.workers.keys().map(String::as_str).collect();
    let lease_ids: Vec<i64> = wanted.leases.iter().copied().collect();
    let numbers: Vec<i64> = wanted.jobs.iter().copied().collect();
    if !(tokens.is_empty() && lease_ids.is_empty() && numbers.is_empty()) {
        let rows = sqlx::query(WORKERS)
            .bind(&tokens)
            .bind(&lease_ids)
            .bind(&numbers)
            .fetch_all(&mut *connection)
            .await?;
        read.workers = rows.iter().map(worker).collect::<Result<_, _>>()?;
    }
    let (open, enrolled, working, failing): (Vec<i64>, Vec<i64>, Vec<i64>, Vec<i64>);
    let (late_bytes, paused, by_operator): (i64, Vec<bool>, Vec<bool>);
    let reasons: Vec<Option<String>>;
    let (waiting, version): (Vec<i64>, String);
    let since: Millis;
    (
        read.now,
        read.worker_ids,
        read.lease_ids,
        open,
        enrolled,
        working,
        late_bytes,
        failing,
        paused,
        by_operator,
        reasons,
        waiting,
        version,
        since,
    ) = sqlx::query_as(GIVEN)
        .bind(now)
        .bind(limit(wanted.registrations))
        .bind(limit(wanted.grants()))
        .fetch_one(&mut *connection)
        .await?;
    for (at, (open, enrolled)) in open
        .into_iter()
        .zip(enrolled)
        .enumerate()
        .take(Stage::ALL.len())
    {
        (read.open[at], read.enrolled[at]) = (open, enrolled);
    }
    for (at, working) in working.into_iter().enumerate().take(5) {
        read.at_work[at] = working;
    }
    for (at, waiting) in waiting.into_iter().enumerate().take(5) {
        read.waiting[at] = waiting;
    }
    read.version = (version, since);
    read.dice = wanted.dice;
    read.late_bytes = unsigned(late_bytes);
    for (at, failing) in failing.into_iter().enumerate().take(5) {
        read.failing[at] = failing != 0;
    }
    let pauses = paused.into_iter().zip(by_operator).zip(reasons);
    for (at, ((paused, by_operator), reason)) in pauses.enumerate().take(5) {
        read.paused[at] = paused.then(|| Pause::read(by_operator, reason));
    }
    silent(connection, wanted, &mut read).await?;
    jobs_and_leases(connection, wanted, &mut read, &lease_ids, &numbers).await?;
    groups(connection, &mut read).await?;
    keys(connection, wanted, &mut read).await?;
    bans(connection, wanted, &mut read).await?;
    repeated(connection, wanted, &mut read).await?;
    opinions(connection, wanted, &mut read).await?;
    if wanted.flags {
        flags(connection, &mut read).await?;
    }
    if wanted.trust.is_some() {
        standings(connection, wanted, &mut read).await?;
        lanes(connection, wanted, &mut read).await?;
    }
    queues(connection, wanted, &mut read).await?;
    sizes(connection, wanted, &mut read).await?;
    avoided(connection, &mut read).await?;
    volunteers(connection, wanted, &mut read).await?;
    Ok(read)
}

/// Finds the workers to sweep.
async fn silent(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    for (statement, age) in [
        (IDLE, wanted.idle),
        (MISSED, wanted.missed),
        (LAPSED, wanted.lapsed),
    ] {
        let Some(age) = age else { continue };
        let rows = sqlx::query(statement)
            .bind(read.now - age)
            .bind(limit(SWEEP))
            .fetch_all(&mut *connection)
            .await?;
        let swept: Vec<Worker> = rows.iter().map(worker).collect::<Result<_, _>>()?;
        let ids = swept.iter().map(|worker| worker.id);
        if statement == LAPSED {
            read.lapsed.extend(ids);
        } else {
            read.idle.extend(ids);
        }
        add_workers(read, swept);
    }
    Ok(())
}

fn add_workers(read: &mut Snapshot, more: Vec<Worker>) {
    let known: BTreeSet<i64> = read.workers.iter().map(|worker| worker.id).collect();
    let more = more.into_iter();
    read.workers
        .extend(more.filter(|worker| !known.contains(&worker.id)));
}

async fn jobs_and_leases(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
    lease_ids: &[i64],
    numbers: &[i64],
) -> Result<(), StoreError> {
    let workers: Vec<i64> = read.workers.iter().map(|worker| worker.id).collect();
    if workers.is_empty() && lease_ids.is_empty() && numbers.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(JOBS)
        .bind(numbers)
        .bind(lease_ids)
        .bind(&workers)
        .fetch_all(&mut *connection)
        .await?;
    read.jobs = rows.iter().map(job).collect::<Result<_, _>>()?;
    let holding = read
        .jobs
        .iter()
        .flat_map(|job| [job.lease, job.late])
        .flatten();
    let ids: Vec<i64> = holding.chain(lease_ids.iter().copied()).collect();
    let rows = sqlx::query(LEASES)
        .bind(&ids)
        .bind(&workers)
        .fetch_all(&mut *connection)
        .await?;
    read.leases = rows.iter().map(lease).collect::<Result<_, _>>()?;

    // Only if a lease changed hands between two of these statements. This breaks the lock order; if
    // it leads to a deadlock, the group is retried.
    let missing: Vec<i64> = read.missing_workers().into_iter().collect();
    if !missing.is_empty() {
        let rows = sqlx::query(concat!(
            "select ",
            worker_columns!(),
            " from workers w where w.id = any($1) order by w.id for update"
        ))
        .bind(&missing)
        .fetch_all(&mut *connection)
        .await?;
        let more = rows.iter().map(worker).collect::<Result<_, _>>()?;
        add_workers(read, more);
    }

    let (holders, numbers): (Vec<i64>, Vec<i64>) = read.past(wanted).into_iter().unzip();
    if !numbers.is_empty() {
        let rows = sqlx::query(PAST)
            .bind(&holders)
            .bind(&numbers)
            .fetch_all(&mut *connection)
            .await?;
        let past: Vec<Lease> = rows.iter().map(lease).collect::<Result<_, _>>()?;
        // The state of these jobs is only read, so they are not locked.
        let rows = sqlx::query(concat!(
            "select ",
            job_columns!(),
            " from jobs j where j.number = any($1)"
        ))
        .bind(&numbers)
        .fetch_all(&mut *connection)
        .await?;
        let jobs = rows.iter().map(job).collect::<Result<_, _>>()?;
        add_leases(read, past);
        add_jobs(read, jobs);
    }
    Ok(())
}

/// The opinions of jobs that have any, and those under the leases that ended with one, with all of
/// their leases.
async fn opinions(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    let numbers: Vec<i64> = read.with_opinions(wanted).into_iter().collect();
    let ended = read
        .leases
        .iter()
        .filter(|lease| matches!(lease.ended, Some((_, End::Opinion))));
    let mut ended: BTreeSet<i64> = ended.map(|lease| lease.id).collect();
    ended.extend(&wanted.opinions);
    let ended: Vec<i64> = ended.into_iter().collect();
    opinions_of(connection, read, &numbers, &ended).await?;
    voters(connection, read).await
}

async fn opinions_of(
    connection: &mut PgConnection,
    read: &mut Snapshot,
    numbers: &[i64],
    leases: &[i64],
) -> Result<(), StoreError> {
    if numbers.is_empty() && leases.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(OPINIONS)
        .bind(numbers)
        .bind(leases)
        .fetch_all(&mut *connection)
        .await?;
    for row in &rows {
        read.opinions.push(opinion(row)?);
    }
    Ok(())
}

async fn voters(connection: &mut PgConnection, read: &mut Snapshot) -> Result<(), StoreError> {
    let missing: Vec<i64> = read.missing_voters().into_iter().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(LEASES)
        .bind(&missing)
        .bind(Vec::<i64>::new())
        .fetch_all(&mut *connection)
        .await?;
    let leases = rows.iter().map(lease).collect::<Result<_, _>>()?;
    add_leases(read, leases);
    Ok(())
}

/// What is known of volunteers. Nothing is locked: two trackers that judge the same volunteer at the
/// same time may differ by one result.
async fn standings(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    let Some(trust) = wanted.trust else {
        return Ok(());
    };
    let (stages, volunteers): (Vec<i64>, Vec<String>) = read
        .unjudged(wanted)
        .into_iter()
        .map(|(stage, who)| (column(stage), who))
        .unzip();
    let found = known(connection, &stages, &volunteers, trust.version).await?;
    read.standings.extend(found);
    Ok(())
}

async fn known(
    connection: &mut PgConnection,
    stages: &[i64],
    volunteers: &[String],
    version: &str,
) -> Result<Vec<Standing>, StoreError> {
    if volunteers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(STANDINGS)
        .bind(stages)
        .bind(volunteers)
        .bind(version)
        .fetch_all(&mut *connection)
        .await?;
    rows.iter().map(standing).collect()
}

/// Jobs of the lane between places, from the first range on.
async fn part(
    connection: &mut PgConnection,
    stage: Stage,
    version: &str,
    disputed: bool,
    places: &[RangeInclusive<i64>; 2],
    most: usize,
) -> Result<Vec<Waiting>, StoreError> {
    let mut found: Vec<Waiting> = Vec::new();
    for range in places {
        if found.len() == most {
            break;
        }
        let rows = sqlx::query(LANE)
            .bind(column(stage))
            .bind(version)
            .bind(i64::from(disputed))
            .bind(range.start())
            .bind(range.end())
            .bind(limit(most - found.len()))
            .fetch_all(&mut *connection)
            .await?;
        for row in &rows {
            found.push(waiting(row)?);
        }
    }
    Ok(found)
}

/// Jobs of the lane for those who may give opinions, with the opinions on them.
async fn lanes(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    let Some(trust) = wanted.trust else {
        return Ok(());
    };
    let confirmers = Confirmers::new(read, wanted);
    for stage in confirmers.stages() {
        let (count, at, audited): (i64, Millis, Millis) = sqlx::query_as(COUNTED)
            .bind(column(stage))
            .fetch_optional(&mut *connection)
            .await?
            .unwrap_or_default();
        let anew = if read.is_recent(at) {
            None
        } else {
            Some(established(connection, stage, trust, read.now).await?)
        };
        read.share_lane(stage, &trust, count, anew);
        if confirmers.has_own(stage) && read.is_audit_due(&trust, audited) {
            audits(connection, &confirmers, stage, trust.version, read).await?;
        }
    }
    let secret = if confirmers.are_divided(read) {
        secret(connection, &wanted.secret).await?
    } else {
        String::new()
    };
    read.parts = confirmers.parts(read, &secret);
    let version = trust.version;
    for (of, most) in confirmers.demand(read) {
        let places = lane::from_within(of.1, read.lane_parts(of.0), read.dice);
        let disputed = part(connection, of.0, version, true, &places, most).await?;
        let others = part(connection, of.0, version, false, &places, most).await?;
        read.enter(of, most, &disputed, &others);
    }
    for (stage, who) in confirmers.own() {
        let places = lane::from_within(0, 1, read.dice);
        let disputed = part(connection, stage, version, true, &places, OWN_LOOKS).await?;
        let others = part(connection, stage, version, false, &places, OWN_LOOKS).await?;
        let volunteers: Vec<String> = others.iter().map(|one| one.volunteer.clone()).collect();
        let stages = vec![column(stage); volunteers.len()];
        let known = known(connection, &stages, &volunteers, trust.version).await?;
        read.enter_own(&trust, (stage, who), disputed, others, &known);
    }
    of_lane(connection, read).await?;
    for (stage, who) in confirmers.lacking(read) {
        let mut found: Vec<i64> = Vec::new();
        for statement in [LANE_ABOVE, LANE_BELOW] {
            for disputed in [1_i64, 0] {
                let more: Vec<i64> = sqlx::query_scalar(statement)
                    .bind(column(stage))
                    .bind(trust.version)
                    .bind(disputed)
                    .bind(&who)
                    .bind(LANE_ROWS)
                    .fetch_all(&mut *connection)
                    .await?;
                found.extend(more);
            }
        }
        read.lane_for.insert((stage, who), found);
    }
    of_lane(connection, read).await?;
    voters(connection, read).await?;
    standings(connection, wanted, read).await
}

/// Results that the operator's own worker may make again.
async fn audits(
    connection: &mut PgConnection,
    confirmers: &Confirmers,
    stage: Stage,
    version: &str,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    let rows = sqlx::query(AUDITS)
        .bind(signed(read.dice >> 1))
        .bind(AUDIT_LOOKS)
        .bind(column(stage))
        .bind(version)
        .fetch_all(&mut *connection)
        .await?;
    let found: Vec<Opinion> = rows.iter().map(opinion).collect::<Result<_, _>>()?;
    let numbers: Vec<i64> = found.iter().map(|one| one.number).collect();
    let rows = sqlx::query(FREE_JOBS)
        .bind(&numbers)
        .fetch_all(&mut *connection)
        .await?;
    let jobs: Vec<Job> = rows.iter().map(job).collect::<Result<_, _>>()?;
    add_jobs(read, jobs);
    // What has changed since, until the jobs were locked, is read again.
    let leases: Vec<i64> = found.iter().map(|one| one.lease).collect();
    read.enter_audits(confirmers, stage, &found);
    opinions_of(connection, read, &[], &leases).await
}

/// The secret by which the lane is divided. `fresh` is kept if there is none.
async fn secret(connection: &mut PgConnection, fresh: &str) -> Result<String, StoreError> {
    let known = sqlx::query_scalar(SECRET);
    if let Some(known) = known.fetch_optional(&mut *connection).await? {
        return Ok(known);
    }
    sqlx::query(ADD_SECRET)
        .bind(fresh)
        .execute(&mut *connection)
        .await?;
    let known = sqlx::query_scalar(SECRET);
    Ok(known.fetch_one(&mut *connection).await?)
}

/// Volunteers that asked for jobs recently and may confirm.
async fn established(
    connection: &mut PgConnection,
    stage: Stage,
    trust: Trust,
    now: Millis,
) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(ASKED)
        .bind(column(stage))
        .bind(now - THERE)
        .bind(limit(VOLUNTEERS))
        .fetch_all(&mut *connection)
        .await?;
    let there: Vec<Volunteer> = rows.iter().map(volunteer).collect::<Result<_, _>>()?;
    let there: Vec<String> = there.into_iter().map(|one| one.name).collect();
    let stages = vec![column(stage); there.len()];
    let known = known(connection, &stages, &there, trust.version).await?;
    let least = i64::from(trust.policy(stage).confirmations_to_share());
    let sharing = known.into_iter();
    let sharing = sharing.filter(|one| one.confirmed >= least && !one.on_hold);
    Ok(sharing.map(|one| one.volunteer).collect())
}

/// Jobs of the lane that have not been read, with the opinions on them. Those that another
/// transaction is about to take are skipped.
async fn of_lane(connection: &mut PgConnection, read: &mut Snapshot) -> Result<(), StoreError> {
    let new = read.unread_in_lane();
    if new.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(IN_LANE)
        .bind(&new)
        .fetch_all(&mut *connection)
        .await?;
    let jobs: Vec<Job> = rows.iter().map(job).collect::<Result<_, _>>()?;
    let numbers: Vec<i64> = jobs.iter().map(|job| job.number).collect();
    add_jobs(read, jobs);
    opinions_of(connection, read, &numbers, &[]).await
}

/// What the address groups of the workers hold. Nothing is locked, so two trackers that grant at
/// the same time exceed the limit by at most one sync.
async fn groups(connection: &mut PgConnection, read: &mut Snapshot) -> Result<(), StoreError> {
    let names: Vec<String> = read.address_groups().into_iter().collect();
    if names.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, i64, i64)> =
        sqlx::query_as("select name, held, earned from address_groups where name = any($1)")
            .bind(names)
            .fetch_all(&mut *connection)
            .await?;
    let groups = rows.into_iter();
    let groups = groups.map(|(name, held, earned)| (name, GroupTotals { held, earned }));
    read.groups.extend(groups);
    Ok(())
}

/// The identities that keys are linked to, and the nonces that have been used. The nonces are stored
/// here and not with the changes: of two trackers that are shown one at the same time, the second
/// waits here until the first has committed. All trackers lock them in one order.
async fn keys(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    if wanted.nonces.is_empty() {
        return Ok(());
    }
    let thumbprints: Vec<&str> = wanted.keys.iter().map(String::as_str).collect();
    let linked: Vec<(String, String)> =
        sqlx::query_as("select key, identity from linked_keys where key = any($1)")
            .bind(thumbprints)
            .fetch_all(&mut *connection)
            .await?;
    read.linked.extend(linked);
    let nonces: Vec<&str> = wanted.nonces.keys().map(String::as_str).collect();
    let ends: Vec<i64> = wanted.nonces.values().copied().collect();
    let fresh: Vec<String> = sqlx::query_scalar(
        "insert into used_nonces (nonce, expires_at) \
         select nonce, expires_at from unnest($1::text[], $2::bigint[]) as n (nonce, expires_at) \
         order by nonce collate \"C\" on conflict (nonce) do nothing returning nonce",
    )
    .bind(nonces)
    .bind(ends)
    .fetch_all(&mut *connection)
    .await?;
    let used = wanted.nonces.keys().filter(|nonce| !fresh.contains(nonce));
    read.used_nonces.extend(used.cloned());
    Ok(())
}

/// Finds which of the registering volunteers are banned. Adding a ban takes the same lock
/// exclusively, so when it is done, no registration checked before is still in progress, and all
/// workers to end are visible.
async fn bans(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    if wanted.bans.is_empty() {
        return Ok(());
    }
    sqlx::query("select pg_advisory_xact_lock_shared($1)")
        .bind(BANS)
        .execute(&mut *connection)
        .await?;
    let linked = read.names_of_linked();
    let names: Vec<&str> = wanted
        .bans
        .iter()
        .chain(&linked)
        .map(String::as_str)
        .collect();
    let found: Vec<String> = sqlx::query_scalar("select name from bans where name = any($1)")
        .bind(names)
        .fetch_all(&mut *connection)
        .await?;
    read.bans.extend(found);
    Ok(())
}

fn add_leases(read: &mut Snapshot, more: Vec<Lease>) {
    let known: BTreeSet<i64> = read.leases.iter().map(|lease| lease.id).collect();
    let more = more.into_iter();
    read.leases
        .extend(more.filter(|lease| !known.contains(&lease.id)));
}

fn add_jobs(read: &mut Snapshot, more: Vec<Job>) {
    let known: BTreeSet<i64> = read.jobs.iter().map(|job| job.number).collect();
    let more = more.into_iter();
    read.jobs
        .extend(more.filter(|job| !known.contains(&job.number)));
}

/// The newest leases of workers that hold nothing, with their outputs, to recognize repeated
/// completions.
async fn repeated(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    let repeats = read.repeats(wanted);
    if repeats.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(LEASES)
        .bind(&repeats)
        .bind(Vec::<i64>::new())
        .fetch_all(&mut *connection)
        .await?;
    let leases: Vec<Lease> = rows.iter().map(lease).collect::<Result<_, _>>()?;
    let made = leases
        .iter()
        .map(|lease| (lease.number, column(lease.stage) + 1));
    for (number, stage, data) in texts(connection, made.collect()).await? {
        read.outputs.push((number, stage_of(stage - 1)?, data));
    }
    add_leases(read, leases);
    Ok(())
}

/// The volunteers that flagged inputs of these jobs as bad, and those that produced the inputs.
async fn flags(connection: &mut PgConnection, read: &mut Snapshot) -> Result<(), StoreError> {
    let numbers: Vec<i64> = read.jobs.iter().map(|job| job.number).collect();
    let rows: Vec<(i64, i64, String)> =
        sqlx::query_as("select number, stage, volunteer from flags where number = any($1)")
            .bind(&numbers)
            .fetch_all(&mut *connection)
            .await?;
    for (number, stage, volunteer) in rows {
        read.flags.push((number, stage_of(stage)?, volunteer));
    }
    read.makers = sqlx::query_as(
        "select distinct on (l.number) l.number, l.volunteer \
         from jobs j join leases l on l.number = j.number and l.stage = j.stage - 1 \
         where j.number = any($1) and l.number = any($1) and l.outcome = 'completed' \
         order by l.number, l.id desc",
    )
    .bind(&numbers)
    .fetch_all(&mut *connection)
    .await?;
    Ok(())
}

/// The heads of the queues from which jobs are requested.
async fn queues(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    let demand = read.demand(wanted);
    for stage in Stage::ALL {
        let asked = demand[stage.index()];
        if asked == 0 {
            continue;
        }
        let is_drawn = wanted
            .trust
            .is_some_and(|trust| trust.policy(stage) != Policy::Off);
        let dice = is_drawn.then_some(read.dice);
        let mut jobs = next(connection, stage, asked, dice).await?;
        let mut whole = jobs.len() < asked;
        if !whole && jobs.iter().any(Job::has_past) {
            // The workers that ask may have given some of these jobs back and should get others, so
            // more are read.
            jobs = next(connection, stage, asked + LOOK_AHEAD, dice).await?;
            whole = jobs.len() < asked + LOOK_AHEAD;
        }
        read.queues[stage.index()] = Queue {
            numbers: jobs.iter().map(|job| job.number).collect(),
            whole,
        };
        add_jobs(read, jobs);
    }
    Ok(())
}

/// Open jobs of a stage: the first ones, or with `dice` in a random order.
async fn next(
    connection: &mut PgConnection,
    stage: Stage,
    count: usize,
    dice: Option<u64>,
) -> Result<Vec<Job>, StoreError> {
    let Some(dice) = dice else {
        return head(connection, stage, count).await;
    };
    let mut dice = order::dice(dice);
    let shares: Vec<f64> = (0..order::tries(count)).map(|_| dice.share()).collect();
    let rows = sqlx::query(DRAW)
        .bind(column(stage))
        .bind(&shares)
        .bind(order::STRETCH)
        .fetch_all(&mut *connection)
        .await?;
    let mut jobs: Vec<Job> = rows.iter().map(job).collect::<Result<_, _>>()?;
    if jobs.len() < count {
        // Of few jobs most are drawn more than once.
        let known: BTreeSet<i64> = jobs.iter().map(|job| job.number).collect();
        let others = head(connection, stage, count).await?;
        let new = others
            .into_iter()
            .filter(|job| !known.contains(&job.number));
        jobs.extend(new);
    }
    dice.shuffle(&mut jobs);
    jobs.truncate(count);
    Ok(jobs)
}

async fn head(
    connection: &mut PgConnection,
    stage: Stage,
    count: usize,
) -> Result<Vec<Job>, StoreError> {
    let rows = sqlx::query(QUEUE)
        .bind(column(stage))
        .bind(limit(count))
        .fetch_all(&mut *connection)
        .await?;
    rows.iter().map(job).collect()
}

/// The size of inputs by job and stage, in bytes. The server reads it from the row headers.
pub(super) const SIZES: &str = "select i.number, i.stage, octet_length(i.data)::bigint \
     from inputs i join unnest($1::bigint[], $2::bigint[]) as w (number, stage) \
         on w.number = i.number and w.stage = i.stage \
     where i.number = any($1) and i.stage = any($2)";

/// The sizes of jobs that may be granted to syncs with a limit in bytes.
async fn sizes(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    if wanted.sized.is_empty() {
        return Ok(());
    }
    let heads = Stage::ALL.into_iter().flat_map(|stage| {
        let numbers = read.queues[stage.index()].numbers.iter();
        numbers.map(move |number| (*number, stage))
    });
    let jobs: BTreeSet<(i64, i64)> = heads
        .chain(read.in_lane())
        .chain(read.to_measure(wanted))
        .map(|(number, stage)| (number, column(stage)))
        .collect();
    if jobs.is_empty() {
        return Ok(());
    }
    let (numbers, stages): (Vec<i64>, Vec<i64>) = jobs.into_iter().unzip();
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(SIZES)
        .bind(&numbers)
        .bind(&stages)
        .fetch_all(&mut *connection)
        .await?;
    for (number, stage, bytes) in rows {
        read.sizes.push((number, stage_of(stage)?, unsigned(bytes)));
    }
    Ok(())
}

/// The volunteers to whom the jobs that may be granted should be offered last.
async fn avoided(connection: &mut PgConnection, read: &mut Snapshot) -> Result<(), StoreError> {
    let past = read.jobs.iter().filter(|job| job.has_past());
    let numbers: Vec<i64> = past.map(|job| job.number).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    read.avoided =
        sqlx::query_as("select number, volunteer, failed <> 0 from avoided where number = any($1)")
            .bind(&numbers)
            .fetch_all(&mut *connection)
            .await?;
    Ok(())
}

/// Which volunteers work, ask for jobs and fail, at the stages where that matters. Nothing is
/// locked, so two trackers that count at the same time differ by at most one failure.
async fn volunteers(
    connection: &mut PgConnection,
    wanted: &Wanted,
    read: &mut Snapshot,
) -> Result<(), StoreError> {
    let mut known = BTreeSet::new();
    for stage in read.watched(wanted) {
        let kinds = [
            (WORKED, read.now - WORKING),
            (ASKED, read.now - THERE),
            (FAILED, read.now - WORKING),
        ];
        for (statement, since) in kinds {
            let rows = sqlx::query(statement)
                .bind(column(stage))
                .bind(since)
                .bind(limit(VOLUNTEERS))
                .fetch_all(&mut *connection)
                .await?;
            for row in &rows {
                let one = volunteer(row)?;
                if known.insert((one.stage, one.name.clone())) {
                    read.volunteers.push(one);
                }
            }
        }
    }
    Ok(())
}

/// The inputs of jobs at stages.
pub(super) const INPUTS: &str = "select i.number, i.stage, i.data from inputs i \
     join unnest($1::bigint[], $2::bigint[]) as w (number, stage) \
         on w.number = i.number and w.stage = i.stage \
     where i.number = any($1) and i.stage = any($2)";

async fn texts(
    connection: &mut PgConnection,
    of: Vec<(i64, i64)>,
) -> Result<Vec<(i64, i64, String)>, StoreError> {
    let (numbers, stages): (Vec<i64>, Vec<i64>) = of.into_iter().unzip();
    let rows = sqlx::query_as(INPUTS)
        .bind(&numbers)
        .bind(&stages)
        .fetch_all(&mut *connection)
        .await?;
    Ok(rows)
}

/// The inputs of jobs at stages with their sizes in bytes, without those larger than a number of
/// bytes. The server takes the size from the row, and reads no more of a large one.
pub(super) const INPUTS_UP_TO: &str = "select i.number, i.stage, octet_length(i.data)::bigint, \
         case when octet_length(i.data) <= $3 then i.data end \
     from inputs i join unnest($1::bigint[], $2::bigint[]) as w (number, stage) \
         on w.number = i.number and w.stage = i.stage \
     where i.number = any($1) and i.stage = any($2)";

/// Reads the inputs of jobs at stages.
pub(super) async fn inputs(
    connection: &mut PgConnection,
    of: &[(i64, Stage)],
) -> Result<Vec<(i64, Stage, String)>, StoreError> {
    let of = of.iter().map(|(number, stage)| (*number, column(*stage)));
    let rows = texts(connection, of.collect()).await?.into_iter();
    rows.map(|(number, stage, data)| Ok((number, stage_of(stage)?, data)))
        .collect()
}

/// A text that this transaction writes, or the lease of the opinion from which the database copies it.
pub(super) type Made<'a> = (Option<&'a str>, Option<i64>);

/// Reads the inputs of jobs at stages, and only the sizes of those larger than `most` bytes. `made`
/// are those written by this transaction; without a text, the database has it: the opinion of a lease, or
/// a late result that was kept.
pub(super) async fn inputs_up_to(
    connection: &mut PgConnection,
    of: &[(i64, Stage)],
    made: HashMap<(i64, Stage), Made<'_>>,
    most: u64,
) -> Result<Vec<Input>, StoreError> {
    let of = of.iter().filter(|of| !made.contains_key(of));
    let of = of.map(|(number, stage)| (*number, column(*stage)));
    let (numbers, stages): (Vec<i64>, Vec<i64>) = of.unzip();
    let rows: Vec<(i64, i64, i64, Option<String>)> = sqlx::query_as(INPUTS_UP_TO)
        .bind(&numbers)
        .bind(&stages)
        .bind(signed(most))
        .fetch_all(&mut *connection)
        .await?;
    let mut found = rows
        .into_iter()
        .map(|(number, stage, bytes, data)| {
            Ok(Input {
                number,
                stage: stage_of(stage)?,
                bytes: unsigned(bytes),
                data,
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    for ((number, stage), (data, from)) in made {
        let (bytes, data) = match data {
            Some(data) => {
                let bytes = data.len() as u64;
                (bytes, (bytes <= most).then(|| data.to_owned()))
            }
            None => {
                let kept = "select octet_length(data)::bigint, \
                            case when octet_length(data) <= $2 then data end \
                            from (select coalesce( \
                                (select data from opinion_texts where lease = $3), \
                                (select data from late_results where number = $1)) as data) k";
                let row: (i64, Option<String>) = sqlx::query_as(kept)
                    .bind(number)
                    .bind(signed(most))
                    .bind(from)
                    .fetch_one(&mut *connection)
                    .await?;
                (unsigned(row.0), row.1)
            }
        };
        found.push(Input {
            number,
            stage,
            bytes,
            data,
        });
    }
    Ok(found)
}
