//! Writes the ledger's changes: one statement per kind of change, run once per row.

use distcompute_protocol::Stage;
use rusqlite::{Connection, Params};

use crate::{
    clock::Millis,
    ledger::{
        AVOIDERS, Changes, Doubt, FORGOTTEN, Failure, Forget, JobChange, KEPT_NOTES, Pause,
        StageChange, TextSource, Worker,
    },
    rules::{allowance::Allowance, names},
    store::{StoreError, column, signed},
};

const MINUTE: Millis = 60_000;

/// A worker that made a call.
pub(super) const CHANGE_WORKER: &str = "update workers set progress = ?, completed = ?, last_seen = ?, seq = ?, \
    synced_at = ?, last_lease = ?, trouble = ?, rest_until = ?, noted_at = ?, \
    cores = ?, earned = ?, shown_since = ?, shown_results = ?, works = ? \
    where id = ?";

/// A lease that was granted.
pub(super) const ADD_LEASE: &str = "insert into leases (id, secret, number, stage, round, \
    attempt, worker, nickname, volunteer, granted_at, seq, ended_at, outcome, late, address) \
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// A lease that has ended, or is held by another worker.
pub(super) const CHANGE_LEASE: &str =
    "update leases set worker = ?, ended_at = ?, outcome = ?, late = ? where id = ?";

/// A job that was granted, completed or put back.
pub(super) const CHANGE_JOB: &str = "update jobs set stage = ?, state = ?, \
    position = coalesce(?, position), attempt = ?, flagged = ?, sent_back = ?, round = ?, failures = ?, \
    errors = ?, reason = ?, lease = ?, late = ?, changed_at = ?, opinions = ? where number = ?";

/// A result. An opinion, or a late result that was kept, is copied within the database.
pub(super) const ADD_OUTPUT: &str = "insert into inputs (number, stage, cursor, data) \
    values (?1, ?2, ?3, \
    coalesce(?4, (select data from opinion_texts where lease = ?5), \
    (select data from late_results where number = ?1))) \
    on conflict (number, stage) do update \
    set cursor = excluded.cursor, data = excluded.data";

/// Runs a statement for each of the rows.
fn each<'r, T, P: Params>(
    on: &Connection,
    statement: &'static str,
    rows: &'r [T],
    bind: impl Fn(&'r T) -> P,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut statement = on.prepare_cached(statement)?;
    for row in rows {
        statement.execute(bind(row))?;
    }
    Ok(())
}

pub(super) fn save(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    workers(on, changes)?;
    leases(on, changes)?;
    forget(on, changes)?;
    // Deletions come first: a row deleted in this group may have been inserted again later in the
    // same group.
    let gone = "delete from flags where number = ? and stage = ?";
    each(on, gone, &changes.gone_flags, |(number, stage)| {
        (number, column(*stage))
    })?;
    let added = "insert into flags (number, stage, volunteer, flagged_at) values (?, ?, ?, ?) \
                 on conflict do nothing";
    each(on, added, &changes.flags, |(number, stage, who)| {
        (number, column(*stage), who, changes.now)
    })?;
    let gone = "delete from avoided where number = ?";
    each(on, gone, &changes.gone_avoided, |number| [number])?;
    let added = "insert into avoided (number, volunteer, failed, at) values (?, ?, ?, ?) \
                 on conflict (number, volunteer) do update \
                 set failed = max(failed, excluded.failed), at = excluded.at";
    each(on, added, &changes.avoided, |(number, who, failed)| {
        (number, who, failed, changes.now)
    })?;
    let old = "delete from avoided where number = ?1 and volunteer not in ( \
               select volunteer from avoided where number = ?1 \
               order by failed desc, at desc, volunteer limit ?2)";
    each(on, old, &changes.avoided, |(number, ..)| (number, AVOIDERS))?;
    volunteers(on, changes)?;
    failures_noted(on, changes)?;
    jobs(on, changes)?;
    opinions(on, changes)?;
    outputs(on, changes)?;
    // Outputs may have been copied from them.
    let gone = "delete from opinion_texts where lease = ?";
    each(on, gone, &changes.gone_texts, |lease| [lease])?;
    late_results(on, changes)?;
    counters(on, changes)?;
    match changes.corrects {
        Some(thoroughly) => correct(on, changes.now, thoroughly),
        None => Ok(()),
    }
}

