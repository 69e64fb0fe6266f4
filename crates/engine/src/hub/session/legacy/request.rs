//! Which call is due for each registration, and when there should be more registrations.

use crate::list::IntoList;
use distcompute_protocol::{MAX_PROGRESS, cut};

use crate::hub::action::Wire;
use crate::hub::cx::{Cx, Timer};
use crate::hub::jobs::{JobKey, JobState, JobTable, Outcome, Ticket};
use crate::hub::session::Demand;
use crate::hub::session::common::{Common, register};
use crate::hub::session::legacy::{Calls, Flight, What, Worker, remember};
use crate::time::clock::Now;

/// Registrations for a core at least: one whose job runs, and one that fetches the next.
const LEAST_WORKERS: f64 = 2.0;

/// Registrations for a core at most, because a browser opens six connections to one host.
const MOST_WORKERS: f64 = 4.0;

/// How long a message between the hub and a core takes.
const REPORT_MS: f64 = 15.0;

/// Registrations in all.
const WORKERS_IN_ALL: usize = 64;

/// How often something is sent for a registration that is idle or whose job is long. The tracker forgets
/// a worker after two hours of silence.
const ALIVE_MS: f64 = 600_000.0;

/// How often a job may fail here.
const FAILURES: usize = 3;

impl Calls {
    pub(crate) fn pump(
        &mut self,
        common: &mut Common,
        cx: &mut Cx,
        demand: &Demand,
        table: &mut JobTable,
    ) {
        if self.left {
            return;
        }
        self.probe = common.shall_probe() || self.refusals.are_unproven();
        self.know_tokens(common, table);
        self.refusals.retain(&|key| table.get(key).is_some());
        self.refusals.watch(cx);
        let asking = |flight: &&Flight| matches!(flight.what, What::NewJob | What::Register);
        let mut want = demand
            .want
            .saturating_sub(self.flights.iter().filter(asking).count());
        // After an answer without a job, only one request is sent at a time.
        let once = common.dry.is_some();
        if !common.may_ask(cx.now) || (once && self.flights.iter().any(|f| asking(&f))) {
            want = 0;
        }
        let workers = self.workers.iter();
        let workers: Vec<(String, bool, bool)> = workers
            .map(|worker| {
                let may_be_used = worker.inherited && demand.silent;
                (worker.token.clone(), may_be_used, worker.retired)
            })
            .into_list();
        let mut reserved = 0;
        for (token, may_be_used, retired) in workers {
            if self.is_flying(&token) {
                continue;
            }
            let key = table.by_ticket(&token);
            if retired && key.is_none() && !may_be_used {
                let wire = Wire::Bye {
                    token: token.clone(),
                };
                self.fly(common, cx, &token, What::Bye(None), wire);
                continue;
            }
            let settles = key.is_some_and(|key| self.settle(common, cx, &token, key, table));
            if settles || self.speak(common, cx, &token, key, demand) {
                continue;
            }
            if key.is_none() && may_be_used {
                // Asking for another job would give back the one that a silent core may be running.
                reserved += 1;
            } else if key.is_none() && want > 0 {
                want = if once { 0 } else { want - 1 };
                let wire = Wire::NewJob {
                    token: token.clone(),
                };
                self.fly(common, cx, &token, What::NewJob, wire);
            }
        }
        let wanted = Self::workers_for(common, demand.cores);
        let asking = self.workers.iter().filter(|worker| !worker.retired);
        if want > 0 && !self.is_registering() && asking.count() < wanted + reserved {
            let wire = register(common);
            self.fly(common, cx, "", What::Register, wire);
        }
    }

    /// How many registrations are needed for so many cores. While one job runs, others are handed in and
    /// fetched, each of which takes the time of an answer.
    fn workers_for(common: &Common, cores: usize) -> usize {
        let answers = 2.0 * (common.answer_ms.get().unwrap_or(0.0) + REPORT_MS);
        let each = match common.job_ms.get() {
            Some(job_ms) => (1.0 + answers / job_ms.max(1.0)).ceil(),
            None => LEAST_WORKERS,
        };
        let each = each.clamp(LEAST_WORKERS, MOST_WORKERS) as usize;
        (cores * each).min(WORKERS_IN_ALL)
    }

    /// Adds the registrations of former hubs, by their jobs from storage and from cores.
    fn know_tokens(&mut self, common: &Common, table: &JobTable) {
        for job in table.iter().filter(|job| job.session == common.index) {
            if let Ticket::Token(token) = &job.ticket
                && self.workers.iter().all(|worker| worker.token != *token)
            {
                // The tracker may have forgotten the registration, so the first call asks for that.
                let (token, last_sent) = (token.clone(), Now::default());
                self.workers.push(Worker {
                    token,
                    last_sent,
                    unconfirmed: true,
                    inherited: true,
                    retired: false,
                });
            }
        }
    }

