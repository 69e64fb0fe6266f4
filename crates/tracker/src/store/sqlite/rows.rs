//! Converts table rows to the ledger's types.

use rusqlite::Row;

use crate::{
    ledger::{
        End, Failure, Job, Lease, Opinion, OpinionState, Standing, State, Volunteer, Waiting,
        Worker,
    },
    rules::{allowance::Allowance, attempts::Failing},
    store::{StoreError, stage_of, unsigned},
};

pub(super) fn volunteer(row: &Row<'_>) -> Result<Volunteer, StoreError> {
    let failed_at: Option<i64> = row.get(4)?;
    let jobs: Option<String> = row.get(5)?;
    let failing = Failing {
        jobs: jobs
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
        tries: unsigned(row.get(6)?),
        error: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
    };
    Ok(Volunteer {
        stage: stage_of(row.get(0)?)?,
        name: row.get(1)?,
        worked_at: row.get(2)?,
        asked_at: row.get(3)?,
        failing: failed_at.map(|at| (at, failing)),
    })
}

pub(super) fn worker(row: &Row<'_>) -> Result<Worker, StoreError> {
    Ok(Worker {
        id: row.get(0)?,
        token: row.get(1)?,
        display_name: row.get(2)?,
        nickname: row.get(3)?,
        stage: stage_of(row.get(4)?)?,
        progress: row.get(5)?,
        completed: row.get(6)?,
        first_seen: row.get(7)?,
        last_seen: row.get(8)?,
        seq: row.get(9)?,
        synced_at: row.get(10)?,
        last_lease: row.get(11)?,
        address: row.get(12)?,
        trouble: row.get(13)?,
        rest_until: row.get(14)?,
        noted_at: row.get(15)?,
        allowance: Allowance {
            cores: row.get(16)?,
            earned: row.get(17)?,
            since: row.get(18)?,
            results: row.get(19)?,
        },
        works: row.get::<_, i64>(20)? != 0,
        key: row.get(21)?,
        browser: row.get(22)?,
    })
}

pub(super) fn lease(row: &Row<'_>) -> Result<Lease, StoreError> {
    let ended_at: Option<i64> = row.get(11)?;
    let outcome = row
        .get_ref(12)?
        .as_str_or_null()
        .map_err(rusqlite::Error::from)?;
    Ok(Lease {
        id: row.get(0)?,
        secret: row.get(1)?,
        number: row.get(2)?,
        stage: stage_of(row.get(3)?)?,
        round: row.get(4)?,
        attempt: row.get(5)?,
        worker: row.get(6)?,
        nickname: row.get(7)?,
        volunteer: row.get(8)?,
        granted_at: row.get(9)?,
        seq: row.get(10)?,
        ended: ended_at.zip(outcome.and_then(End::from_word)),
        late: row.get(13)?,
        address: row.get(14)?,
    })
}

pub(super) fn job(row: &Row<'_>) -> Result<Job, StoreError> {
    let state = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
    let state = State::from_word(state)
        .ok_or_else(|| StoreError::Failed(format!("there is no state {state}")))?;
    Ok(Job {
        number: row.get(0)?,
        stage: stage_of(row.get(1)?)?,
        state,
        attempt: row.get(3)?,
        flagged: row.get(4)?,
        sent_back: row.get(5)?,
        round: row.get(6)?,
        failures: row.get(7)?,
        errors: failures(row, 8)?,
        reason: row.get(9)?,
        lease: row.get(10)?,
        changed_at: row.get(11)?,
        late: row.get(12)?,
        opinions: row.get(13)?,
    })
}

pub(super) fn opinion(row: &Row<'_>) -> Result<Opinion, StoreError> {
    let state = row.get_ref(7)?.as_str().map_err(rusqlite::Error::from)?;
    let state = OpinionState::from_word(state)
        .ok_or_else(|| StoreError::Failed(format!("there is no state {state}")))?;
    Ok(Opinion {
        lease: row.get(0)?,
        number: row.get(1)?,
        stage: stage_of(row.get(2)?)?,
        volunteer: row.get(3)?,
        nickname: row.get(4)?,
        version: row.get(5)?,
        answer: row.get(6)?,
        state,
        browser: row.get(8)?,
    })
}

pub(super) fn waiting(row: &Row<'_>) -> Result<Waiting, StoreError> {
    Ok(Waiting {
        number: row.get(0)?,
        volunteer: row.get(1)?,
        at: row.get(2)?,
    })
}

pub(super) fn standing(row: &Row<'_>) -> Result<Standing, StoreError> {
    Ok(Standing {
        stage: stage_of(row.get(0)?)?,
        volunteer: row.get(1)?,
        confirmed: row.get(2)?,
        waiting: row.get(3)?,
        unchecked: row.get(4)?,
        on_hold: row.get::<_, i64>(5)? != 0,
    })
}

/// The failures stored in a job's column. Unreadable entries are ignored.
pub(super) fn failures(row: &Row<'_>, at: usize) -> Result<Vec<Failure>, StoreError> {
    let text = row.get_ref(at)?.as_str_or_null().unwrap_or_default();
    Ok(text
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default())
}