/// Corrects times in the future, recorded while the clock was ahead. Jobs have no index by time;
/// they are scanned only if another table shows that the clock was ahead.
fn correct(on: &Connection, now: Millis, thoroughly: bool) -> Result<(), StoreError> {
    let workers = "update workers set last_seen = min(last_seen, ?1), \
                   first_seen = min(first_seen, ?1), synced_at = min(synced_at, ?1) \
                   where last_seen > ?1 or synced_at > ?1";
    // Otherwise a volunteer who has left would seem present for as long as the clock was ahead.
    for column in ["worked_at", "asked_at", "failed_at"] {
        let volunteers = format!(
            "update volunteers set {column} = ?1 where stage in (0, 1, 2, 3, 4) and {column} > ?1"
        );
        on.prepare_cached(&volunteers)?.execute([now])?;
    }
    let minutes = "delete from throughput where minute > ?1";
    let lease = "select exists (select 1 from (select granted_at, ended_at from leases \
                 order by id desc limit 1) where max(granted_at, coalesce(ended_at, 0)) > ?1)";
    let mut found = on.prepare_cached(workers)?.execute([now])?;
    found += on
        .prepare_cached(minutes)?
        .execute([now.div_euclid(MINUTE)])?;
    let was_ahead = found > 0
        || (thoroughly
            && on
                .prepare_cached(lease)?
                .query_row([now], |row| row.get(0))?);
    if was_ahead {
        let jobs = "update jobs set changed_at = ?1 where changed_at > ?1";
        on.prepare_cached(jobs)?.execute([now])?;
    }
    Ok(())
}

fn workers(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let added = "insert into workers (id, progress, completed, last_seen, seq, synced_at, \
                 last_lease, trouble, rest_until, noted_at, token, display_name, nickname, stage, \
                 first_seen, address) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    each(on, added, &changes.new_workers, |worker| {
        (
            worker.id,
            &worker.progress,
            worker.completed,
            worker.last_seen,
            worker.seq,
            worker.synced_at,
            worker.last_lease,
            worker.trouble,
            worker.rest_until,
            worker.noted_at,
            &worker.token,
            &worker.display_name,
            &worker.nickname,
            column(worker.stage),
            worker.first_seen,
            &worker.address,
        )
    })?;
    each(on, CHANGE_WORKER, &changes.workers, |worker| {
        (
            &worker.progress,
            worker.completed,
            worker.last_seen,
            worker.seq,
            worker.synced_at,
            worker.last_lease,
            worker.trouble,
            worker.rest_until,
            worker.noted_at,
            worker.allowance.cores,
            worker.allowance.earned,
            worker.allowance.since,
            worker.allowance.results,
            worker.works,
            worker.id,
        )
    })?;
    // A new worker may have reported something in the same group of operations, or have a key.
    let shown: Vec<&Worker> = changes
        .new_workers
        .iter()
        .filter(|worker| {
            let Worker {
                works,
                allowance,
                key,
                browser,
                ..
            } = worker;
            let is_known = key.is_some() || !browser.is_empty();
            *works || *allowance != Allowance::default() || is_known
        })
        .collect();
    let added = "update workers set cores = ?, earned = ?, shown_since = ?, shown_results = ?, \
                 works = ?, key = ?, browser = ? where id = ?";
    each(on, added, &shown, |worker| {
        let Allowance {
            cores,
            earned,
            since,
            results,
        } = worker.allowance;
        (
            cores,
            earned,
            since,
            results,
            worker.works,
            &worker.key,
            &worker.browser,
            worker.id,
        )
    })?;
    let gone = "delete from workers where id = ?";
    each(on, gone, &changes.gone_workers, |id| [id])?;
    let nonces: Vec<_> = changes.nonces.iter().collect();
    let used = "insert into used_nonces (nonce, expires_at) values (?, ?)";
    each(on, used, &nonces, |nonce| *nonce)
}

/// Volunteers that have not been active for long.
pub(super) const OLD_VOLUNTEERS: &str = "delete from volunteers where (stage, volunteer) in ( \
    select stage, volunteer from volunteers where max(worked_at, asked_at) < ? limit ?)";

