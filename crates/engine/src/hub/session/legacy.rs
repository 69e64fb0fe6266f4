//! The first protocol: a registration holds at most one job, and each call concerns one registration. A
//! core therefore needs several, so that jobs are fetched and handed in while it works.

use distcompute_protocol::{ErrorCode, MAX_PROGRESS, cut};

use crate::client::call::Call;
use crate::fault::{Code, Fault};
use crate::hub::action::{Got, Moved, Parsed, Wire};
use crate::hub::cx::{Cx, Timer};
use crate::hub::jobs::{Job, JobState, JobTable, Key, Outcome, Ticket};
use crate::hub::session::refusals::{Blame, Refusals};
use crate::hub::session::{Ask, Common, PATIENCE_MS, Word, is_unknown, register, too_large, word};
use crate::time::backoff::Backoff;
use crate::time::clock::{Due, Now};

/// Registrations for a core at least: one whose job runs, and one to fetch the next with.
const SEATS_LEAST: f64 = 2.0;

/// Registrations for a core at most, because a browser opens six connections to one host.
const SEATS_MOST: f64 = 4.0;

/// How long a message between the hub and a core takes.
const REPORT_MS: f64 = 15.0;

/// Registrations in all.
const SEATS_IN_ALL: usize = 64;

/// The wait where no job is open.
const DRY: Backoff = Backoff::doubling(3_000.0, 60_000.0)
    .by(1.5)
    .with_jitter(0.4);

/// How often something is sent for a registration that is idle or whose job is long. The tracker forgets
/// a worker after two hours of silence.
const ALIVE_MS: f64 = 600_000.0;

/// A result of this many bytes may be refused for its size.
const LARGE: u32 = 200_000;

/// How many numbers of jobs are remembered as not for this browser.
const REFUSED: usize = 256;

/// How often a job may fail here.
const FAILURES: usize = 3;

/// Adds the number of a job, in place of the oldest one if there are too many.
fn remember(numbers: &mut Vec<u64>, number: u64) {
    if numbers.len() >= REFUSED {
        numbers.remove(0);
    }
    numbers.push(number);
}

fn failures(failing: &[u64], number: u64) -> usize {
    failing.iter().filter(|of| **of == number).count()
}

#[derive(Debug, Clone, PartialEq)]
struct Seat {
    token: String,
    /// When something was last sent for it.
    heard: Now,
    /// Whether that was progress. Then it is asked next whether the tracker knows it.
    told: bool,
    /// Another hub has made it. A core that has not reported to this one may be running its job.
    inherited: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Flight {
    id: u32,
    sent: Now,
    token: String,
    what: What,
    /// When its answer began.
    begun: Option<Now>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Register,
    NewJob,
    /// `completeJob` or `flagInvalidData`.
    Settle(Key),
    Progress,
    Validate,
    /// With the job that it gives back.
    Bye(Option<Key>),
}

/// The state of the dialect.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Calls {
    seats: Vec<Seat>,
    flights: Vec<Flight>,
    dry_s: u32,
    refused: Vec<u64>,
    /// Numbers of jobs that failed here, once for each time.
    failing: Vec<u64>,
    failed: Option<Now>,
    refusals: Refusals,
    /// Whether to find out why a request was not answered.
    probe: bool,
    left: bool,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn add(&mut self, token: String, heard: Now) {
        self.seats.push(Seat {
            token,
            heard,
            told: false,
            inherited: false,
        });
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.flights.is_empty()
    }

    /// When the oldest request under way was sent.
    pub(super) fn busy_since(&self) -> Option<Now> {
        let sent = self.flights.iter().map(|flight| flight.sent);
        sent.reduce(|a, b| if b.mono < a.mono { b } else { a })
    }

