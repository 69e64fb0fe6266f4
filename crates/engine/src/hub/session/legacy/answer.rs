//! What follows from the answer to a call.

use crate::list::retain;
use distcompute_protocol::ErrorCode;

use crate::client::call::Call;
use crate::fault::{Code, Fault};
use crate::hub::action::{Parsed, TrackerResponse};
use crate::hub::cx::Cx;
use crate::hub::jobs::{Job, JobKey, JobState, JobTable, Outcome, Ticket};
use crate::hub::session::common::{Common, too_large};
use crate::hub::session::legacy::{Calls, Flight, What, remember};
use crate::hub::session::refusals::Blame;
use crate::hub::session::reply::{Reply, is_unknown, read_reply};
use crate::time::backoff::Backoff;
use crate::time::clock::{Due, Now};

/// The wait where no job is open.
const DRY: Backoff = Backoff::doubling(3_000.0, 60_000.0)
    .by(1.5)
    .with_jitter(0.4);

impl Calls {
    pub(crate) fn answered(
        &mut self,
        common: &mut Common,
        cx: &Cx,
        id: u32,
        response: TrackerResponse,
        table: &mut JobTable,
    ) -> Option<TrackerResponse> {
        let Some(at) = self.flights.iter().position(|flight| flight.id == id) else {
            return Some(response);
        };
        let Flight {
            sent, token, what, ..
        } = self.flights.remove(at);
        let call = match what {
            What::Register => {
                if let Some(hello) = common.registered(cx, sent, response) {
                    self.add(hello.token, cx.now);
                }
                return None;
            }
            What::NewJob => Call::NewJob,
            What::Settle(key) => match table.get(key).and_then(Job::outcome) {
                Some(Outcome::Invalid(_)) => Call::FlagInvalidData,
                _ => Call::CompleteJob,
            },
            What::Progress => Call::UpdateProgress,
            What::Validate => Call::ValidateWorker,
            What::Bye(_) => Call::Bye,
        };
        if what == What::NewJob
            && let Some(at) = self.workers.iter().position(|worker| worker.token == token)
        {
            // The registrations take turns. If an answer was lost, its registration may hold a job that is
            // not known here; asking again gives that job back.
            let worker = self.workers.remove(at);
            self.workers.push(worker);
        }
        let reply = read_reply(call, response);
        if !matches!(reply, Reply::Later { .. }) {
            self.refusals.answered();
        }
        match (reply, what) {
            (
                Reply::Later {
                    fault,
                    retry_after_ms,
                    blame,
                },
                _,
            ) => {
                if let What::Settle(key) | What::Bye(Some(key)) = what
                    && let Some(job) = table.get_mut(key)
                    && let JobState::Ended { sent, .. } = &mut job.state
                {
                    *sent = false;
                }
                if let What::Settle(key) = what
                    && blame != Blame::None
                    && self.refusals.add(cx.now, key, blame)
                {
                    let why = format!("It was refused again and again: {}", fault.message);
                    common.give_up(table, key, &why);
                }
                self.failed(common, cx, sent, retry_after_ms, fault);
            }
            (reply, What::Bye(key)) => {
                if !matches!(reply, Reply::Refused(_)) {
                    common.answered(cx.now, sent, 0.0);
                }
                self.remove_worker(&token);
                let job = key.and_then(|key| table.remove(key));
                if let Some(job) = job
                    && matches!(job.outcome(), Some(Outcome::Failed(_)))
                {
                    remember(&mut self.failing, job.number);
                }
            }
            (Reply::Refused(fault), _) if is_unknown(&fault) => {
                self.forget(common, &token, table);
            }
            (reply, What::NewJob) => {
                self.new_job(common, cx, sent, &token, reply, table);
            }
            (reply, What::Settle(key)) => {
                Self::settled(common, cx.now, sent, key, reply, table);
                self.note_sent(&token, cx.now);
            }
            (Reply::Done(Parsed::Alive(false)), _) => self.forget(common, &token, table),
            _ => common.answered(cx.now, sent, 0.0),
        }
        None
    }