/// Leases that were given back long ago.
pub(super) const OLD_GIVEN_BACK: &str = "delete from leases where id in (select id from leases \
    where (outcome = 'released' or outcome = 'left' or outcome = 'overtaken' \
    or outcome = 'requeued') and ended_at < ? order by ended_at limit ?)";

/// Leases that failed or expired long ago.
pub(super) const OLD_OVERDUE: &str = "delete from leases where id in (select id from leases \
    where (outcome = 'flagged' or outcome = 'failed' or outcome = 'idle' or outcome = 'lapsed') \
    and late = 0 and ended_at < ? order by ended_at limit ?)";

/// Volunteers that gave a job back long ago.
pub(super) const OLD_AVOIDED: &str = "delete from avoided where (number, volunteer) in ( \
    select number, volunteer from avoided where at < ? order by at limit ?)";

/// Nonces that are refused for their age.
pub(super) const OLD_NONCES: &str = "delete from used_nonces where nonce in ( \
    select nonce from used_nonces where expires_at < ? order by expires_at limit ?)";

/// Codes for linking keys that have expired.
pub(super) const OLD_CODES: &str = "delete from link_codes where code in ( \
    select code from link_codes where expires_at < ? order by expires_at limit ?)";

/// Volunteers of whom nothing was confirmed and nothing counts or waits.
pub(super) const OLD_TRUST: &str = "delete from trust where (stage, volunteer, version) in ( \
    select stage, volunteer, version from trust where confirmed = 0 and on_hold = 0 and doubted = 0 \
    and waiting = 0 and unchecked = 0 and at < ? order by at limit ?)";

fn forget(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let gone = "delete from leases where id = ?";
    each(on, gone, &changes.gone_leases, |id| [id])?;
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
        each(on, old, &[before], |before| (before, FORGOTTEN))?;
    }
    Ok(())
}

fn leases(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    each(on, ADD_LEASE, &changes.new_leases, |lease| {
        (
            lease.id,
            &lease.secret,
            lease.number,
            column(lease.stage),
            lease.round,
            lease.attempt,
            lease.worker,
            &lease.nickname,
            &lease.volunteer,
            lease.granted_at,
            lease.seq,
            lease.ended.map(|(at, _)| at),
            lease.ended.map(|(_, end)| end.word()),
            lease.late,
            &lease.address,
        )
    })?;
    each(on, CHANGE_LEASE, &changes.leases, |lease| {
        (
            lease.worker,
            lease.ended.map(|(at, _)| at),
            lease.ended.map(|(_, end)| end.word()),
            lease.late,
            lease.id,
        )
    })
}

/// The activity and the failures of volunteers at stages.
fn volunteers(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    if let Some(before) = changes.forget_volunteers {
        each(on, OLD_VOLUNTEERS, &[before], |before| (before, FORGOTTEN))?;
    }
    let stages: Vec<Stage> = changes.recovered.iter().copied().collect();
    let recovered = "update volunteers set failed_at = null, failed_jobs = null, tries = 0, \
                  error = null where stage = ? and failed_at is not null";
    each(on, recovered, &stages, |stage| [column(*stage)])?;
    let recovered = "update stage_counters set failing = 0 where stage = ?";
    each(on, recovered, &stages, |stage| [column(*stage)])?;
    let rows: Vec<_> = changes.volunteers.iter().collect();
    let noted = "insert into volunteers (stage, volunteer, worked_at, asked_at, failed_at, \
                 failed_jobs, tries, error) \
                 values (?1, ?2, coalesce(?3, 0), coalesce(?4, 0), ?5, ?6, coalesce(?7, 0), ?8) \
                 on conflict (stage, volunteer) do update set \
                 worked_at = max(worked_at, coalesce(?3, 0)), asked_at = coalesce(?4, asked_at), \
                 failed_at = coalesce(?5, failed_at), failed_jobs = coalesce(?6, failed_jobs), \
                 tries = coalesce(?7, tries), error = coalesce(?8, error)";
    each(on, noted, &rows, |((stage, who), change)| {
        let failing = change.failing.as_ref();
        (
            column(*stage),
            who,
            change.worked_at,
            change.asked_at,
            failing.map(|_| changes.now),
            failing.and_then(|failing| serde_json::to_string(&failing.jobs).ok()),
            failing.map(|failing| signed(failing.tries)),
            failing.map(|failing| failing.error.as_str()),
        )
    })?;
    let pauses: Vec<_> = changes.pauses.iter().collect();
    let paused = "update stage_counters set paused_at = ?, paused_reason = ?, paused_by_operator = ? \
                  where stage = ?";
    each(on, paused, &pauses, |(stage, pause)| {
        (
            pause.as_ref().map(|_| changes.now),
            pause.as_ref().map(Pause::text),
            pause.as_ref().is_some_and(Pause::is_by_operator),
            column(**stage),
        )
    })
}

