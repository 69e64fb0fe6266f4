//! Converts table rows to the ledger's types.

use sqlx::{Row as _, postgres::PgRow};

use crate::{
    ledger::{
        End, Failure, Job, Lease, Opinion, OpinionState, Standing, State, Volunteer, Waiting,
        Worker,
    },
    rules::{allowance::Allowance, attempts::Failing},
    store::{StoreError, stage_of, unsigned},
};

pub(super) fn volunteer(row: &PgRow) -> Result<Volunteer, StoreError> {
    let failed_at: Option<i64> = row.try_get(4)?;
    let jobs: Option<&str> = row.try_get(5)?;
    let failing = Failing {
        jobs: jobs
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default(),
        tries: unsigned(row.try_get(6)?),
        error: row.try_get::<Option<String>, _>(7)?.unwrap_or_default(),
    };
    Ok(Volunteer {
        stage: stage_of(row.try_get(0)?)?,
        name: row.try_get(1)?,
        worked_at: row.try_get(2)?,
        asked_at: row.try_get(3)?,
        failing: failed_at.map(|at| (at, failing)),
    })
}

pub(super) fn worker(row: &PgRow) -> Result<Worker, StoreError> {
    Ok(Worker {
        id: row.try_get(0)?,
        token: row.try_get(1)?,
        display_name: row.try_get(2)?,
        nickname: row.try_get(3)?,
        stage: stage_of(row.try_get(4)?)?,
        progress: row.try_get(5)?,
        completed: row.try_get(6)?,
        first_seen: row.try_get(7)?,
        last_seen: row.try_get(8)?,
        seq: row.try_get(9)?,
        synced_at: row.try_get(10)?,
        last_lease: row.try_get(11)?,
        address: row.try_get(12)?,
        trouble: row.try_get(13)?,
        rest_until: row.try_get(14)?,
        noted_at: row.try_get(15)?,
        allowance: Allowance {
            cores: row.try_get(16)?,
            earned: row.try_get(17)?,
            since: row.try_get(18)?,
            results: row.try_get(19)?,
        },
        works: row.try_get::<i64, _>(20)? != 0,
        key: row.try_get(21)?,
        browser: row.try_get(22)?,
    })
}

pub(super) fn lease(row: &PgRow) -> Result<Lease, StoreError> {
    let ended_at: Option<i64> = row.try_get(11)?;
    let outcome: Option<&str> = row.try_get(12)?;
    Ok(Lease {
        id: row.try_get(0)?,
        secret: row.try_get(1)?,
        number: row.try_get(2)?,
        stage: stage_of(row.try_get(3)?)?,
        round: row.try_get(4)?,
        attempt: row.try_get(5)?,
        worker: row.try_get(6)?,
        nickname: row.try_get(7)?,
        volunteer: row.try_get(8)?,
        granted_at: row.try_get(9)?,
        seq: row.try_get(10)?,
        ended: ended_at.zip(outcome.and_then(End::from_word)),
        late: row.try_get::<i64, _>(13)? != 0,
        address: row.try_get(14)?,
    })
}

pub(super) fn job(row: &PgRow) -> Result<Job, StoreError> {
    let state: &str = row.try_get(2)?;
    let state = State::from_word(state)
        .ok_or_else(|| StoreError::Failed(format!("there is no state {state}")))?;
    Ok(Job {
        number: row.try_get(0)?,
        stage: stage_of(row.try_get(1)?)?,
        state,
        attempt: row.try_get(3)?,
        flagged: row.try_get(4)?,
        sent_back: row.try_get(5)?,
        round: row.try_get(6)?,
        failures: row.try_get(7)?,
        errors: failures(row.try_get(8)?),
        reason: row.try_get(9)?,
        lease: row.try_get(10)?,
        changed_at: row.try_get(11)?,
        late: row.try_get(12)?,
        opinions: row.try_get(13)?,
    })
}

pub(super) fn opinion(row: &PgRow) -> Result<Opinion, StoreError> {
    let state: &str = row.try_get(7)?;
    let state = OpinionState::from_word(state)
        .ok_or_else(|| StoreError::Failed(format!("there is no state {state}")))?;
    Ok(Opinion {
        lease: row.try_get(0)?,
        number: row.try_get(1)?,
        stage: stage_of(row.try_get(2)?)?,
        volunteer: row.try_get(3)?,
        nickname: row.try_get(4)?,
        version: row.try_get(5)?,
        answer: row.try_get(6)?,
        state,
        browser: row.try_get(8)?,
    })
}

pub(super) fn waiting(row: &PgRow) -> Result<Waiting, StoreError> {
    Ok(Waiting {
        number: row.try_get(0)?,
        volunteer: row.try_get(1)?,
        at: row.try_get(2)?,
    })
}

pub(super) fn standing(row: &PgRow) -> Result<Standing, StoreError> {
    Ok(Standing {
        stage: stage_of(row.try_get(0)?)?,
        volunteer: row.try_get(1)?,
        confirmed: row.try_get(2)?,
        waiting: row.try_get(3)?,
        unchecked: row.try_get(4)?,
        on_hold: row.try_get::<i64, _>(5)? != 0,
    })
}

/// The failures stored in a job's column. Unreadable entries are ignored.
pub(super) fn failures(text: Option<&str>) -> Vec<Failure> {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}