    pub(super) fn remove_worker(&mut self, token: &str) {
        retain(&mut self.workers, |worker| worker.token != token);
    }

    fn note_sent(&mut self, token: &str, now: Now) {
        if let Some(worker) = self.workers.iter_mut().find(|worker| worker.token == token) {
            worker.last_sent = now;
        }
    }

    fn failed(
        &mut self,
        common: &mut Common,
        cx: &Cx,
        sent: Now,
        retry_after_ms: Option<u32>,
        fault: Fault,
    ) {
        // Requests that were under way at the same time count as one failure.
        if self.failed.is_some_and(|failed| sent.since(failed) <= 0.0) {
            return;
        }
        self.failed = Some(cx.now);
        common.failed(cx, retry_after_ms, fault);
    }

    /// The tracker does not know this registration any more, so the job is not held either.
    fn forget(&mut self, common: &mut Common, token: &str, table: &mut JobTable) {
        self.remove_worker(token);
        let job = table.by_ticket(token).and_then(|key| table.remove(key));
        if let Some(job) = job.filter(|job| matches!(job.outcome(), Some(Outcome::Done(_)))) {
            common.rejected += 1;
            common.undelivered += u32::from(job.restored);
        }
    }

    fn new_job(
        &mut self,
        common: &mut Common,
        cx: &Cx,
        sent: Now,
        token: &str,
        reply: Reply,
        table: &mut JobTable,
    ) {
        match reply {
            Reply::Done(Parsed::Job { number, data }) => {
                common.answered(cx.now, sent, 0.0);
                self.note_sent(token, cx.now);
                let ticket = Ticket::Token(token.to_owned());
                let key = table.add(common.index, number, 1, ticket, data);
                if let Some(at) = self.refused.iter().position(|of| *of == number) {
                    // Given back once. If it is handed out here again, nobody else takes it.
                    self.refused.remove(at);
                    table.end(key, Outcome::Released, cx.now);
                    common.dry = Some(Due::after(cx.now, DRY.first_ms));
                } else {
                    common.dry = None;
                    self.dry_s = 0;
                }
            }
            Reply::Refused(fault) if fault.code == Code::Tracker(ErrorCode::NoJobs) => {
                common.answered(cx.now, sent, 0.0);
                self.wait(common, cx);
            }
            Reply::Refused(fault) => common.failed(cx, None, fault),
            _ => {
                let fault = Fault::bad_answer("The tracker's answer to newJob holds no job.");
                common.failed(cx, None, fault);
            }
        }
    }

    fn wait(&mut self, common: &mut Common, cx: &Cx) {
        common.dry = Some(Due::after(cx.now, DRY.wait_ms(self.dry_s, cx.random)));
        self.dry_s = self.dry_s.saturating_add(1);
    }

    fn settled(
        common: &mut Common,
        now: Now,
        sent: Now,
        key: JobKey,
        reply: Reply,
        table: &mut JobTable,
    ) {
        common.answered(now, sent, 0.0);
        match reply {
            Reply::Refused(fault) => {
                let output = match table.get(key).and_then(Job::outcome) {
                    Some(Outcome::Done(text)) => Some(*text),
                    _ => None,
                };
                // A result that the tracker will never take becomes a failure.
                let why = match fault.code {
                    Code::Tracker(ErrorCode::TooLarge) => Some(too_large(output, common)),
                    Code::Tracker(ErrorCode::InvalidRequest) => Some(fault.message),
                    _ => None,
                };
                if why.is_some_and(|why| common.give_up(table, key, &why)) {
                    return;
                }
                common.rejected += 1;
                common.undelivered += u32::from(table.get(key).is_some_and(|job| job.restored));
            }
            _ => {
                let outcome = table.get(key).and_then(Job::outcome);
                common.accepted += u32::from(matches!(outcome, Some(Outcome::Done(_))));
            }
        }
        table.remove(key);
    }
}