/// The log of the latest failures of all jobs.
fn failures_noted(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    if changes.failures.is_empty() {
        return Ok(());
    }
    let added = "insert into failures (at, number, stage, nickname, worker, kind, error) \
                 values (?, ?, ?, ?, ?, ?, ?)";
    each(on, added, &changes.failures, |note| {
        (
            note.at,
            note.number,
            column(note.stage),
            &note.nickname,
            &note.worker,
            note.kind(),
            &note.error,
        )
    })?;
    let old = "delete from failures where id <= (select max(id) from failures) - ?";
    each(on, old, &[KEPT_NOTES], |kept| [kept])
}

/// Increases one of the totals, and returns its previous value.
fn raise(on: &Connection, statement: &'static str, by: i64) -> Result<i64, StoreError> {
    let now: i64 = on
        .prepare_cached(statement)?
        .query_row([by], |row| row.get(0))?;
    Ok(now - by)
}

fn jobs(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let first = if changes.queued == 0 {
        0
    } else {
        let tail = "update totals set last_position = last_position + ? where id = 1 \
                    returning last_position";
        raise(on, tail, changes.queued)?
    };
    each(
        on,
        CHANGE_JOB,
        &changes.jobs,
        |JobChange { job, queued }| {
            (
                column(job.stage),
                job.state.word(),
                queued.map(|place| first + place),
                job.attempt,
                job.flagged,
                job.sent_back,
                job.round,
                job.failures,
                failures(&job.errors),
                &job.reason,
                job.lease,
                job.late,
                job.changed_at,
                job.opinions,
                job.number,
            )
        },
    )
}

fn failures(list: &[Failure]) -> Option<String> {
    if list.is_empty() {
        return None;
    }
    serde_json::to_string(list).ok()
}

fn outputs(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let gone = "delete from inputs where number = ? and stage = ?";
    each(on, gone, &changes.gone_outputs, |(number, stage)| {
        (number, column(*stage) + 1)
    })?;
    if changes.outputs.is_empty() && changes.retracted.is_empty() {
        return Ok(());
    }
    let last = "update totals set last_cursor = last_cursor + ? where id = 1 \
                returning last_cursor";
    let first = raise(on, last, changes.ordered)?;
    each(on, ADD_OUTPUT, &changes.outputs, |output| {
        (
            output.number,
            column(output.stage) + 1,
            first + output.order,
            &output.data,
            output.from,
        )
    })?;
    let added = "insert into retractions (cursor, stage, number, at) values (?, ?, ?, ?)";
    each(on, added, &changes.retracted, |(number, stage, order)| {
        (first + order, column(*stage), number, changes.now)
    })
}

/// An opinion.
pub(super) const ADD_OPINION: &str = "insert into opinions (lease, number, stage, volunteer, \
    nickname, version, answer, state, browser) values (?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// What has changed about a volunteer.
pub(super) const CHANGE_STANDING: &str = "insert into trust (stage, volunteer, version, confirmed, \
    agreed, refuted, waiting, unchecked, on_hold, doubted, looked, at) \
    values (?1, ?2, ?3, max(?4, 0), max(?5, 0), max(?6, 0), max(?7, 0), max(?8, 0), \
    coalesce(?9, 0), coalesce(?10, 0), coalesce(?11, 0), ?12) \
    on conflict (stage, volunteer, version) do update set confirmed = max(confirmed + ?4, 0), \
    agreed = agreed + ?5, refuted = refuted + ?6, waiting = max(waiting + ?7, 0), \
    unchecked = max(unchecked + ?8, 0), on_hold = coalesce(?9, on_hold), \
    doubted = coalesce(?10, doubted), looked = coalesce(?11, looked), at = ?12";

