//! Reads what a group of operations needs: one prepared statement per kind of row, run once per
//! key. SQLite is in-process, so lists of keys in one statement would save nothing.

use std::collections::BTreeSet;

use distcompute_protocol::Stage;
use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use super::rows;
use crate::{
    clock::Millis,
    ledger::{
        AUDIT_LOOKS, Confirmers, End, Job, LANE as LANE_ROWS, LOOK_AHEAD, Lease, OWN_LOOKS, Pause,
        Queue, SWEEP, Snapshot, VOLUNTEERS, Waiting, Wanted, Worker,
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

pub(super) const WORKER_BY_TOKEN: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.token = ?"
);

pub(super) const WORKER_BY_ID: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.id = ?"
);

pub(super) const IDLE: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.last_seen < ? order by w.last_seen limit ?",
);

pub(super) const MISSED: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.last_seen < ? and w.seq >= 0 order by w.last_seen limit ?",
);

pub(super) const LAPSED: &str = concat!(
    "select ",
    worker_columns!(),
    " from workers w where w.synced_at < ? order by w.synced_at limit ?",
);

/// The unfinished leases of a worker.
pub(super) const HELD: &str = concat!(
    "select ",
    lease_columns!(),
    " from leases l where l.worker = ? and l.ended_at is null",
);

pub(super) const LEASE_BY_ID: &str =
    concat!("select ", lease_columns!(), " from leases l where l.id = ?");

/// The earlier leases that a worker had of a job.
pub(super) const PAST: &str = concat!(
    "select ",
    lease_columns!(),
    " from leases l where l.worker = ? and l.number = ?",
);

pub(super) const JOB: &str = concat!("select ", job_columns!(), " from jobs j where j.number = ?");

/// The head of a stage's queue.
pub(super) const HEADS: &str = concat!(
    "select ",
    job_columns!(),
    " from jobs j where j.stage = ? and j.state = 'open' order by j.position, j.number limit ?",
);

/// The first place of a queue, and the last one that is below another place.
pub(super) const FIRST_PLACE: &str = "select position from jobs where stage = ? and state = 'open' \
    order by position limit 1";
pub(super) const LAST_PLACE: &str = "select position from jobs where stage = ? and state = 'open' \
    and position < ? order by position desc limit 1";

/// The first job of a queue from a place on.
pub(super) const FROM_PLACE: &str = concat!(
    "select ",
    job_columns!(),
    " from jobs j where j.stage = ? and j.state = 'open' and j.position >= ? \
     order by j.position, j.number limit 1",
);

/// The opinions on a job that wait or count alone.
pub(super) const OPINIONS: &str = concat!(
    "select ",
    opinion_columns!(),
    " from opinions o where o.number = ? and (o.state = 'waiting' or o.state = 'alone')",
);

pub(super) const OPINION: &str = concat!(
    "select ",
    opinion_columns!(),
    " from opinions o where o.lease = ?"
);

pub(super) const STANDING: &str = concat!(
    "select ",
    standing_columns!(),
    " from trust t where t.stage = ? and t.volunteer = ? and t.version = ?",
);

/// Jobs of the lane between two places.
pub(super) const LANE: &str = "select number, volunteer, at from lane where stage = ? \
    and version = ? and disputed = ? and place between ? and ? order by place limit ?";

/// Jobs of the lane whose first opinion is another volunteer's.
pub(super) const LANE_ABOVE: &str = "select number from lane where stage = ? and version = ? \
    and disputed = ? and volunteer > ? order by volunteer limit ?";
pub(super) const LANE_BELOW: &str = "select number from lane where stage = ? and version = ? \
    and disputed = ? and volunteer < ? order by volunteer desc limit ?";

/// When those who share the lane were last counted, and when a result was last made again.
const COUNTED: &str =
    "select established, established_at, audited_at from stage_counters where stage = ?";

/// Results that count on one word, among some opinions from a random one on.
pub(super) const AUDITS: &str = concat!(
    "select ",
    opinion_columns!(),
    " from (select * from opinions where lease >= abs(?1 % (select max(lease) + 1 from opinions)) \
        order by lease limit ?2) o \
    where o.stage = ?3 and o.version = ?4 and o.state = 'alone'",
);

/// The secret by which the lane is divided.
const SECRET: &str = "select secret from tracker_keys where name = 'lane'";
const ADD_SECRET: &str = "insert into tracker_keys (name, secret) values ('lane', ?)";