    /// More of an answer has come.
    pub(super) fn moved(&mut self, common: &mut Common, now: Now, id: u32, moved: Moved) -> bool {
        let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == id) else {
            return false;
        };
        if flight.begun.is_none() {
            flight.begun = Some(now);
            common.line.began(moved.up, now.mono - flight.sent.mono);
        }
        true
    }

    fn is_flying(&self, token: &str) -> bool {
        self.flights.iter().any(|flight| flight.token == token)
    }

    /// How many registrations are needed for so many cores. While one job runs, others are handed in and
    /// fetched, each of which takes the time of an answer.
    fn seats_for(common: &Common, cores: usize) -> usize {
        let answers = 2.0 * (common.answer_ms.get().unwrap_or(0.0) + REPORT_MS);
        let each = match common.job_ms.get() {
            Some(job_ms) => (1.0 + answers / job_ms.max(1.0)).ceil(),
            None => SEATS_LEAST,
        };
        let each = each.clamp(SEATS_LEAST, SEATS_MOST) as usize;
        (cores * each).min(SEATS_IN_ALL)
    }

    fn fly(&mut self, common: &mut Common, cx: &mut Cx, token: &str, what: What, wire: Wire) {
        let large = matches!(&wire, Wire::Complete { data, .. } if data.bytes >= LARGE);
        let probe = large || self.probe;
        let bytes = match &wire {
            Wire::Complete { data, .. } => f64::from(data.bytes),
            _ => 0.0,
        };
        let upload_ms = common.upload_ms(bytes);
        let id = common.send_within(cx, PATIENCE_MS, upload_ms, probe, wire);
        self.flights.push(Flight {
            id,
            sent: cx.now,
            token: token.to_owned(),
            what,
            begun: None,
        });
    }

    pub(super) fn pump(
        &mut self,
        common: &mut Common,
        cx: &mut Cx,
        ask: &Ask,
        table: &mut JobTable,
    ) {
        if self.left {
            return;
        }
        self.probe = common.shall_probe() || self.refusals.are_unproven();
        self.know_tokens(common, table);
        self.refusals.retain(|key| table.get(key).is_some());
        self.refusals.watch(cx);
        let asking = |flight: &&Flight| matches!(flight.what, What::NewJob | What::Register);
        let mut want = ask
            .want
            .saturating_sub(self.flights.iter().filter(asking).count());
        // After an answer without a job, only one request is sent at a time.
        let once = common.dry.is_some();
        if !common.may_ask(cx.now) || (once && self.flights.iter().any(|f| asking(&f))) {
            want = 0;
        }
        let seats = self.seats.iter();
        let seats: Vec<(String, bool)> = seats
            .map(|seat| (seat.token.clone(), seat.inherited && ask.silent))
            .collect();
        let mut reserved = 0;
        for (token, may_be_used) in seats {
            if self.is_flying(&token) {
                continue;
            }
            let key = table.by_ticket(&token);
            let settles = key.is_some_and(|key| self.settle(common, cx, &token, key, table));
            if settles || self.speak(common, cx, &token, key, ask) {
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
        let registering = |f: &&Flight| f.what == What::Register;
        let registering = self.flights.iter().filter(registering).count();
        let wanted = Self::seats_for(common, ask.cores);
        if want > 0 && registering == 0 && self.seats.len() < wanted + reserved {
            let wire = register(common);
            self.fly(common, cx, "", What::Register, wire);
        }
    }

    /// Adds the registrations of former hubs, by their jobs from storage and from cores.
    fn know_tokens(&mut self, common: &Common, table: &JobTable) {
        for job in table.iter().filter(|job| job.session == common.index) {
            if let Ticket::Token(token) = &job.ticket
                && self.seats.iter().all(|seat| seat.token != *token)
            {
                // The tracker may have forgotten it meanwhile, so it is asked first.
                let (token, heard) = (token.clone(), Now::default());
                self.seats.push(Seat {
                    token,
                    heard,
                    told: true,
                    inherited: true,
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
        key: Key,
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
                self.seats.retain(|seat| seat.token != token);
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
        key: Option<Key>,
        ask: &Ask,
    ) -> bool {
        let line = ask.progress.iter().find(|(of, _)| Some(*of) == key);
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.token == token) else {
            return false;
        };
        // Another call shows whether only the refused one is the problem.
        let unproven =
            key.is_some_and(|key| self.refusals.has(key)) && self.refusals.are_unproven();
        seat.told |= unproven;
        let alive = ALIVE_MS - cx.now.since(seat.heard);
        let silent = cx.expired(Timer::Keepalive, alive) || unproven;
        if line.is_none() && !silent {
            return false;
        }
        seat.heard = cx.now;
        let token = token.to_owned();
        let (what, wire) = if silent && seat.told && key.is_some() {
            // An old tracker accepts progress even of a worker that it has forgotten.
            seat.told = false;
            let of = token.clone();
            (What::Validate, Wire::Validate { token: of })
        } else {
            seat.told = true;
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

    pub(super) fn answered(
        &mut self,
        common: &mut Common,
        cx: &Cx,
        id: u32,
        got: Got,
        table: &mut JobTable,
    ) -> Option<Got> {
        let Some(at) = self.flights.iter().position(|flight| flight.id == id) else {
            return Some(got);
        };
        let Flight {
            sent, token, what, ..
        } = self.flights.remove(at);
        let call = match what {
            What::Register => {
                if let Some(hello) = common.registered(cx, sent, got) {
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
            && let Some(at) = self.seats.iter().position(|seat| seat.token == token)
        {
            // The registrations ask in turn. One whose answer was lost may hold a job that is not known
            // here, and asking again gives that back.
            let seat = self.seats.remove(at);
            self.seats.push(seat);
        }
        let word = word(call, got);
        if !matches!(word, Word::Later { .. }) {
            self.refusals.answered();
        }
        match (word, what) {
            (
                Word::Later {
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
            (word, What::Bye(key)) => {
                if !matches!(word, Word::Refused(_)) {
                    common.answered(cx.now, sent, 0.0);
                }
                self.seats.retain(|seat| seat.token != token);
                let job = key.and_then(|key| table.remove(key));
                if let Some(job) = job
                    && matches!(job.outcome(), Some(Outcome::Failed(_)))
                {
                    remember(&mut self.failing, job.number);
                }
            }
            (Word::Refused(fault), _) if is_unknown(&fault) => {
                self.forget(common, &token, table);
            }
            (word, What::NewJob) => {
                self.new_job(common, cx, sent, &token, word, table);
            }
            (word, What::Settle(key)) => {
                Self::settled(common, cx.now, sent, key, word, table);
                self.heard(&token, cx.now);
            }
            (Word::Done(Parsed::Alive(false)), _) => self.forget(common, &token, table),
            _ => common.answered(cx.now, sent, 0.0),
        }
        None
    }

    fn heard(&mut self, token: &str, now: Now) {
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.token == token) {
            seat.heard = now;
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

    /// The tracker does not know this worker (any more), so its job is not ours.
    fn forget(&mut self, common: &mut Common, token: &str, table: &mut JobTable) {
        self.seats.retain(|seat| seat.token != token);
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
        word: Word,
        table: &mut JobTable,
    ) {
        match word {
            Word::Done(Parsed::Job { number, data }) => {
                common.answered(cx.now, sent, 0.0);
                self.heard(token, cx.now);
                let ticket = Ticket::Token(token.to_owned());
                let key = table.add(common.index, number, 1, ticket, data);
                if let Some(at) = self.refused.iter().position(|of| *of == number) {
                    // Only once. If it comes again, nobody else takes it.
                    self.refused.remove(at);
                    table.end(key, Outcome::Released, cx.now);
                    common.dry = Some(Due::after(cx.now, DRY.first_ms));
                } else {
                    common.dry = None;
                    self.dry_s = 0;
                }
            }
            Word::Refused(fault) if fault.code == Code::Tracker(ErrorCode::NoJobs) => {
                common.answered(cx.now, sent, 0.0);
                self.wait(common, cx);
            }
            Word::Refused(fault) => common.failed(cx, None, fault),
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
        key: Key,
        word: Word,
        table: &mut JobTable,
    ) {
        common.answered(now, sent, 0.0);
        match word {
            Word::Refused(fault) => {
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

    pub(super) fn farewell(&self, table: &JobTable) -> Vec<Wire> {
        let seats = self.seats.iter().filter(|seat| {
            let job = table.by_ticket(&seat.token).and_then(|key| table.get(key));
            job.is_none_or(|job| !job.resumable && job.outcome().is_none())
        });
        let bye = |seat: &Seat| Wire::Bye {
            token: seat.token.clone(),
        };
        seats.map(bye).collect()
    }

    pub(super) fn leave(&mut self, common: &mut Common, cx: &mut Cx, table: &JobTable) -> bool {
        self.left = true;
        let tokens: Vec<String> = self.seats.iter().map(|seat| seat.token.clone()).collect();
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