/// Opinions, what is known of volunteers, and the lane. Must run before `outputs`, which may be copied
/// from opinions, and deletes those that opinions are copied from.
fn opinions(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    each(on, ADD_OPINION, &changes.new_opinions, |opinion| {
        (
            opinion.lease,
            opinion.number,
            column(opinion.stage),
            &opinion.volunteer,
            &opinion.nickname,
            &opinion.version,
            &opinion.answer,
            opinion.state.word(),
            &opinion.browser,
        )
    })?;
    let changed = "update opinions set state = ? where lease = ?";
    each(on, changed, &changes.opinions, |opinion| {
        (opinion.state.word(), opinion.lease)
    })?;
    let added = "insert into opinion_texts (lease, data) values (?1, coalesce(?2, \
                 (select data from inputs where number = ?3 and stage = ?4)))";
    each(on, added, &changes.texts, |text| {
        let (data, of) = match &text.source {
            TextSource::Text(data) => (Some(data), None),
            TextSource::Output(number, stage) => (None, Some((*number, column(*stage) + 1))),
        };
        (
            text.lease,
            data,
            of.map(|(number, _)| number),
            of.map(|(_, stage)| stage),
        )
    })?;
    let standings: Vec<_> = changes.standings.iter().collect();
    each(
        on,
        CHANGE_STANDING,
        &standings,
        |((stage, who, version), by)| {
            (
                column(*stage),
                who,
                version,
                by.confirmed,
                by.right,
                by.wrong,
                by.waiting,
                by.unchecked,
                by.on_hold,
                by.doubted.map(Doubt::number),
                by.looked,
                changes.now,
            )
        },
    )?;
    let lane: Vec<_> = changes.lane.iter().collect();
    let gone = "delete from lane where number = ?";
    each(on, gone, &lane, |(number, _)| [*number])?;
    let entered: Vec<_> = changes
        .lane
        .iter()
        .filter_map(|(number, entry)| Some((number, entry.as_ref()?)))
        .collect();
    let added = "insert into lane (number, stage, version, disputed, place, volunteer, at) \
                 values (?, ?, ?, ?, ?, ?, ?)";
    each(on, added, &entered, |(number, entry)| {
        (
            *number,
            column(entry.stage),
            &entry.version,
            entry.disputed,
            entry.place,
            &entry.volunteer,
            entry.at,
        )
    })?;
    let counted: Vec<_> = changes.established.iter().collect();
    let established =
        "update stage_counters set established = ?, established_at = ? where stage = ?";
    each(on, established, &counted, |(stage, count)| {
        (*count, changes.now, column(**stage))
    })?;
    let audited: Vec<_> = changes.audited.iter().collect();
    let made_again = "update stage_counters set audited_at = ? where stage = ?";
    each(on, made_again, &audited, |stage| {
        (changes.now, column(**stage))
    })?;
    let version: Vec<&String> = changes.version.iter().collect();
    // Another version may compute differently.
    let gone = "delete from browser_pairs";
    each(on, gone, &version, |_| ())?;
    let pairs: Vec<_> = changes.browsers.iter().collect();
    let compared = "insert into browser_pairs (stage, one, other, agreed, differed) \
                    values (?, ?, ?, ?, ?) on conflict (stage, one, other) do update set \
                    agreed = agreed + excluded.agreed, differed = differed + excluded.differed";
    each(
        on,
        compared,
        &pairs,
        |((stage, one, other), (agreed, differed))| (column(*stage), one, other, agreed, differed),
    )?;
    let changed = "insert into trust_version (id, version, since) values (1, ?, ?) \
                   on conflict (id) do update set version = excluded.version, since = excluded.since";
    each(on, changed, &version, |version| (*version, changes.now))
}

