//! Writes the changes of a group of operations, in a handful of statements regardless of the number
//! of operations.
//!
//! The counters are written last, together with the commit: all transactions update their rows, so
//! from there on trackers wait for each other. The row of the totals is always the first of them,
//! so a transaction that waits for it holds back none of the others. Results are written after it
//! too: the order of their cursors is then the order in which they become visible, so a reader who
//! continues from a cursor misses none.

use distcompute_protocol::Stage;
use sqlx::PgConnection;

use crate::{
    clock::Millis,
    ledger::{
        AVOIDERS, Changes, Doubt, FORGOTTEN, Forget, KEPT_NOTES, Lease, OpinionText, Pause,
        StageChange, TextSource, VolunteerChange,
    },
    rules::names,
    store::{StoreError, column, signed},
};

const MINUTE: Millis = 60_000;

/// Writes everything but the results and the counters.
pub(super) async fn save(
    connection: &mut PgConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    rows(connection, changes).await?;
    workers(connection, changes).await?;
    opinions(connection, changes).await?;
    notes(connection, changes).await?;
    match changes.corrects {
        Some(thoroughly) => correct(connection, changes.now, thoroughly).await,
        None => Ok(()),
    }
}

/// Corrects times in the future, recorded while the clock was ahead. Jobs have no index by time;
/// they are scanned only if another table shows that the clock was ahead. Rows that another tracker
/// has locked are skipped: it is updating them, or the next sweep finds them.
async fn correct(
    connection: &mut PgConnection,
    now: Millis,
    thoroughly: bool,
) -> Result<(), StoreError> {
    let workers = "update workers w set last_seen = least(w.last_seen, $1), \
        first_seen = least(w.first_seen, $1), \
        synced_at = case when w.synced_at > $1 then $1 else w.synced_at end \
        from (select id from workers where last_seen > $1 or synced_at > $1 \
            order by id for update skip locked) as ahead where w.id = ahead.id";
    let workers = sqlx::query(workers).bind(now).execute(&mut *connection);
    let mut found = workers.await?.rows_affected();
    // Otherwise a volunteer who has left would seem present for as long as the clock was ahead.
    let volunteers = "update volunteers v set worked_at = least(v.worked_at, $1), \
        asked_at = least(v.asked_at, $1), \
        failed_at = case when v.failed_at > $1 then $1 else v.failed_at end \
        from (select stage, volunteer from volunteers \
            where worked_at > $1 or asked_at > $1 or failed_at > $1 \
            order by stage, volunteer collate \"C\" for update skip locked) as ahead \
        where (v.stage, v.volunteer) = (ahead.stage, ahead.volunteer)";
    let volunteers = sqlx::query(volunteers).bind(now);
    volunteers.execute(&mut *connection).await?;
    let minutes = sqlx::query(
        "delete from throughput where (minute, stage) in (select minute, stage from throughput \
         where minute > $1 order by minute, stage for update skip locked)",
    );
    let minutes = minutes.bind(now.div_euclid(MINUTE));
    found += minutes.execute(&mut *connection).await?.rows_affected();
    if found == 0 && thoroughly {
        let lease = sqlx::query_scalar(
            "select exists (select 1 from (select granted_at, ended_at from leases \
             order by id desc limit 1) as latest where greatest(granted_at, ended_at) > $1)",
        );
        let was_ahead: bool = lease.bind(now).fetch_one(&mut *connection).await?;
        found = u64::from(was_ahead);
    }
    if found > 0 {
        let jobs = "update jobs j set changed_at = $1 from (select number from jobs \
            where changed_at > $1 order by number for update skip locked) as ahead \
            where j.number = ahead.number";
        sqlx::query(jobs).bind(now).execute(connection).await?;
    }
    Ok(())
}

/// The tables that nearly every group changes, updated in one statement rather than four to save
/// network round trips. Each table is also given its keys as a list, for the reason given in
/// `load`.
pub(super) const ROWS: &str = "\
with places as materialized ( \
    select queued, nextval('queue_positions') as position from generate_series(1, $1) as queued \
), jobs_changed as ( \
    update jobs j set stage = c.stage, state = c.state, \
        position = coalesce(places.position, j.position), attempt = c.attempt, \
        flagged = c.flagged, sent_back = c.sent_back, round = c.round, failures = c.failures, \
        errors = c.errors, reason = c.reason, lease = c.lease, changed_at = c.changed_at, \
        late = c.late, opinions = c.opinions \
    from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], \
        $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::bigint[], \
        $14::bigint[], $42::bigint[], $51::bigint[]) \
        as c (number, stage, state, queued, attempt, flagged, sent_back, round, failures, errors, \
            reason, lease, changed_at, late, opinions) \
    left join places on places.queued = c.queued \
    where j.number = c.number and j.number = any($2) \
), leases_granted as ( \
    insert into leases (id, secret, number, stage, round, attempt, worker, nickname, volunteer, \
        granted_at, seq, ended_at, outcome, late, address) \
    select * from unnest($15::bigint[], $16::text[], $17::bigint[], $18::bigint[], $19::bigint[], \
        $20::bigint[], $21::bigint[], $22::text[], $23::text[], $24::bigint[], $25::bigint[], \
        $26::bigint[], $27::text[], $43::bigint[], $49::text[]) \
), leases_changed as ( \
    update leases l set worker = c.worker, ended_at = c.ended_at, outcome = c.outcome, \
        late = c.late \
    from unnest($28::bigint[], $29::bigint[], $30::bigint[], $31::text[], $44::bigint[]) \
        as c (id, worker, ended_at, outcome, late) \
    where l.id = c.id and l.id = any($28) \
) \
update workers w set progress = c.progress, completed = c.completed, last_seen = c.last_seen, \
    seq = c.seq, synced_at = c.synced_at, last_lease = c.last_lease, trouble = c.trouble, \
    rest_until = c.rest_until, noted_at = c.noted_at, cores = c.cores, earned = c.earned, \
    shown_since = c.shown_since, shown_results = c.shown_results, works = c.works \
from unnest($32::bigint[], $33::text[], $34::bigint[], $35::bigint[], $36::bigint[], \
    $37::bigint[], $38::bigint[], $39::bigint[], $40::bigint[], $41::bigint[], $45::bigint[], \
    $46::bigint[], $47::bigint[], $48::bigint[], $50::bigint[]) \
    as c (id, progress, completed, last_seen, seq, synced_at, last_lease, trouble, rest_until, \
        noted_at, cores, earned, shown_since, shown_results, works) \
where w.id = c.id and w.id = any($32)";

