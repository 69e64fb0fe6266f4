//! The counters' changes in one transaction, summed up and written once at its end. This is what
//! lets a hundred operations share one update of the same few rows.

use std::collections::BTreeMap;

use distcompute_protocol::Stage;
use sqlx::SqliteConnection;

use super::column;
use crate::{clock::Millis, store::StoreError};

const MINUTE: Millis = 60_000;

/// Changes of one stage's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StageChange {
    pub(super) open: i64,
    pub(super) held: i64,
    pub(super) done: i64,
    pub(super) aside: i64,
    pub(super) workers: i64,
}

/// What has changed since the transaction began.
#[derive(Debug, Default)]
pub(super) struct Tally {
    stages: [StageChange; 5],
    pub(super) jobs: i64,
    pub(super) closed: i64,
    last_cursor: Option<i64>,
    leaderboard: BTreeMap<String, i64>,
    throughput: BTreeMap<(i64, i64), i64>,
}

impl Tally {
    /// The changes of a stage.
    pub(super) fn stage(&mut self, stage: Stage) -> &mut StageChange {
        &mut self.stages[stage.index()]
    }

    /// Credits an output of `stage` to a nickname.
    pub(super) fn credit(&mut self, nickname: &str, stage: Stage, at: Millis) {
        *self.leaderboard.entry(nickname.to_owned()).or_default() += 1;
        *self
            .throughput
            .entry((at.div_euclid(MINUTE), column(stage)))
            .or_default() += 1;
    }

    /// The next place in the order of completion.
    pub(super) async fn next_cursor(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<i64, StoreError> {
        let last = match self.last_cursor {
            Some(last) => last,
            None => {
                sqlx::query_scalar("select last_cursor from totals where id = 1")
                    .fetch_one(connection)
                    .await?
            }
        };
        self.last_cursor = Some(last + 1);
        Ok(last + 1)
    }

    /// Writes the sums.
    pub(super) async fn settle(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        for (stage, change) in Stage::ALL.into_iter().zip(self.stages) {
            if change == StageChange::default() {
                continue;
            }
            sqlx::query(
                "update stage_counters set open = open + ?, held = held + ?, done = done + ?, \
                 aside = aside + ?, workers = workers + ? where stage = ?",
            )
            .bind(change.open)
            .bind(change.held)
            .bind(change.done)
            .bind(change.aside)
            .bind(change.workers)
            .bind(column(stage))
            .execute(&mut *connection)
            .await?;
        }
        if self.jobs != 0 || self.closed != 0 || self.last_cursor.is_some() {
            sqlx::query(
                "update totals set jobs = jobs + ?, closed = closed + ?, \
                 last_cursor = coalesce(?, last_cursor) where id = 1",
            )
            .bind(self.jobs)
            .bind(self.closed)
            .bind(self.last_cursor)
            .execute(&mut *connection)
            .await?;
        }
        for (nickname, completed) in self.leaderboard {
            sqlx::query(
                "insert into leaderboard (nickname, completed) values (?, ?) \
                 on conflict (nickname) do update set completed = completed + excluded.completed",
            )
            .bind(nickname)
            .bind(completed)
            .execute(&mut *connection)
            .await?;
        }
        for ((minute, stage), done) in self.throughput {
            sqlx::query(
                "insert into throughput (minute, stage, done) values (?, ?, ?) \
                 on conflict (minute, stage) do update set done = done + excluded.done",
            )
            .bind(minute)
            .bind(stage)
            .bind(done)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}