/// Which of the volunteers that asked for jobs recently may confirm.
pub(super) const ESTABLISHED: &str = "select v.volunteer from (select v.volunteer from volunteers v \
        where v.stage = ?1 and v.asked_at > ?2 order by v.asked_at desc limit ?3) v \
    join trust t on t.stage = ?1 and t.volunteer = v.volunteer and t.version = ?4 \
    where t.confirmed >= ?5 and t.on_hold = 0";

/// Volunteers that worked at a stage recently.
pub(super) const WORKED: &str = concat!(
    "select ",
    volunteer_columns!(),
    " from volunteers v where v.stage = ? and v.worked_at > ? order by v.worked_at desc limit ?",
);

/// Volunteers that asked for jobs at a stage recently.
pub(super) const ASKED: &str = concat!(
    "select ",
    volunteer_columns!(),
    " from volunteers v where v.stage = ? and v.asked_at > ? order by v.asked_at desc limit ?",
);

/// Volunteers that have failed at a stage since it last produced a result.
pub(super) const FAILED: &str = concat!(
    "select ",
    volunteer_columns!(),
    " from volunteers v where v.stage = ? and v.failed_at > ? order by v.failed_at desc limit ?",
);

/// The input of a job at a stage.
pub(super) const INPUT: &str =
    "select number, stage, data from inputs where number = ? and stage = ?";

/// The size of a job's input at a stage in bytes, and the input unless it is larger than a number of
/// bytes. SQLite takes the size from the row header, and reads no more of a large one.
pub(super) const INPUT_UP_TO: &str = "select number, stage, octet_length(data), \
    iif(octet_length(data) <= ?3, data, null) from inputs where number = ?1 and stage = ?2";

/// The size of a job's input at a stage, in bytes. SQLite reads it from the row header.
pub(super) const SIZE: &str =
    "select number, stage, octet_length(data) from inputs where number = ? and stage = ?";

/// The identity that a key is linked to.
pub(super) const LINKED: &str = "select key, identity from linked_keys where key = ?";

pub(super) const USED_NONCE: &str = "select nonce from used_nonces where nonce = ?";

