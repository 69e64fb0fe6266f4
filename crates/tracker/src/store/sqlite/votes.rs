//! Opinions, and what is known of the volunteers who gave them.

use distcompute_protocol::Stage;
use rusqlite::{Connection, OptionalExtension as _, Row};

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
    from trust where doubted > 0 and (doubted = 1 or ?) order by doubted limit 1";

/// Results that count on its word alone; of one on hold, also those on which nobody else has an
/// opinion.
pub(super) const RESTING: &str = "select o.number, o.lease from opinions o \
    where o.volunteer = ?1 and o.stage = ?2 and o.version = ?3 \
    and (o.state = 'alone' or o.state = 'waiting') and o.answer not like '!%' \
    and (o.state = 'alone' or (?4 and exists (select 1 from jobs j where j.number = o.number \
        and j.state = 'waiting' and j.stage = o.stage and j.opinions = 1))) limit ?5";

/// What it has confirmed, from a lease on; with the round of the job, the result that rests on too few
/// others, and whether the volunteer of that result is on hold too. The operator's word is enough.
pub(super) const CONFIRMED: &str = "select o.lease, o.number, j.round, \
    case when w.state = 'right' and w.lease < o.lease and o.answer not like '!%' \
        and (j.stage > o.stage or (j.stage = o.stage and j.state = 'closed')) \
        and not exists (select 1 from opinions q where q.number = o.number and q.stage = o.stage \
            and q.state = 'right' and q.lease >= w.lease \
            and q.volunteer in (select value from json_each(?5))) \
        and (select count(distinct q.volunteer) from opinions q where q.number = o.number \
            and q.stage = o.stage and q.state = 'right' and q.lease >= w.lease \
            and q.answer not like '!%' and not exists (select 1 from trust t \
                where t.stage = q.stage and t.volunteer = q.volunteer and t.version = q.version \
                and t.on_hold = 1)) < ?6 \
    then w.lease end, \
    exists (select 1 from trust t where t.stage = w.stage and t.volunteer = w.volunteer \
        and t.version = w.version and t.on_hold = 1) \
    from opinions o join jobs j on j.number = o.number \
    left join opinions w on w.lease = (select max(l.id) from leases l where l.number = o.number \
        and l.stage = o.stage and l.outcome = 'completed') \
    where o.volunteer = ?1 and o.stage = ?2 and o.version = ?3 and o.state = 'right' \
    and o.lease > ?4 order by o.lease limit ?7";

