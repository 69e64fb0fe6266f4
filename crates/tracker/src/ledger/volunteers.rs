//! Volunteers' activity and failures at each stage, and the consequences: a registration gets fewer
//! jobs, a stage is paused.

use std::collections::BTreeSet;

use distcompute_protocol::{MAX_REASON, Stage, cut};

use super::{
    rows::{FailureNote, NOTED, Pause, Volunteer},
    unit_of_work::UnitOfWork,
};
use crate::{
    clock::Millis,
    rules::{
        allowance::{Allowance, MOST_HELD},
        attempts::{self, Failing, WORKING},
        trouble,
    },
};

/// How often an unchanged volunteer's row is updated.
const NOTE_EVERY: Millis = 60_000;

impl UnitOfWork {
    /// Updates how badly a registration's jobs fail, which determines how many jobs it is given.
    pub(super) fn weigh(&mut self, worker: i64, good: usize, bad: usize) {
        if !self.rules.slow_failing {
            return;
        }
        if good + bad == 0 {
            return;
        }
        let Some(before) = self.workers.get(&worker).map(|worker| worker.trouble) else {
            return;
        };
        let after = trouble::after(before, good, bad);
        let rest_until = self.now + trouble::rest(after);
        if after == before && after == 0 {
            return;
        }
        self.with_worker(worker, |worker| {
            worker.trouble = after;
            // A result ends a rest too.
            worker.rest_until = if bad > good { rest_until } else { 0 };
        });
    }

    /// How many more jobs a registration may be given now.
    pub(super) fn room(&self, worker: i64) -> usize {
        let Some(row) = self.workers.get(&worker) else {
            return 0;
        };
        if self.rests(worker) > 0 {
            return 0;
        }
        let held = self.held.get(&worker).map_or(0, BTreeSet::len);
        let may_hold = trouble::may_hold(row.trouble).min(row.allowance.may_hold());
        may_hold.saturating_sub(held).min(self.group_room(worker))
    }

    /// Whether a registration may hold one more job, transferred from another one: within its own
    /// allowance, or with a part of what the other has earned.
    pub(super) fn has_room_from(&mut self, other: i64, worker: i64) -> bool {
        let allowance = |unit: &Self, id| unit.workers.get(&id).map(|row| row.allowance);
        let has_room = |unit: &Self| {
            let held = unit.held.get(&worker).map_or(0, BTreeSet::len);
            let may_hold = allowance(unit, worker).map_or(0, Allowance::may_hold);
            held < may_hold && unit.group_room(worker) > 0
        };
        if !has_room(self) && allowance(self, other).is_some_and(|it| it.earned > 0) {
            for (id, change) in [(other, -1), (worker, 1)] {
                self.with_worker(id, |row| row.allowance.earned += change);
                self.group_by(id, 0, change);
            }
        }
        has_room(self)
    }

    /// Records how many cores a registration reports.
    pub(super) fn note_cores(&mut self, worker: i64, cores: u32) {
        let cores = i64::from(cores);
        let known = self.workers.get(&worker).map(|row| row.allowance.cores);
        if known.is_some_and(|known| known != cores) {
            self.with_worker(worker, |row| row.allowance.cores = cores);
        }
    }

    /// Records new results of a registration, which may hold what it completes within a lease at
    /// that speed.
    pub(super) fn note_speed(&mut self, worker: i64, results: usize) {
        let Some(before) = self.workers.get(&worker).map(|row| row.allowance) else {
            return;
        };
        let lease = Millis::from(self.rules.lease_s) * 1_000;
        let after = before.after(results, self.now, lease);
        if after != before {
            self.with_worker(worker, |row| row.allowance = after);
            self.group_by(worker, 0, after.earned - before.earned);
        }
    }

    /// Whether a registration is given no more because of what it, or its address group, holds
    /// already, and not because its jobs fail.
    pub(super) fn is_at_limit(&self, worker: i64) -> bool {
        let Some(row) = self.workers.get(&worker) else {
            return false;
        };
        let held = self.held.get(&worker).map_or(0, BTreeSet::len);
        // The general maximum is a limit like any other; it does not mean that jobs fail.
        let trouble = trouble::may_hold(row.trouble);
        let is_troubled = trouble < MOST_HELD && held >= trouble;
        held > 0 && self.room(worker) == 0 && !is_troubled
    }

    /// Records that no worker of a client becomes ready. It counts against the registration like a
    /// failed job, so that nobody can flood the log with it, and against no job.
    pub(super) fn note_setup_failed(&mut self, worker: i64, error: &str) {
        let Some(row) = self.workers.get(&worker) else {
            return;
        };
        if self.rests(worker) > 0 || self.changes.failures.len() >= NOTED {
            return;
        }
        self.changes.failures.push(FailureNote {
            at: self.now,
            number: 0,
            stage: row.stage,
            nickname: row.nickname.clone(),
            worker: row.display_name.clone(),
            end: None,
            error: cut(error, MAX_REASON),
        });
        self.weigh(worker, 0, 1);
    }

    /// How long a registration will be given nothing because its jobs fail.
    pub(super) fn rests(&self, worker: i64) -> Millis {
        self.workers.get(&worker).map_or(0, |row| {
            let left = (row.rest_until - self.now).max(0);
            // More than a whole rest can remain only if the clock was set back. The rest is over
            // then; otherwise it would last until the clock has caught up.
            if left > trouble::rest(row.trouble) {
                0
            } else {
                left
            }
        })
    }

    /// Whether a registration was never given a job.
    pub(super) fn never_had_a_job(&self, worker: i64) -> bool {
        let row = self.workers.get(&worker);
        row.is_some_and(|row| row.last_lease.is_none())
    }