/// Runs a statement for each of the keys and collects the rows.
fn each<P: Params, T>(
    on: &Connection,
    statement: &'static str,
    keys: impl IntoIterator<Item = P>,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    let mut keys = keys.into_iter().peekable();
    if keys.peek().is_none() {
        return Ok(found);
    }
    let mut statement = on.prepare_cached(statement)?;
    for key in keys {
        let mut rows = statement.query(key)?;
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

pub(super) fn load(on: &Connection, now: Millis, wanted: &Wanted) -> Result<Snapshot, StoreError> {
    let mut read = Snapshot {
        now,
        dice: wanted.dice,
        ..Snapshot::default()
    };
    workers(on, wanted, &mut read)?;
    leases(on, wanted, &mut read)?;
    let mut numbers: BTreeSet<i64> = read.leases.iter().map(|lease| lease.number).collect();
    numbers.extend(&wanted.jobs);
    read.jobs = each(on, JOB, numbers.iter().map(|number| [number]), rows::job)?;
    let missing = read.missing_leases();
    let holding = each(on, LEASE_BY_ID, missing.iter().map(|id| [id]), rows::lease)?;
    read.leases.extend(holding);
    let missing = read.missing_workers();
    let holders = each(
        on,
        WORKER_BY_ID,
        missing.iter().map(|id| [id]),
        rows::worker,
    )?;
    read.workers.extend(holders);
    opinions(on, wanted, &mut read)?;
    let groups = read.address_groups();
    let groups = each(
        on,
        "select name, held, earned from address_groups where name = ?",
        groups.iter().map(|name| [name]),
        |row| {
            let (held, earned) = (row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, GroupTotals { held, earned }))
        },
    )?;
    read.groups.extend(groups);
    keys(on, wanted, &mut read)?;
    let bans = "select name from bans where name = ?";
    let names = wanted.bans.iter().cloned().chain(read.names_of_linked());
    let bans = each(on, bans, names.map(|name| [name]), |row| Ok(row.get(0)?))?;
    read.bans.extend(bans);
    if wanted.flags {
        flags(on, &mut read)?;
    }
    standings(on, wanted, &mut read)?;
    lanes(on, wanted, &mut read)?;
    heads(on, wanted, &mut read)?;
    sizes(on, wanted, &mut read)?;
    volunteers(on, wanted, &mut read)?;
    numbers_given(on, wanted, &mut read)?;
    Ok(read)
}

/// The identities that keys are linked to, and the nonces that have been used.
fn keys(on: &Connection, wanted: &Wanted, read: &mut Snapshot) -> Result<(), StoreError> {
    let linked = each(on, LINKED, wanted.keys.iter().map(|key| [key]), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    read.linked.extend(linked);
    let used = each(
        on,
        USED_NONCE,
        wanted.nonces.keys().map(|nonce| [nonce]),
        |row| Ok(row.get(0)?),
    )?;
    read.used_nonces.extend(used);
    Ok(())
}

fn workers(on: &Connection, wanted: &Wanted, read: &mut Snapshot) -> Result<(), StoreError> {
    let tokens = wanted.workers.keys().map(|token| [token]);
    read.workers = each(on, WORKER_BY_TOKEN, tokens, rows::worker)?;
    for (statement, age, idle) in [
        (IDLE, wanted.idle, true),
        (MISSED, wanted.missed, true),
        (LAPSED, wanted.lapsed, false),
    ] {
        let Some(age) = age else { continue };
        let before = (read.now - age, signed(SWEEP as u64));
        let found: Vec<Worker> = each(on, statement, [before], rows::worker)?;
        let ids = found.iter().map(|worker| worker.id);
        if idle {
            read.idle.extend(ids);
        } else {
            read.lapsed.extend(ids);
        }
        for worker in found {
            if read.workers.iter().all(|known| known.id != worker.id) {
                read.workers.push(worker);
            }
        }
    }
    Ok(())
}

fn leases(on: &Connection, wanted: &Wanted, read: &mut Snapshot) -> Result<(), StoreError> {
    let workers = read.workers.iter().map(|worker| [worker.id]);
    read.leases = each(on, HELD, workers, rows::lease)?;
    let mut more: Vec<Lease> = each(on, PAST, read.past(wanted), rows::lease)?;
    let repeats = read.repeats(wanted);
    let held: BTreeSet<i64> = read.leases.iter().map(|lease| lease.id).collect();
    let ids: BTreeSet<i64> = wanted
        .leases
        .iter()
        .chain(&repeats)
        .copied()
        .filter(|id| !held.contains(id))
        .collect();
    more.extend(each(
        on,
        LEASE_BY_ID,
        ids.iter().map(|id| [id]),
        rows::lease,
    )?);
    // The output of a stage is stored as the input of the next.
    let last = more.iter().filter(|lease| repeats.contains(&lease.id));
    let outputs = last.map(|lease| (lease.number, column(lease.stage) + 1));
    read.outputs = each(on, INPUT, outputs, |row| {
        let stage = stage_of(row.get::<_, i64>(1)? - 1)?;
        Ok((row.get(0)?, stage, row.get(2)?))
    })?;
    read.leases.extend(more);
    Ok(())
}

/// The opinions of jobs that have any, and those under the leases that ended with one, with all of
/// their leases.
fn opinions(on: &Connection, wanted: &Wanted, read: &mut Snapshot) -> Result<(), StoreError> {
    let numbers = read.with_opinions(wanted);
    read.opinions = each(
        on,
        OPINIONS,
        numbers.iter().map(|number| [number]),
        rows::opinion,
    )?;
    let ended = read
        .leases
        .iter()
        .filter(|lease| matches!(lease.ended, Some((_, End::Opinion))));
    let mut ended: BTreeSet<i64> = ended.map(|lease| lease.id).collect();
    ended.extend(&wanted.opinions);
    let more = each(on, OPINION, ended.iter().map(|id| [id]), rows::opinion)?;
    read.opinions.extend(more);
    voters(on, read)
}

fn voters(on: &Connection, read: &mut Snapshot) -> Result<(), StoreError> {
    let missing = read.missing_voters();
    let leases = each(on, LEASE_BY_ID, missing.iter().map(|id| [id]), rows::lease)?;
    read.leases.extend(leases);
    Ok(())
}

/// What is known of volunteers, where results are checked.
fn standings(on: &Connection, wanted: &Wanted, read: &mut Snapshot) -> Result<(), StoreError> {
    let Some(trust) = wanted.trust else {
        return Ok(());
    };
    let who = read.unjudged(wanted);
    let keys = who
        .iter()
        .map(|(stage, who)| (column(*stage), who, trust.version));
    let found = each(on, STANDING, keys, rows::standing)?;
    read.standings.extend(found);
    Ok(())
}

/// Jobs of the lane for those who may give opinions, with the opinions on them.
fn lanes(on: &Connection, wanted: &Wanted, read: &mut Snapshot) -> Result<(), StoreError> {
    let Some(trust) = wanted.trust else {
        return Ok(());
    };
    let confirmers = Confirmers::new(read, wanted);
    for stage in confirmers.stages() {
        let counted: Vec<(i64, Millis, Millis)> =
            each(on, COUNTED, [[column(stage)]], |row| Ok(row.try_into()?))?;
        let (count, at, audited) = counted.into_iter().next().unwrap_or_default();
        let anew = (!read.is_recent(at))
            .then(|| established(on, stage, &trust, read.now))
            .transpose()?;
        read.share_lane(stage, &trust, count, anew);
        if confirmers.has_own(stage) && read.is_audit_due(&trust, audited) {
            let begin = signed(read.dice >> 1);
            let key = (begin, AUDIT_LOOKS, column(stage), trust.version);
            let found = each(on, AUDITS, [key], rows::opinion)?;
            read.enter_audits(&confirmers, stage, &found);
            let known: BTreeSet<i64> = read.jobs.iter().map(|job| job.number).collect();
            let new = found.iter().map(|one| one.number);
            let new: BTreeSet<i64> = new.filter(|number| !known.contains(number)).collect();
            let jobs = each(on, JOB, new.iter().map(|number| [number]), rows::job)?;
            read.jobs.extend(jobs);
            read.opinions.extend(found);
        }
    }
    let secret = if confirmers.are_divided(read) {
        secret(on, &wanted.secret)?
    } else {
        String::new()
    };
    read.parts = confirmers.parts(read, &secret);
    let dice = read.dice;
    let number = |row: &Row<'_>| Ok(row.get::<_, i64>(0)?);
    let part = |(stage, part): (Stage, u32), parts: u32, disputed: bool, limit: usize| {
        let mut found: Vec<Waiting> = Vec::new();
        for places in lane::from_within(part, parts, dice) {
            let left = signed((limit - found.len()) as u64);
            let (first, last) = places.into_inner();
            let key = (column(stage), trust.version, disputed, first, last, left);
            found.extend(each(on, LANE, [key], rows::waiting)?);
        }
        Ok::<_, StoreError>(found)
    };
    for (of, limit) in confirmers.demand(read) {
        let parts = read.lane_parts(of.0);
        let disputed = part(of, parts, true, limit)?;
        let others = part(of, parts, false, limit)?;
        read.enter(of, limit, &disputed, &others);
    }
    for (stage, who) in confirmers.own() {
        let disputed = part((stage, 0), 1, true, OWN_LOOKS)?;
        let others = part((stage, 0), 1, false, OWN_LOOKS)?;
        let keys = others
            .iter()
            .map(|one| (column(stage), &one.volunteer, trust.version));
        let known = each(on, STANDING, keys, rows::standing)?;
        read.enter_own(&trust, (stage, who), disputed, others, &known);
    }
    of_lane(on, read)?;
    for (stage, who) in confirmers.lacking(read) {
        let mut found = Vec::new();
        for statement in [LANE_ABOVE, LANE_BELOW] {
            for disputed in [true, false] {
                let key = (column(stage), trust.version, disputed, &who, LANE_ROWS);
                found.extend(each(on, statement, [key], number)?);
            }
        }
        read.lane_for.insert((stage, who), found);
    }
    of_lane(on, read)?;
    voters(on, read)?;
    standings(on, wanted, read)
}

/// Volunteers that asked for jobs recently and may confirm.
fn established(
    on: &Connection,
    stage: Stage,
    trust: &Trust,
    now: Millis,
) -> Result<Vec<String>, StoreError> {
    let least = i64::from(trust.policy(stage).confirmations_to_share());
    let (since, most) = (now - THERE, signed(VOLUNTEERS as u64));
    let key = (column(stage), since, most, trust.version, least);
    each(on, ESTABLISHED, [key], |row| Ok(row.get(0)?))
}

/// The secret by which the lane is divided. `fresh` is kept if there is none.
fn secret(on: &Connection, fresh: &str) -> Result<String, StoreError> {
    let known: Vec<String> = each(on, SECRET, [()], |row| Ok(row.get(0)?))?;
    if let Some(known) = known.into_iter().next() {
        return Ok(known);
    }
    on.prepare_cached(ADD_SECRET)?.execute([fresh])?;
    Ok(fresh.to_owned())
}

/// Jobs of the lane that have not been read, with the opinions on them.
fn of_lane(on: &Connection, read: &mut Snapshot) -> Result<(), StoreError> {
    let new: Vec<i64> = read.unread_in_lane();
    let jobs = each(on, JOB, new.iter().map(|number| [number]), rows::job)?;
    let given = each(
        on,
        OPINIONS,
        new.iter().map(|number| [number]),
        rows::opinion,
    )?;
    read.jobs.extend(jobs);
    read.opinions.extend(given);
    Ok(())
}

fn flags(on: &Connection, read: &mut Snapshot) -> Result<(), StoreError> {
    let numbers = read.jobs.iter().map(|job| [job.number]);
    read.flags = each(
        on,
        "select number, stage, volunteer from flags where number = ?",
        numbers.clone(),
        |row| Ok((row.get(0)?, stage_of(row.get(1)?)?, row.get(2)?)),
    )?;
    read.makers = each(
        on,
        "select j.number, l.volunteer from jobs j \
         join leases l on l.id = (select max(m.id) from leases m where m.number = j.number \
         and m.stage = j.stage - 1 and m.outcome = 'completed') where j.number = ?",
        numbers,
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(())
}

fn heads(on: &Connection, wanted: &Wanted, read: &mut Snapshot) -> Result<(), StoreError> {
    let demand = read.demand(wanted);
    let mut known: BTreeSet<i64> = read.jobs.iter().map(|job| job.number).collect();
    for stage in Stage::ALL {
        let mut limit = demand[stage.index()];
        if limit == 0 {
            continue;
        }
        let is_drawn = wanted
            .trust
            .is_some_and(|trust| trust.policy(stage) != Policy::Off);
        let next = |limit: usize| match is_drawn {
            true => draw(on, stage, limit, read.dice),
            false => head(on, stage, limit),
        };
        let mut jobs = next(limit)?;
        let avoided = avoided(on, &jobs)?;
        if !avoided.is_empty() && jobs.len() == limit {
            // Some of these jobs avoid the volunteers that ask, so more are read as alternatives.
            limit += LOOK_AHEAD;
            jobs = next(limit)?;
            read.avoided.extend(self::avoided(on, &jobs)?);
        } else {
            read.avoided.extend(avoided);
        }
        read.queues[stage.index()] = Queue {
            numbers: jobs.iter().map(|job| job.number).collect(),
            whole: jobs.len() < limit,
        };
        read.jobs
            .extend(jobs.into_iter().filter(|job| known.insert(job.number)));
    }
    Ok(())
}

/// The sizes of jobs that may be granted to syncs with a limit in bytes.
fn sizes(on: &Connection, wanted: &Wanted, read: &mut Snapshot) -> Result<(), StoreError> {
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
    read.sizes = each(on, SIZE, jobs, |row| {
        let bytes: i64 = row.get(2)?;
        Ok((row.get(0)?, stage_of(row.get(1)?)?, unsigned(bytes)))
    })?;
    Ok(())
}

fn head(on: &Connection, stage: Stage, limit: usize) -> Result<Vec<Job>, StoreError> {
    let which = (column(stage), signed(limit as u64));
    each(on, HEADS, [which], rows::job)
}

/// Open jobs of a stage in a random order, all of them if there are fewer than `limit`.
fn draw(on: &Connection, stage: Stage, limit: usize, dice: u64) -> Result<Vec<Job>, StoreError> {
    let place = |statement, end: Option<i64>| {
        let mut statement = on.prepare_cached(statement)?;
        let found = match end {
            None => statement.query_row([column(stage)], |row| row.get::<_, i64>(0)),
            Some(end) => statement.query_row((column(stage), end), |row| row.get(0)),
        };
        Ok::<_, StoreError>(found.optional()?)
    };
    let Some(first) = place(FIRST_PLACE, None)? else {
        return Ok(Vec::new());
    };
    let end = first.saturating_add(order::STRETCH);
    let last = place(LAST_PLACE, Some(end))?.unwrap_or(first);
    let (mut jobs, mut known) = (Vec::new(), BTreeSet::new());
    let mut from = on.prepare_cached(FROM_PLACE)?;
    // Of few jobs most are drawn more than once.
    let mut dice = order::dice(dice);
    for _ in 0..order::tries(limit) {
        if jobs.len() == limit {
            return Ok(jobs);
        }
        let key = (column(stage), order::place(dice.share(), first, last));
        let mut rows = from.query(key)?;
        if let Some(row) = rows.next()? {
            let job = rows::job(row)?;
            if known.insert(job.number) {
                jobs.push(job);
            }
        }
    }
    let mut others = head(on, stage, limit)?;
    others.retain(|job| known.insert(job.number));
    dice.shuffle(&mut others);
    jobs.extend(others);
    jobs.truncate(limit);
    Ok(jobs)
}

/// Which volunteers work, ask for jobs and fail, at the stages where that matters.
fn volunteers(on: &Connection, wanted: &Wanted, read: &mut Snapshot) -> Result<(), StoreError> {
    let mut known = BTreeSet::new();
    for stage in read.watched(wanted) {
        let kinds = [
            (WORKED, read.now - WORKING),
            (ASKED, read.now - THERE),
            (FAILED, read.now - WORKING),
        ];
        for (statement, since) in kinds {
            let which = (column(stage), since, signed(VOLUNTEERS as u64));
            let found = each(on, statement, [which], rows::volunteer)?;
            let new = found
                .into_iter()
                .filter(|one| known.insert((one.stage, one.name.clone())));
            read.volunteers.extend(new);
        }
    }
    Ok(())
}

/// Which of these jobs should rather not be given to which volunteers.
fn avoided(on: &Connection, jobs: &[Job]) -> Result<Vec<(i64, String, bool)>, StoreError> {
    let jobs = jobs.iter().filter(|job| job.has_past());
    each(
        on,
        "select number, volunteer, failed from avoided where number = ?",
        jobs.map(|job| [job.number]),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// The number of open jobs, the number of workers, and the next ids. No other connection assigns
/// ids meanwhile, because a writing transaction is exclusive.
fn numbers_given(on: &Connection, wanted: &Wanted, read: &mut Snapshot) -> Result<(), StoreError> {
    let counters = "select stage, open, workers, working, failing, paused_at is not null, \
                    paused_by_operator, paused_reason, waiting from stage_counters";
    type Row = (i64, i64, i64, i64, i64, bool, bool, Option<String>, i64);
    let counters: Vec<Row> = each(on, counters, [()], |row| Ok(row.try_into()?))?;
    for (at, open, workers, working, failing, paused, by_operator, reason, waiting) in counters {
        let stage = stage_of(at)?.index();
        (read.open[stage], read.enrolled[stage]) = (open, workers);
        (read.at_work[stage], read.waiting[stage]) = (working, waiting);
        read.failing[stage] = failing != 0;
        read.paused[stage] = paused.then(|| Pause::read(by_operator, reason));
    }
    let (worker, lease, late_bytes): (i64, i64, i64) = on
        .prepare_cached("select last_worker, last_lease, late_bytes from totals where id = 1")?
        .query_row((), |row| row.try_into())?;
    if wanted.trust.is_some() || wanted.flags || !wanted.jobs.is_empty() {
        let version = "select version, since from trust_version where id = 1";
        let version = each(on, version, [()], |row| Ok(row.try_into()?))?;
        read.version = version.into_iter().next().unwrap_or_default();
    }
    read.late_bytes = unsigned(late_bytes);
    read.worker_ids = (1..=signed(wanted.registrations as u64))
        .map(|n| worker + n)
        .collect();
    read.lease_ids = (1..=signed(wanted.grants() as u64))
        .map(|n| lease + n)
        .collect();
    Ok(())
}

/// Reads the inputs of jobs at stages, and only the sizes of those larger than `most` bytes.
pub(super) fn inputs_up_to(
    on: &Connection,
    of: &[(i64, Stage)],
    most: u64,
) -> Result<Vec<Input>, StoreError> {
    let keys = of
        .iter()
        .map(|(number, stage)| (number, column(*stage), signed(most)));
    each(on, INPUT_UP_TO, keys, |row| {
        Ok(Input {
            number: row.get(0)?,
            stage: stage_of(row.get(1)?)?,
            bytes: unsigned(row.get(2)?),
            data: row.get(3)?,
        })
    })
}

/// Reads the inputs of jobs at stages.
pub(super) fn inputs(
    on: &Connection,
    of: &[(i64, Stage)],
) -> Result<Vec<(i64, Stage, String)>, StoreError> {
    let keys = of.iter().map(|(number, stage)| (number, column(*stage)));
    each(on, INPUT, keys, |row| {
        Ok((row.get(0)?, stage_of(row.get(1)?)?, row.get(2)?))
    })
}