/// Inserts late results to keep, and deletes those no longer needed. Must run after `outputs`,
/// which may be copied from them.
fn late_results(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let late: Vec<_> = changes.late.iter().collect();
    let mut bytes = 0;
    let mut gone = on
        .prepare_cached("delete from late_results where number = ? returning octet_length(data)")?;
    for (number, _) in &late {
        for freed in gone.query_map([*number], |row| row.get::<_, i64>(0))? {
            bytes -= freed?;
        }
    }
    let kept: Vec<_> = late
        .into_iter()
        .filter(|(_, data)| data.is_some())
        .collect();
    let added = "insert into late_results (number, data) values (?, ?)";
    each(on, added, &kept, |(number, data)| (*number, data))?;
    bytes += signed(changes.late_bytes());
    if bytes == 0 {
        return Ok(());
    }
    let changed = "update totals set late_bytes = late_bytes + ? where id = 1";
    each(on, changed, &[()], |()| [bytes])
}

/// What address groups hold. Counts may become negative for jobs that were held before this was
/// counted.
fn address_groups(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let groups: Vec<_> = changes.groups.iter().collect();
    let added = "insert into address_groups (name, held, earned) values (?1, max(?2, 0), max(?3, 0)) \
                 on conflict (name) do update set held = max(held + ?2, 0), \
                 earned = max(earned + ?3, 0)";
    each(on, added, &groups, |(name, by)| (*name, by.held, by.earned))?;
    let empty = "delete from address_groups where name = ? and held = 0 and earned = 0";
    each(on, empty, &groups, |(name, _)| [*name])
}

/// Credits results. A nickname without an owner belongs to the first key that is credited under it.
fn leaderboard(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let credits: Vec<_> = changes.credits.iter().collect();
    let added = "insert into leaderboard (nickname, completed, worker, look, since) \
                 values (?, ?, ?, ?, ?) \
                 on conflict (nickname) do update set completed = completed + excluded.completed, \
                 worker = coalesce(worker, excluded.worker)";
    each(on, added, &credits, |(nickname, credit)| {
        (
            *nickname,
            credit.results,
            &credit.worker,
            names::look(nickname),
            changes.now,
        )
    })?;
    let keyed: Vec<_> = changes.keyed_credits().collect();
    let verified = "update leaderboard set verified = verified + ?3, key = ?2 \
                    where nickname = ?1 and (key is null or key = ?2)";
    each(on, verified, &keyed, |credit| *credit)
}

fn counters(on: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let stages: Vec<(Stage, StageChange)> = Stage::ALL
        .into_iter()
        .zip(changes.stages)
        .filter(|(_, change)| *change != StageChange::default())
        .collect();
    let changed = "update stage_counters set open = open + ?, held = held + ?, done = done + ?, \
                   aside = aside + ?, workers = workers + ?, working = working + ?, \
                   granted = granted + ?, \
                   accepted = accepted + ?, rejected = rejected + ?, lapsed = lapsed + ?, \
                   failed = failed + ?, failing = failing + ?, waiting = waiting + ?, \
                   checked = checked + ?, disputed = disputed + ?, wrong = wrong + ? where stage = ?";
    each(on, changed, &stages, |(stage, change)| {
        [
            change.open,
            change.held,
            change.done,
            change.aside,
            change.workers,
            change.working,
            change.granted,
            change.accepted,
            change.rejected,
            change.lapsed,
            change.failed,
            change.failing,
            change.waiting,
            change.checked,
            change.disputed,
            change.wrong,
            column(*stage),
        ]
    })?;
    address_groups(on, changes)?;
    let worker = changes.new_workers.iter().map(|worker| worker.id).max();
    let lease = changes.new_leases.iter().map(|lease| lease.id).max();
    if changes.closed != 0 || worker.is_some() || lease.is_some() {
        let changed = "update totals set closed = closed + ?, \
                       last_worker = coalesce(?, last_worker), \
                       last_lease = coalesce(?, last_lease) where id = 1";
        each(on, changed, &[()], |()| (changes.closed, worker, lease))?;
    }
    leaderboard(on, changes)?;
    let made: Vec<(Stage, i64)> = Stage::ALL
        .into_iter()
        .zip(changes.made)
        .filter(|(_, made)| *made != 0)
        .collect();
    let minute = changes.now.div_euclid(MINUTE);
    let added = "insert into throughput (minute, stage, done) values (?, ?, ?) \
                 on conflict (minute, stage) do update set done = done + excluded.done";
    each(on, added, &made, |(stage, made)| {
        (minute, column(*stage), made)
    })
}