    /// Records that a worker's volunteer has asked for jobs or holds some: at intervals, but its
    /// `first` job at once.
    pub(super) fn note_presence(&mut self, worker: i64, asked: bool, first: bool) {
        let Some(row) = self.workers.get(&worker) else {
            return;
        };
        let holds = self.holds_any(worker);
        if !(asked || holds) {
            return;
        }
        let stale = (self.now - row.noted_at).abs() >= NOTE_EVERY;
        if !(stale || first && holds) {
            return;
        }
        let (stage, name, now) = (row.stage, Self::volunteer(row), self.now);
        self.with_worker(worker, |worker| worker.noted_at = now);
        let key = (stage, name.clone());
        let change = self.changes.volunteers.entry(key).or_default();
        if asked {
            change.asked_at = Some(now);
        }
        if holds {
            change.worked_at = Some(now);
        }
        let known = self.known(stage, &name);
        if asked {
            known.asked_at = now;
        }
        if holds {
            known.worked_at = now;
        }
    }

    fn known(&mut self, stage: Stage, name: &str) -> &mut Volunteer {
        self.volunteers
            .entry((stage, name.to_owned()))
            .or_insert_with(|| Volunteer {
                stage,
                name: name.to_owned(),
                worked_at: 0,
                asked_at: 0,
                failing: None,
            })
    }

    /// Records that a worker says goodbye, so that no job is left to its volunteer any more.
    pub(super) fn note_goodbye(&mut self, worker: i64) {
        let Some(row) = self.workers.get(&worker) else {
            return;
        };
        if row.noted_at == 0 {
            return;
        }
        let key = (row.stage, Self::volunteer(row));
        self.known(key.0, &key.1).asked_at = 0;
        let change = self.changes.volunteers.entry(key).or_default();
        change.asked_at = Some(0);
    }

    /// The volunteers that are working at a stage.
    pub(super) fn working(&self, stage: Stage) -> BTreeSet<String> {
        let here = self.volunteers.values().filter(|one| one.stage == stage);
        let working = here.filter(|one| self.now - one.worked_at < WORKING);
        working.map(|one| one.name.clone()).collect()
    }

    /// Records a failure of a volunteer at a stage.
    pub(super) fn note_failing(&mut self, stage: Stage, name: &str, job: i64, error: &str) {
        let now = self.now;
        let known = self.known(stage, name);
        known.worked_at = now;
        let (at, failing) = known
            .failing
            .get_or_insert_with(|| (now, Failing::default()));
        *at = now;
        failing.add(job, error);
        let failing = failing.clone();
        let key = (stage, name.to_owned());
        let change = self.changes.volunteers.entry(key).or_default();
        change.worked_at = Some(now);
        change.failing = Some(failing);
        self.may_fail[stage.index()] = true;
        self.count(stage).failing += 1;
    }

    /// Whether a paused stage is probed with a job for this worker, who holds none: its volunteer
    /// has not failed there recently, and may have what the others lack. A result resumes the
    /// stage.
    pub(super) fn may_try(&self, worker: i64, stage: Stage, volunteer: &str) -> bool {
        let known = self.volunteers.get(&(stage, volunteer.to_owned()));
        let failed = known
            .and_then(|known| known.failing.as_ref())
            .is_some_and(|(at, _)| self.now - at < WORKING);
        !failed && !self.holds_any(worker)
    }

    /// Records that a stage has produced a result: not everything fails there, and it resumes if it
    /// was paused.
    pub(super) fn recover(&mut self, stage: Stage) {
        if !std::mem::take(&mut self.may_fail[stage.index()]) {
            return;
        }
        self.changes.recovered.insert(stage);
        self.count(stage).failing = 0;
        for one in self.volunteers.values_mut() {
            if one.stage == stage {
                one.failing = None;
            }
        }
        for ((at, _), change) in &mut self.changes.volunteers {
            if *at == stage {
                change.failing = None;
            }
        }
        if let Some(Pause::Failures(_)) = self.paused[stage.index()] {
            self.end_pause(stage);
        }
    }

    /// Pauses a stage if every volunteer fails there.
    pub(super) fn consider_pause(&mut self, stage: Stage) {
        if self.paused[stage.index()].is_some() {
            return;
        }
        let here = self.volunteers.values().filter(|one| one.stage == stage);
        let failing = here.filter_map(|one| one.failing.as_ref());
        let recent = failing.filter(|(at, _)| self.now - at < WORKING);
        let failing = recent.map(|(_, failing)| failing);
        let working = self.working(stage).len();
        let why = attempts::pause(failing, working, self.rules.pause_after);
        if let Some(why) = why {
            self.begin_pause(stage, Pause::Failures(why));
        }
    }

    /// Pauses a stage, whether it is paused already or not.
    pub(super) fn begin_pause(&mut self, stage: Stage, pause: Pause) {
        self.paused[stage.index()] = Some(pause.clone());
        self.changes.pauses.insert(stage, Some(pause));
    }

    fn end_pause(&mut self, stage: Stage) {
        self.paused[stage.index()] = None;
        self.changes.pauses.insert(stage, None);
    }

    /// Resumes a paused stage and clears all volunteers' failures there. Returns `false` if it was
    /// not paused.
    pub(super) fn resume_stage(&mut self, stage: Stage) -> bool {
        let was = self.paused[stage.index()].is_some();
        if was {
            self.end_pause(stage);
        }
        self.may_fail[stage.index()] = true;
        self.recover(stage);
        was
    }
}