pub(super) fn doubted(
    on: &Connection,
    trust: Trust,
    limit: u32,
) -> Result<Option<Recalled>, StoreError> {
    type Row = (i64, String, String, bool, i64, i64);
    let found: Option<Row> = on
        .prepare_cached(DOUBTED)?
        .query_row([trust.is_on()], |row| row.try_into())
        .optional()?;
    let Some((stage, volunteer, version, on_hold, doubted, looked)) = found else {
        return Ok(None);
    };
    let policy = trust.policy(stage_of(stage)?);
    let what = if doubted == Doubt::Alone.number() {
        let found = on
            .prepare_cached(RESTING)?
            .query_map((&volunteer, stage, &version, on_hold, limit), |row| {
                row.try_into()
            })?
            .collect::<Result<_, _>>()?;
        Recall::Alone(found)
    } else if on_hold && policy != Policy::Off {
        let operators = serde_json::to_string(trust.operators).unwrap_or_default();
        let needed = signed(policy.needed() as u64);
        let which = (
            &volunteer, stage, &version, looked, operators, needed, limit,
        );
        let found = on
            .prepare_cached(CONFIRMED)?
            .query_map(which, |row| {
                Ok(Confirmation {
                    lease: row.get(0)?,
                    number: row.get(1)?,
                    round: row.get(2)?,
                    result: row.get(3)?,
                    is_void: row.get(4)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Recall::Confirmed(found)
    } else {
        Recall::Confirmed(Vec::new())
    };
    Ok(Some(Recalled {
        stage: stage_of(stage)?,
        volunteer,
        version,
        on_hold,
        what,
    }))
}

/// Jobs with as many opinions as a job is given.
pub(super) const UNDECIDED: &str = "select number from jobs where stage = ? and opinions >= 5 \
    and state = 'waiting' limit ?";

pub(super) fn undecided(on: &Connection, stage: Stage, limit: u32) -> Result<Vec<i64>, StoreError> {
    let mut statement = on.prepare_cached(UNDECIDED)?;
    let rows = statement.query_map((column(stage), limit), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn stale(
    on: &Connection,
    stage: Stage,
    version: Option<&str>,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let mut found = Vec::new();
    let Some(version) = version else {
        let all = "select number from lane where stage = ? limit ?";
        let mut statement = on.prepare_cached(all)?;
        let rows = statement.query_map((column(stage), limit), |row| row.get(0))?;
        return Ok(rows.collect::<Result<_, _>>()?);
    };
    for statement in [STALE_BELOW, STALE_ABOVE] {
        let mut statement = on.prepare_cached(statement)?;
        let rows = statement.query_map((column(stage), version, limit), |row| row.get(0))?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

/// Jobs of the lane with opinions of other versions: ranges of an index on both sides of the current
/// one.
pub(super) const STALE_BELOW: &str =
    "select number from lane where stage = ? and version < ? limit ?";

pub(super) const STALE_ABOVE: &str =
    "select number from lane where stage = ? and version > ? limit ?";

pub(super) fn trusted(on: &Connection, which: &Which) -> Result<Vec<TrustRow>, StoreError> {
    let columns =
        "stage, volunteer, version, confirmed, agreed, refuted, waiting, unchecked, on_hold";
    let read = |row: &Row<'_>| {
        let number = |at: usize| row.get(at).map(unsigned);
        Ok(TrustRow {
            stage: stage_of(row.get(0)?)?,
            volunteer: row.get(1)?,
            version: row.get(2)?,
            confirmed: number(3)?,
            right: number(4)?,
            wrong: number(5)?,
            waiting: number(6)?,
            unchecked: number(7)?,
            on_hold: row.get::<_, i64>(8)? != 0,
        })
    };
    match which {
        Which::Volunteer(who) => {
            let by = "where volunteer = ? order by stage, version";
            let mut statement = on.prepare_cached(&format!("select {columns} from trust {by}"))?;
            statement.query_and_then([who], read)?.collect()
        }
        Which::OnHold(limit) => {
            let by = "where on_hold = 1 limit ?";
            let mut statement = on.prepare_cached(&format!("select {columns} from trust {by}"))?;
            statement.query_and_then([limit], read)?.collect()
        }
    }
}

/// Kinds of browsers of which outputs differed. There are few.
const BROWSER_PAIRS: &str = "select stage, one, other, agreed, differed from browser_pairs \
    where differed > 0 order by differed desc, stage, one, other limit ?";

pub(super) fn browser_pairs(on: &Connection, limit: u32) -> Result<Vec<BrowserPair>, StoreError> {
    let mut statement = on.prepare_cached(BROWSER_PAIRS)?;
    let rows = statement.query_and_then([limit], |row| {
        Ok(BrowserPair {
            stage: stage_of(row.get(0)?)?,
            browsers: (row.get(1)?, row.get(2)?),
            agreed: unsigned(row.get(3)?),
            differed: unsigned(row.get(4)?),
        })
    })?;
    rows.collect()
}

pub(super) fn unconfirmed(
    on: &Connection,
    stage: Stage,
    numbers: &[u64],
) -> Result<Vec<u64>, StoreError> {
    let mut statement = on.prepare_cached(
        "select exists (select 1 from opinions where number = ? and stage = ? and state = 'alone')",
    )?;
    let mut found = Vec::new();
    for number in numbers {
        let alone = statement.query_row((signed(*number), column(stage)), |row| row.get(0))?;
        found.extend(Some(*number).filter(|_| alone));
    }
    Ok(found)
}