async fn rows(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let touched = changes.jobs.len() + changes.leases.len() + changes.workers.len();
    if touched + changes.new_leases.len() == 0 {
        return Ok(());
    }
    let jobs = || changes.jobs.iter().map(|change| &change.job);
    let errors = jobs()
        .map(|job| match job.errors.is_empty() {
            true => Ok(None),
            false => serde_json::to_string(&job.errors).map(Some),
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StoreError::Failed(error.to_string()))?;
    let ended_at = |lease: &Lease| lease.ended.map(|(at, _)| at);
    let outcome = |lease: &Lease| lease.ended.map(|(_, end)| end.word());
    let granted = || changes.new_leases.iter();
    let leases = || changes.leases.iter();
    let workers = || changes.workers.iter();
    sqlx::query(ROWS)
        .bind(changes.queued)
        .bind(jobs().map(|j| j.number).collect::<Vec<_>>())
        .bind(jobs().map(|j| column(j.stage)).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.state.word()).collect::<Vec<_>>())
        .bind(changes.jobs.iter().map(|c| c.queued).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.attempt).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.flagged).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.sent_back).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.round).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.failures).collect::<Vec<_>>())
        .bind(errors)
        .bind(jobs().map(|j| j.reason.as_deref()).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.lease).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.changed_at).collect::<Vec<_>>())
        .bind(granted().map(|l| l.id).collect::<Vec<_>>())
        .bind(granted().map(|l| l.secret.as_str()).collect::<Vec<_>>())
        .bind(granted().map(|l| l.number).collect::<Vec<_>>())
        .bind(granted().map(|l| column(l.stage)).collect::<Vec<_>>())
        .bind(granted().map(|l| l.round).collect::<Vec<_>>())
        .bind(granted().map(|l| l.attempt).collect::<Vec<_>>())
        .bind(granted().map(|l| l.worker).collect::<Vec<_>>())
        .bind(granted().map(|l| l.nickname.as_str()).collect::<Vec<_>>())
        .bind(granted().map(|l| l.volunteer.as_str()).collect::<Vec<_>>())
        .bind(granted().map(|l| l.granted_at).collect::<Vec<_>>())
        .bind(granted().map(|l| l.seq).collect::<Vec<_>>())
        .bind(granted().map(ended_at).collect::<Vec<_>>())
        .bind(granted().map(outcome).collect::<Vec<_>>())
        .bind(leases().map(|l| l.id).collect::<Vec<_>>())
        .bind(leases().map(|l| l.worker).collect::<Vec<_>>())
        .bind(leases().map(ended_at).collect::<Vec<_>>())
        .bind(leases().map(outcome).collect::<Vec<_>>())
        .bind(workers().map(|w| w.id).collect::<Vec<_>>())
        .bind(workers().map(|w| w.progress.as_str()).collect::<Vec<_>>())
        .bind(workers().map(|w| w.completed).collect::<Vec<_>>())
        .bind(workers().map(|w| w.last_seen).collect::<Vec<_>>())
        .bind(workers().map(|w| w.seq).collect::<Vec<_>>())
        .bind(workers().map(|w| w.synced_at).collect::<Vec<_>>())
        .bind(workers().map(|w| w.last_lease).collect::<Vec<_>>())
        .bind(workers().map(|w| w.trouble).collect::<Vec<_>>())
        .bind(workers().map(|w| w.rest_until).collect::<Vec<_>>())
        .bind(workers().map(|w| w.noted_at).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.late).collect::<Vec<_>>())
        .bind(granted().map(|l| i64::from(l.late)).collect::<Vec<_>>())
        .bind(leases().map(|l| i64::from(l.late)).collect::<Vec<_>>())
        .bind(workers().map(|w| w.allowance.cores).collect::<Vec<_>>())
        .bind(workers().map(|w| w.allowance.earned).collect::<Vec<_>>())
        .bind(workers().map(|w| w.allowance.since).collect::<Vec<_>>())
        .bind(workers().map(|w| w.allowance.results).collect::<Vec<_>>())
        .bind(granted().map(|l| l.address.as_str()).collect::<Vec<_>>())
        .bind(workers().map(|w| i64::from(w.works)).collect::<Vec<_>>())
        .bind(jobs().map(|j| j.opinions).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Inserts new workers and deletes those that have left.
async fn workers(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if !changes.new_workers.is_empty() {
        let each = || changes.new_workers.iter();
        sqlx::query(
            "insert into workers (id, token, display_name, nickname, stage, progress, completed, \
             first_seen, last_seen, seq, synced_at, last_lease, address, trouble, rest_until, \
             noted_at, cores, earned, shown_since, shown_results, works, key, browser) \
             select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], \
                 $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], \
                 $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[], \
                 $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], \
                 $20::bigint[], $21::bigint[], $22::text[], $23::text[])",
        )
        .bind(each().map(|w| w.id).collect::<Vec<_>>())
        .bind(each().map(|w| w.token.as_str()).collect::<Vec<_>>())
        .bind(each().map(|w| w.display_name.as_str()).collect::<Vec<_>>())
        .bind(each().map(|w| w.nickname.as_str()).collect::<Vec<_>>())
        .bind(each().map(|w| column(w.stage)).collect::<Vec<_>>())
        .bind(each().map(|w| w.progress.as_str()).collect::<Vec<_>>())
        .bind(each().map(|w| w.completed).collect::<Vec<_>>())
        .bind(each().map(|w| w.first_seen).collect::<Vec<_>>())
        .bind(each().map(|w| w.last_seen).collect::<Vec<_>>())
        .bind(each().map(|w| w.seq).collect::<Vec<_>>())
        .bind(each().map(|w| w.synced_at).collect::<Vec<_>>())
        .bind(each().map(|w| w.last_lease).collect::<Vec<_>>())
        .bind(each().map(|w| w.address.as_str()).collect::<Vec<_>>())
        .bind(each().map(|w| w.trouble).collect::<Vec<_>>())
        .bind(each().map(|w| w.rest_until).collect::<Vec<_>>())
        .bind(each().map(|w| w.noted_at).collect::<Vec<_>>())
        .bind(each().map(|w| w.allowance.cores).collect::<Vec<_>>())
        .bind(each().map(|w| w.allowance.earned).collect::<Vec<_>>())
        .bind(each().map(|w| w.allowance.since).collect::<Vec<_>>())
        .bind(each().map(|w| w.allowance.results).collect::<Vec<_>>())
        .bind(each().map(|w| i64::from(w.works)).collect::<Vec<_>>())
        .bind(each().map(|w| w.key.as_deref()).collect::<Vec<_>>())
        .bind(each().map(|w| w.browser.as_str()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    if !changes.gone_workers.is_empty() {
        sqlx::query("delete from workers where id = any($1)")
            .bind(&changes.gone_workers)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Opinions, what is known of volunteers, and the lane. Must run before `notes`, which deletes outputs
/// that opinions are copied from. What is known of volunteers is changed in a fixed order, so that
/// trackers cannot deadlock.
async fn opinions(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if !changes.new_opinions.is_empty() {
        let each = || changes.new_opinions.iter();
        sqlx::query(
            "insert into opinions (lease, number, stage, volunteer, nickname, version, answer, \
                 state, browser) \
             select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], \
                 $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])",
        )
        .bind(each().map(|o| o.lease).collect::<Vec<_>>())
        .bind(each().map(|o| o.number).collect::<Vec<_>>())
        .bind(each().map(|o| column(o.stage)).collect::<Vec<_>>())
        .bind(each().map(|o| o.volunteer.as_str()).collect::<Vec<_>>())
        .bind(each().map(|o| o.nickname.as_str()).collect::<Vec<_>>())
        .bind(each().map(|o| o.version.as_str()).collect::<Vec<_>>())
        .bind(each().map(|o| o.answer.as_str()).collect::<Vec<_>>())
        .bind(each().map(|o| o.state.word()).collect::<Vec<_>>())
        .bind(each().map(|o| o.browser.as_str()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    if !changes.opinions.is_empty() {
        let each = || changes.opinions.iter();
        sqlx::query(
            "update opinions o set state = c.state \
             from unnest($1::bigint[], $2::text[]) as c (lease, state) \
             where o.lease = c.lease and o.lease = any($1)",
        )
        .bind(each().map(|o| o.lease).collect::<Vec<_>>())
        .bind(each().map(|o| o.state.word()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    if !changes.texts.is_empty() {
        let each = || changes.texts.iter();
        let data = |text: &'_ OpinionText| match &text.source {
            TextSource::Text(data) => Some(data.clone()),
            TextSource::Output(..) => None,
        };
        let of = |text: &OpinionText| match &text.source {
            TextSource::Text(_) => None,
            TextSource::Output(number, stage) => Some((*number, column(*stage) + 1)),
        };
        sqlx::query(
            "insert into opinion_texts (lease, data) \
             select t.lease, coalesce(t.data, (select i.data from inputs i \
                 where i.number = t.number and i.stage = t.stage)) \
             from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) \
                 as t (lease, data, number, stage)",
        )
        .bind(each().map(|text| text.lease).collect::<Vec<_>>())
        .bind(each().map(data).collect::<Vec<_>>())
        .bind(
            each()
                .map(|text| of(text).map(|(number, _)| number))
                .collect::<Vec<_>>(),
        )
        .bind(
            each()
                .map(|text| of(text).map(|(_, stage)| stage))
                .collect::<Vec<_>>(),
        )
        .execute(&mut *connection)
        .await?;
    }
    standings(connection, changes).await?;
    if changes.lane.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = changes.lane.keys().copied().collect();
    sqlx::query("delete from lane where number = any($1)")
        .bind(numbers)
        .execute(&mut *connection)
        .await?;
    let each = || {
        let lane = changes.lane.iter();
        lane.filter_map(|(number, entry)| Some((*number, entry.as_ref()?)))
    };
    if each().next().is_none() {
        return Ok(());
    }
    sqlx::query(
        "insert into lane (number, stage, version, disputed, place, volunteer, at) \
         select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], \
             $5::bigint[], $6::text[], $7::bigint[])",
    )
    .bind(each().map(|(number, _)| number).collect::<Vec<_>>())
    .bind(each().map(|(_, e)| column(e.stage)).collect::<Vec<_>>())
    .bind(each().map(|(_, e)| e.version.as_str()).collect::<Vec<_>>())
    .bind(
        each()
            .map(|(_, e)| i64::from(e.disputed))
            .collect::<Vec<_>>(),
    )
    .bind(each().map(|(_, e)| e.place).collect::<Vec<_>>())
    .bind(
        each()
            .map(|(_, e)| e.volunteer.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(each().map(|(_, e)| e.at).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

async fn standings(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if changes.standings.is_empty() {
        return Ok(());
    }
    let keys = || changes.standings.keys();
    let values = || changes.standings.values();
    let bit = |value: Option<bool>| value.map(i64::from);
    // The numbers are added below, to the rows of others too.
    sqlx::query(
        "insert into trust as t (stage, volunteer, version, confirmed, agreed, refuted, waiting, \
             unchecked, on_hold, doubted, looked, at) \
         select stage, volunteer, version, 0, 0, 0, 0, 0, 0, 0, 0, $4 \
         from unnest($1::bigint[], $2::text[], $3::text[]) as c (stage, volunteer, version) \
         order by stage, volunteer collate \"C\", version collate \"C\" \
         on conflict (stage, volunteer, version) do nothing",
    )
    .bind(keys().map(|(stage, ..)| column(*stage)).collect::<Vec<_>>())
    .bind(keys().map(|(_, who, _)| who.as_str()).collect::<Vec<_>>())
    .bind(
        keys()
            .map(|(.., version)| version.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(changes.now)
    .execute(&mut *connection)
    .await?;
    sqlx::query(CHANGE_STANDINGS)
        .bind(keys().map(|(stage, ..)| column(*stage)).collect::<Vec<_>>())
        .bind(keys().map(|(_, who, _)| who.as_str()).collect::<Vec<_>>())
        .bind(
            keys()
                .map(|(.., version)| version.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(values().map(|by| by.confirmed).collect::<Vec<_>>())
        .bind(values().map(|by| by.right).collect::<Vec<_>>())
        .bind(values().map(|by| by.wrong).collect::<Vec<_>>())
        .bind(values().map(|by| by.waiting).collect::<Vec<_>>())
        .bind(values().map(|by| by.unchecked).collect::<Vec<_>>())
        .bind(values().map(|by| bit(by.on_hold)).collect::<Vec<_>>())
        .bind(
            values()
                .map(|by| by.doubted.map(Doubt::number))
                .collect::<Vec<_>>(),
        )
        .bind(values().map(|by| by.looked).collect::<Vec<_>>())
        .bind(changes.now)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// What has changed about volunteers, whose rows are there.
const CHANGE_STANDINGS: &str = "update trust t set confirmed = greatest(t.confirmed + c.confirmed, 0), \
         agreed = t.agreed + c.agreed, refuted = t.refuted + c.refuted, \
         waiting = greatest(t.waiting + c.waiting, 0), \
         unchecked = greatest(t.unchecked + c.unchecked, 0), \
         on_hold = coalesce(c.on_hold, t.on_hold), doubted = coalesce(c.doubted, t.doubted), \
         looked = coalesce(c.looked, t.looked), at = $12 \
     from (select k.stage, k.volunteer, k.version from trust k \
             join unnest($1::bigint[], $2::text[], $3::text[]) as w (stage, volunteer, version) \
                 on w.stage = k.stage and w.volunteer = k.volunteer and w.version = k.version \
             where k.volunteer = any($2) and k.stage = any($1) and k.version = any($3) \
             order by k.stage, k.volunteer collate \"C\", k.version collate \"C\" for update of k) l \
         join unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], \
             $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) \
             as c (stage, volunteer, version, confirmed, agreed, refuted, waiting, unchecked, on_hold, \
                 doubted, looked) \
             on c.stage = l.stage and c.volunteer = l.volunteer and c.version = l.version \
     where t.stage = l.stage and t.volunteer = l.volunteer and t.version = l.version \
         and t.volunteer = any($2) and t.stage = any($1) and t.version = any($3)";

fn at_stages(list: &[(i64, Stage)]) -> (Vec<i64>, Vec<i64>) {
    list.iter()
        .map(|(number, stage)| (*number, column(*stage)))
        .unzip()
}

/// Flags, outputs that are no longer valid, and volunteers that jobs avoid.
async fn notes(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if !changes.gone_outputs.is_empty() {
        let (numbers, stages) = at_stages(&changes.gone_outputs);
        sqlx::query(
            "delete from inputs i using unnest($1::bigint[], $2::bigint[]) as g (number, stage) \
             where i.number = g.number and i.stage = g.stage + 1 and i.number = any($1)",
        )
        .bind(numbers)
        .bind(stages)
        .execute(&mut *connection)
        .await?;
    }
    if !changes.gone_flags.is_empty() {
        let (numbers, stages) = at_stages(&changes.gone_flags);
        sqlx::query(
            "delete from flags f using unnest($1::bigint[], $2::bigint[]) as g (number, stage) \
             where f.number = g.number and f.stage = g.stage and f.number = any($1)",
        )
        .bind(numbers)
        .bind(stages)
        .execute(&mut *connection)
        .await?;
    }
    if !changes.flags.is_empty() {
        let each = || changes.flags.iter();
        sqlx::query(
            "insert into flags (number, stage, volunteer, flagged_at) \
             select f.*, $4 from unnest($1::bigint[], $2::bigint[], $3::text[]) as f \
             on conflict do nothing",
        )
        .bind(each().map(|(number, ..)| *number).collect::<Vec<_>>())
        .bind(
            each()
                .map(|(_, stage, _)| column(*stage))
                .collect::<Vec<_>>(),
        )
        .bind(
            each()
                .map(|(.., volunteer)| volunteer.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(changes.now)
        .execute(&mut *connection)
        .await?;
    }
    if !changes.gone_avoided.is_empty() {
        sqlx::query("delete from avoided where number = any($1)")
            .bind(&changes.gone_avoided)
            .execute(&mut *connection)
            .await?;
    }
    if !changes.avoided.is_empty() {
        let each = || changes.avoided.iter();
        sqlx::query(
            // One `insert … on conflict` must not affect a row twice.
            "insert into avoided (number, volunteer, failed, at) \
             select number, volunteer, max(failed), $4 \
             from unnest($1::bigint[], $2::text[], $3::bigint[]) as a (number, volunteer, failed) \
             group by number, volunteer order by number, volunteer \
             on conflict (number, volunteer) do update \
             set failed = greatest(avoided.failed, excluded.failed), at = excluded.at",
        )
        .bind(each().map(|(number, ..)| *number).collect::<Vec<_>>())
        .bind(
            each()
                .map(|(_, volunteer, _)| volunteer.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            each()
                .map(|(.., failed)| i64::from(*failed))
                .collect::<Vec<_>>(),
        )
        .bind(changes.now)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "delete from avoided a using ( \
                 select number, volunteer, row_number() over (partition by number \
                     order by failed desc, at desc, volunteer collate \"C\") as place \
                 from avoided where number = any($1)) as v \
             where a.number = v.number and a.volunteer = v.volunteer and v.place > $2 \
                 and a.number = any($1)",
        )
        .bind(each().map(|(number, ..)| *number).collect::<Vec<_>>())
        .bind(AVOIDERS)
        .execute(&mut *connection)
        .await?;
    }
    forget(connection, changes).await?;
    volunteers(connection, changes).await?;
    failures(connection, changes).await
}

/// Deletes leases that were never delivered, and old rows. If several trackers do this at the same
/// time, each deletes rows that the others have not locked.
async fn forget(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if !changes.gone_leases.is_empty() {
        sqlx::query("delete from leases where id = any($1)")
            .bind(&changes.gone_leases)
            .execute(&mut *connection)
            .await?;
    }
    let Some(Forget {
        given_back,
        overdue,
        avoided,
        expired,
        unknown,
    }) = changes.forget
    else {
        return Ok(());
    };
    for (old, before) in [
        (OLD_GIVEN_BACK, given_back),
        (OLD_OVERDUE, overdue),
        (OLD_AVOIDED, avoided),
        (OLD_NONCES, expired),
        (OLD_CODES, expired),
        (OLD_TRUST, unknown),
    ] {
        sqlx::query(old)
            .bind(before)
            .bind(FORGOTTEN)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Leases that were given back long ago.
pub(super) const OLD_GIVEN_BACK: &str = "delete from leases where id = any(array( \
    select id from leases \
    where outcome in ('released', 'left', 'overtaken', 'requeued') \
    and ended_at < $1 order by ended_at limit $2 for update skip locked))";

/// Leases that failed or expired long ago.
pub(super) const OLD_OVERDUE: &str = "delete from leases where id = any(array( \
    select id from leases where outcome in ('flagged', 'failed', 'idle', 'lapsed') and late = 0 \
    and ended_at < $1 order by ended_at limit $2 for update skip locked))";

/// Volunteers that gave a job back long ago.
pub(super) const OLD_AVOIDED: &str = "delete from avoided a using ( \
    select number, volunteer from avoided where at < $1 order by at limit $2 \
    for update skip locked) as old \
    where a.number = old.number and a.volunteer = old.volunteer";

/// Nonces that are refused for their age.
pub(super) const OLD_NONCES: &str = "delete from used_nonces where nonce = any(array( \
    select nonce from used_nonces where expires_at < $1 order by expires_at limit $2 \
    for update skip locked))";

/// Codes for linking keys that have expired.
pub(super) const OLD_CODES: &str = "delete from link_codes where code = any(array( \
    select code from link_codes where expires_at < $1 order by expires_at limit $2 \
    for update skip locked))";

/// Volunteers of whom nothing was confirmed and nothing counts or waits.
pub(super) const OLD_TRUST: &str = "delete from trust t using ( \
    select stage, volunteer, version from trust where confirmed = 0 and on_hold = 0 and doubted = 0 \
    and waiting = 0 and unchecked = 0 and at < $1 order by at limit $2 for update skip locked) as old \
    where t.stage = old.stage and t.volunteer = old.volunteer and t.version = old.version";

/// The activity and the failures of volunteers at stages. Rows are locked in a fixed order, or
/// skipped.
async fn volunteers(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if let Some(before) = changes.forget_volunteers {
        sqlx::query(
            "delete from volunteers v using ( \
                 select stage, volunteer from volunteers \
                 where greatest(worked_at, asked_at) < $1 limit $2 for update skip locked) as old \
             where v.stage = old.stage and v.volunteer = old.volunteer",
        )
        .bind(before)
        .bind(FORGOTTEN)
        .execute(&mut *connection)
        .await?;
    }
    if !changes.recovered.is_empty() {
        let stages: Vec<i64> = changes
            .recovered
            .iter()
            .map(|stage| column(*stage))
            .collect();
        sqlx::query(
            "update volunteers v set failed_at = null, failed_jobs = null, tries = 0, error = null \
             from (select stage, volunteer from volunteers \
                 where stage = any($1) and failed_at is not null for update skip locked) as c \
             where v.stage = c.stage and v.volunteer = c.volunteer",
        )
        .bind(&stages)
        .execute(&mut *connection)
        .await?;
    }
    // Goodbyes are written separately: the statement cannot distinguish a time that is not given
    // from one that is cleared.
    let left = |change: &VolunteerChange| change.asked_at == Some(0);
    for goodbye in [false, true] {
        let rows: Vec<_> = changes
            .volunteers
            .iter()
            .filter(|(_, change)| left(change) == goodbye)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let failing = || rows.iter().map(|(_, change)| change.failing.as_ref());
        let jobs: Vec<Option<String>> = failing()
            .map(|failing| failing.and_then(|failing| serde_json::to_string(&failing.jobs).ok()))
            .collect();
        sqlx::query(VOLUNTEERS)
            .bind(
                rows.iter()
                    .map(|((stage, _), _)| column(*stage))
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|((_, who), _)| who.as_str())
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|(_, change)| change.worked_at)
                    .collect::<Vec<_>>(),
            )
            .bind(
                rows.iter()
                    .map(|(_, change)| change.asked_at)
                    .collect::<Vec<_>>(),
            )
            .bind(
                failing()
                    .map(|failing| failing.map(|_| changes.now))
                    .collect::<Vec<_>>(),
            )
            .bind(jobs)
            .bind(
                failing()
                    .map(|failing| failing.map(|failing| signed(failing.tries)))
                    .collect::<Vec<_>>(),
            )
            .bind(
                failing()
                    .map(|failing| failing.map(|failing| failing.error.as_str()))
                    .collect::<Vec<_>>(),
            )
            .bind(goodbye)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Updates the activity of volunteers; `$9`: they have said goodbye.
const VOLUNTEERS: &str = "insert into volunteers as v (stage, volunteer, worked_at, asked_at, \
         failed_at, failed_jobs, tries, error) \
     select stage, volunteer, coalesce(worked, 0), coalesce(asked, 0), failed, jobs, \
         coalesce(tries, 0), error \
     from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], \
         $6::text[], $7::bigint[], $8::text[]) \
         as c (stage, volunteer, worked, asked, failed, jobs, tries, error) \
     order by stage, volunteer collate \"C\" \
     on conflict (stage, volunteer) do update set \
         worked_at = greatest(v.worked_at, excluded.worked_at), \
         asked_at = case when $9 then 0 else greatest(v.asked_at, excluded.asked_at) end, \
         failed_at = coalesce(excluded.failed_at, v.failed_at), \
         failed_jobs = coalesce(excluded.failed_jobs, v.failed_jobs), \
         tries = case when excluded.failed_at is null then v.tries else excluded.tries end, \
         error = coalesce(excluded.error, v.error)";

/// The log of the latest failures of all jobs. If several trackers trim it at the same time, each
/// deletes rows that the others have not locked.
async fn failures(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if changes.failures.is_empty() {
        return Ok(());
    }
    let each = || changes.failures.iter();
    sqlx::query(
        "insert into failures (at, number, stage, nickname, worker, kind, error) \
         select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], \
             $6::text[], $7::text[])",
    )
    .bind(each().map(|note| note.at).collect::<Vec<_>>())
    .bind(each().map(|note| note.number).collect::<Vec<_>>())
    .bind(each().map(|note| column(note.stage)).collect::<Vec<_>>())
    .bind(
        each()
            .map(|note| note.nickname.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(each().map(|note| note.worker.as_str()).collect::<Vec<_>>())
    .bind(each().map(|note| note.kind()).collect::<Vec<_>>())
    .bind(each().map(|note| note.error.as_str()).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "delete from failures where id = any(array( \
             select id from failures where id <= (select max(id) from failures) - $1 \
             order by id limit 1000 for update skip locked))",
    )
    .bind(KEPT_NOTES)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Rows that all transactions update, in one statement, so that they are locked for no more round
/// trips than necessary.
pub(super) const COUNTERS: &str = "\
with total as ( \
    update totals set closed = closed + $1, last_cursor = last_cursor + $2 where id = 1 \
    returning last_cursor - $2 as cursor \
), made as ( \
    insert into inputs (number, stage, cursor, data) \
    select o.number, o.stage + 1, total.cursor + o.place, \
        coalesce(o.data, (select t.data from opinion_texts t where t.lease = o.lease), \
            (select k.data from late_results k where k.number = o.number)) \
    from total, unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $31::bigint[]) \
        as o (number, stage, place, data, lease) \
    order by o.place \
    on conflict (number, stage) do update set cursor = excluded.cursor, data = excluded.data \
), counted as ( \
    update stage_counters s set open = s.open + c.open, held = s.held + c.held, \
        done = s.done + c.done, aside = s.aside + c.aside, workers = s.workers + c.workers, \
        granted = s.granted + c.granted, accepted = s.accepted + c.accepted, \
        rejected = s.rejected + c.rejected, lapsed = s.lapsed + c.lapsed, \
        failed = s.failed + c.failed, working = s.working + c.working, \
        waiting = s.waiting + c.waiting, checked = s.checked + c.checked, \
        disputed = s.disputed + c.disputed, wrong = s.wrong + c.wrong, \
        failing = s.failing * c.keeps + c.failing, \
        paused_at = case when c.pauses > 0 then $23 when c.pauses < 0 then null else s.paused_at end, \
        paused_reason = case c.pauses when 0 then s.paused_reason else c.reason end, \
        paused_by_operator = case c.pauses when 0 then s.paused_by_operator else c.pauses = 2 end \
    from total, unnest($7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], \
        $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], \
        $26::bigint[], $27::bigint[], $28::bigint[], $29::text[], $30::bigint[], $32::bigint[], \
        $33::bigint[], $34::bigint[], $35::bigint[]) \
        as c (stage, open, held, done, aside, workers, granted, accepted, rejected, lapsed, failed, \
            failing, keeps, pauses, reason, working, waiting, checked, disputed, wrong) \
    where s.stage = c.stage \
), credited as ( \
    insert into leaderboard (nickname, completed, worker, look, since) \
    select c.*, $23 from total, unnest($18::text[], $19::bigint[], $24::text[], $25::text[]) \
        as c (nickname, completed, worker, look) \
    on conflict (nickname) do update set completed = leaderboard.completed + excluded.completed, \
        worker = coalesce(leaderboard.worker, excluded.worker) \
), timed as ( \
    insert into throughput (minute, stage, done) \
    select $20, m.* from total, unnest($21::bigint[], $22::bigint[]) as m (stage, done) \
    on conflict (minute, stage) do update set done = throughput.done + excluded.done \
) select cursor from total";

/// Writes the results and the counters. The transaction must be committed immediately afterwards.
pub(super) async fn counters(
    connection: &mut PgConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    let stages: Vec<_> = Stage::ALL
        .into_iter()
        .zip(&changes.stages)
        .filter(|(stage, change)| {
            **change != StageChange::default()
                || changes.recovered.contains(stage)
                || changes.pauses.contains_key(stage)
        })
        .collect();
    if stages.is_empty() && changes.outputs.is_empty() && changes.closed == 0 {
        return tail(connection, changes).await;
    }
    let made: Vec<(i64, i64)> = Stage::ALL
        .into_iter()
        .zip(changes.made)
        .filter(|(_, made)| *made != 0)
        .map(|(stage, made)| (column(stage), made))
        .collect();
    let outputs = || changes.outputs.iter();
    let retracted = changes.retracted.iter().map(|(.., order)| *order);
    let last = outputs().map(|output| output.order).chain(retracted);
    let last = last.max().unwrap_or(0);
    let count = |of: fn(&StageChange) -> i64| {
        stages
            .iter()
            .map(|(_, change)| of(change))
            .collect::<Vec<_>>()
    };
    let nicknames = || changes.credits.keys();
    let earned = || changes.credits.values();
    let first: i64 = sqlx::query_scalar(COUNTERS)
        .bind(changes.closed)
        .bind(last)
        .bind(outputs().map(|o| o.number).collect::<Vec<_>>())
        .bind(outputs().map(|o| column(o.stage)).collect::<Vec<_>>())
        .bind(outputs().map(|o| o.order).collect::<Vec<_>>())
        .bind(outputs().map(|o| o.data.as_deref()).collect::<Vec<_>>())
        .bind(stages.iter().map(|(s, _)| column(*s)).collect::<Vec<_>>())
        .bind(count(|c| c.open))
        .bind(count(|c| c.held))
        .bind(count(|c| c.done))
        .bind(count(|c| c.aside))
        .bind(count(|c| c.workers))
        .bind(count(|c| c.granted))
        .bind(count(|c| c.accepted))
        .bind(count(|c| c.rejected))
        .bind(count(|c| c.lapsed))
        .bind(count(|c| c.failed))
        .bind(nicknames().cloned().collect::<Vec<_>>())
        .bind(earned().map(|c| c.results).collect::<Vec<_>>())
        .bind(changes.now.div_euclid(MINUTE))
        .bind(made.iter().map(|(stage, _)| *stage).collect::<Vec<_>>())
        .bind(made.iter().map(|(_, made)| *made).collect::<Vec<_>>())
        .bind(changes.now)
        .bind(earned().map(|c| c.worker.clone()).collect::<Vec<_>>())
        .bind(nicknames().map(|n| names::look(n)).collect::<Vec<_>>())
        .bind(count(|c| c.failing))
        .bind(
            stages
                .iter()
                .map(|(stage, _)| i64::from(!changes.recovered.contains(stage)))
                .collect::<Vec<_>>(),
        )
        .bind(
            stages
                .iter()
                .map(|(stage, _)| match changes.pauses.get(stage) {
                    Some(Some(Pause::Operator(_))) => 2_i64,
                    Some(Some(Pause::Failures(_))) => 1,
                    Some(None) => -1,
                    None => 0,
                })
                .collect::<Vec<_>>(),
        )
        .bind(
            stages
                .iter()
                .map(|(stage, _)| Some(changes.pauses.get(stage)?.as_ref()?.text()))
                .collect::<Vec<_>>(),
        )
        .bind(count(|c| c.working))
        .bind(outputs().map(|o| o.from).collect::<Vec<_>>())
        .bind(count(|c| c.waiting))
        .bind(count(|c| c.checked))
        .bind(count(|c| c.disputed))
        .bind(count(|c| c.wrong))
        .fetch_one(&mut *connection)
        .await?;
    retractions(connection, changes, first).await?;
    tail(connection, changes).await
}

/// Results that no longer count, with the cursors that follow `first`.
async fn retractions(
    connection: &mut PgConnection,
    changes: &Changes,
    first: i64,
) -> Result<(), StoreError> {
    if changes.retracted.is_empty() {
        return Ok(());
    }
    let each = || changes.retracted.iter();
    sqlx::query(
        "insert into retractions (cursor, stage, number, at) \
         select r.*, $4 from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as r",
    )
    .bind(each().map(|(.., order)| first + order).collect::<Vec<_>>())
    .bind(
        each()
            .map(|(_, stage, _)| column(*stage))
            .collect::<Vec<_>>(),
    )
    .bind(each().map(|(number, ..)| *number).collect::<Vec<_>>())
    .bind(changes.now)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Writes what must come after the results and the counters.
async fn tail(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    verified(connection, changes).await?;
    late_results(connection, changes).await?;
    if !changes.gone_texts.is_empty() {
        sqlx::query("delete from opinion_texts where lease = any($1)")
            .bind(&changes.gone_texts)
            .execute(&mut *connection)
            .await?;
    }
    for (stage, count) in &changes.established {
        let counted =
            "update stage_counters set established = $1, established_at = $2 where stage = $3";
        sqlx::query(counted)
            .bind(count)
            .bind(changes.now)
            .bind(column(*stage))
            .execute(&mut *connection)
            .await?;
    }
    for stage in &changes.audited {
        sqlx::query("update stage_counters set audited_at = $1 where stage = $2")
            .bind(changes.now)
            .bind(column(*stage))
            .execute(&mut *connection)
            .await?;
    }
    if changes.version.is_some() {
        // Another version may compute differently.
        sqlx::query("delete from browser_pairs")
            .execute(&mut *connection)
            .await?;
    }
    for ((stage, one, other), (agreed, differed)) in &changes.browsers {
        sqlx::query(
            "insert into browser_pairs as p (stage, one, other, agreed, differed) \
             values ($1, $2, $3, $4, $5) on conflict (stage, one, other) do update set \
             agreed = p.agreed + excluded.agreed, differed = p.differed + excluded.differed",
        )
        .bind(column(*stage))
        .bind(one)
        .bind(other)
        .bind(agreed)
        .bind(differed)
        .execute(&mut *connection)
        .await?;
    }
    if let Some(version) = &changes.version {
        sqlx::query(
            "insert into trust_version (id, version, since) values (1, $1, $2) \
             on conflict (id) do update set version = excluded.version, since = excluded.since",
        )
        .bind(version)
        .bind(changes.now)
        .execute(&mut *connection)
        .await?;
    }
    address_groups(connection, changes).await
}

/// Credits keys with the results that have just been counted for their nicknames, whose rows are
/// locked. A nickname without an owner belongs to the first of them.
async fn verified(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let keyed: Vec<_> = changes.keyed_credits().collect();
    if keyed.is_empty() {
        return Ok(());
    }
    let (names, counts): (Vec<_>, Vec<_>) = keyed
        .iter()
        .map(|(name, key, results)| ((*name, *key), *results))
        .unzip();
    let (names, keys): (Vec<_>, Vec<_>) = names.into_iter().unzip();
    sqlx::query(
        "with given as ( \
             select * from unnest($1::text[], $2::text[], $3::bigint[]) with ordinality \
                 as g (nickname, key, results, place) \
         ), owners as ( \
             select distinct on (g.nickname) g.nickname, coalesce(l.key, g.key) as key \
             from given g join leaderboard l using (nickname) order by g.nickname, g.place \
         ) \
         update leaderboard l set key = o.key, verified = l.verified + coalesce(g.results, 0) \
         from owners o left join given g on (g.nickname, g.key) = (o.nickname, o.key) \
         where l.nickname = o.nickname",
    )
    .bind(names)
    .bind(keys)
    .bind(counts)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// What address groups hold, updated in the order of their names so that trackers cannot deadlock.
/// Counts may become negative for jobs that were held before this was counted.
async fn address_groups(
    connection: &mut PgConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    if changes.groups.is_empty() {
        return Ok(());
    }
    let names = || {
        changes
            .groups
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
    };
    let groups = || changes.groups.values();
    sqlx::query(
        "insert into address_groups as g (name, held, earned) \
         select name, held, earned from unnest($1::text[], $2::bigint[], $3::bigint[]) \
             as c (name, held, earned) order by name collate \"C\" \
         on conflict (name) do update set held = greatest(g.held + excluded.held, 0), \
             earned = greatest(g.earned + excluded.earned, 0)",
    )
    .bind(names())
    .bind(groups().map(|group| group.held).collect::<Vec<_>>())
    .bind(groups().map(|group| group.earned).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    sqlx::query("delete from address_groups where name = any($1) and held <= 0 and earned <= 0")
        .bind(names())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Inserts late results to keep, and deletes those no longer needed. Must run after the results
/// have been written, which may be copied from them.
async fn late_results(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if changes.late.is_empty() {
        return Ok(());
    }
    let gone: Vec<i64> = changes.late.keys().copied().collect();
    let freed: i64 = sqlx::query_scalar(
        "with gone as (delete from late_results where number = any($1) \
             returning octet_length(data) as bytes) \
         select coalesce(sum(bytes), 0)::bigint from gone",
    )
    .bind(gone)
    .fetch_one(&mut *connection)
    .await?;
    let kept = || changes.late.iter().filter(|(_, data)| data.is_some());
    if kept().next().is_some() {
        sqlx::query(
            "insert into late_results (number, data) \
             select * from unnest($1::bigint[], $2::text[])",
        )
        .bind(kept().map(|(number, _)| *number).collect::<Vec<_>>())
        .bind(kept().map(|(_, data)| data.as_deref()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    let bytes = signed(changes.late_bytes()) - freed;
    if bytes != 0 {
        sqlx::query("update totals set late_bytes = late_bytes + $1 where id = 1")
            .bind(bytes)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