    /// Hands in the outcome of a job.
    fn settle(
        &mut self,
        common: &mut Common,
        cx: &mut Cx,
        token: &str,
        key: JobKey,
        table: &mut JobTable,
    ) -> bool {
        let Some(job) = table.get_mut(key) else {
            return false;
        };
        if self.refusals.has(key) && self.refusals.due(cx.now, |due| due == key).is_none() {
            return false;
        }
        let number = job.number;
        let JobState::Ended { outcome, sent, .. } = &mut job.state else {
            return false;
        };
        *sent = true;
        let token = token.to_owned();
        let (what, wire) = match outcome {
            Outcome::Done(data) => {
                let data = *data;
                let token = token.clone();
                (
                    What::Settle(key),
                    Wire::Complete {
                        token,
                        number,
                        data,
                    },
                )
            }
            Outcome::Invalid(_) => {
                let token = token.clone();
                (What::Settle(key), Wire::Flag { token, number })
            }
            // The first protocol has no call for a failure, and a goodbye gives the job back. A job that
            // always fails would be handed out again and again. After some failures nothing is sent, so
            // that the tracker times the worker out, and counts that as a failure.
            Outcome::Failed(_) if failures(&self.failing, number) + 1 >= FAILURES => {
                self.remove_worker(&token);
                table.remove(key);
                return true;
            }
            Outcome::Failed(_) | Outcome::Released => {
                let token = token.clone();
                (What::Bye(Some(key)), Wire::Bye { token })
            }
        };
        if matches!(outcome, Outcome::Failed(_) | Outcome::Invalid(_))
            && !self.refused.contains(&number)
        {
            // An old tracker may hand the job out to the browser that has just given it back.
            remember(&mut self.refused, number);
        }
        self.fly(common, cx, &token, what, wire);
        true
    }

    /// Sends progress, or keeps a registration alive for which nothing was sent for long.
    fn speak(
        &mut self,
        common: &mut Common,
        cx: &mut Cx,
        token: &str,
        key: Option<JobKey>,
        demand: &Demand,
    ) -> bool {
        let line = demand.progress.iter().find(|(of, _)| Some(*of) == key);
        let Some(worker) = self.workers.iter_mut().find(|worker| worker.token == token) else {
            return false;
        };
        // If another call succeeds, the refused outcome is the problem and not the connection.
        let unproven =
            key.is_some_and(|key| self.refusals.has(key)) && self.refusals.are_unproven();
        worker.unconfirmed |= unproven;
        let alive = ALIVE_MS - cx.now.since(worker.last_sent);
        let silent = cx.expired(Timer::Keepalive, alive) || unproven;
        if line.is_none() && !silent {
            return false;
        }
        worker.last_sent = cx.now;
        let token = token.to_owned();
        let (what, wire) = if silent && worker.unconfirmed && key.is_some() {
            // An old tracker accepts progress even for a registration that it has forgotten.
            worker.unconfirmed = false;
            let of = token.clone();
            (What::Validate, Wire::Validate { token: of })
        } else {
            worker.unconfirmed = true;
            let said = match (line, key) {
                (Some((_, text)), _) => text.as_str(),
                (None, Some(_)) => "Working",
                (None, None) => "Waiting for a job",
            };
            let text = cut(said, MAX_PROGRESS);
            let of = token.clone();
            (What::Progress, Wire::Progress { token: of, text })
        };
        self.fly(common, cx, &token, what, wire);
        true
    }

    pub(crate) fn farewell(&self, table: &JobTable) -> Vec<Wire> {
        let workers = self.workers.iter().filter(|worker| {
            let job = table
                .by_ticket(&worker.token)
                .and_then(|key| table.get(key));
            job.is_none_or(|job| !job.resumable && job.outcome().is_none())
        });
        let bye = |worker: &Worker| Wire::Bye {
            token: worker.token.clone(),
        };
        workers.map(bye).into_list()
    }

    pub(crate) fn leave(&mut self, common: &mut Common, cx: &mut Cx, table: &JobTable) -> bool {
        self.left = true;
        let tokens: Vec<String> = self
            .workers
            .iter()
            .map(|worker| worker.token.clone())
            .into_list();
        for token in tokens {
            // The registration of a result that was not delivered is needed at the next visit.
            if !self.is_flying(&token) && table.by_ticket(&token).is_none() {
                let wire = Wire::Bye {
                    token: token.clone(),
                };
                self.fly(common, cx, &token, What::Bye(None), wire);
            }
        }
        self.is_busy()
    }
}

fn failures(failing: &[u64], number: u64) -> usize {
    failing.iter().filter(|of| **of == number).count()
}
