//! The session of one stage with the tracker: how its jobs are fetched and handed in. There is one
//! interface to two protocols: `sync`, and the calls of the first protocol for older trackers.

mod legacy;
mod refusals;
mod retry;
mod sync;

use distcompute_protocol::{ErrorCode, Stage};

use crate::client::call::{Call, Meaning, TOO_LARGE};
use crate::client::probe;
use crate::client::probe::Finding;
use crate::fault::{Code, Fault, Kind};
use crate::hub::action::{Action, Got, Hello, Moved, Outgoing, Parsed, Registration, Wire};
use crate::hub::cx::{Cx, Timer};
use crate::hub::jobs::{Job, JobState, JobTable, Key, Outcome, Text, Ticket};
use crate::hub::session::legacy::Calls;
use crate::hub::session::sync::Syncs;
use crate::hub::speed::{Line, Mean};
use crate::time::clock::{Due, Now};

use crate::hub::session::refusals::Blame;
use crate::hub::session::retry::{PATIENCE_MS, Usual};

pub use crate::hub::session::retry::Retry;

/// The longest usual time between two requests, until the tracker has set one.
const WAIT_MS: f64 = 60_000.0;

/// No request is given more time than this before its answer begins.
const MOST_UPLOAD_MS: f64 = 3_600_000.0;

/// Answers that took longer than this count as this long.
const LONG_ANSWER_MS: f64 = 120_000.0;

/// The bits of a request's number within its session. It wraps long after an answer could still come.
const ID_BITS: u32 = 24;
const ID_MASK: u32 = (1 << ID_BITS) - 1;

/// Shorter leases are taken to be this long.
const LEAST_LEASE_MS: f64 = 5_000.0;

/// What the scheduler asks of a session.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ask {
    /// How many more jobs could be held.
    pub want: usize,
    /// Whether jobs run out so soon that they must be asked for now.
    pub low: bool,
    /// Whether outcomes should go out at once.
    pub hurry: bool,
    /// How many jobs wait for a core, and in how many milliseconds all of them are likely to be done.
    pub ahead: (usize, f64),
    /// How many cores work for this session at most.
    pub cores: usize,
    /// Progress that is due, by job.
    pub progress: Vec<(Key, String)>,
    /// Bytes of inputs that there is still memory for.
    pub room: f64,
    /// Whether a core of the former hub has not reported yet which job it runs.
    pub silent: bool,
    /// The error of the setup, if it keeps all cores from getting ready.
    pub setup_failed: Option<String>,
}

/// What is known of the tracker, whatever its protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Common {
    /// Its index among the sessions.
    pub index: usize,
    /// The stage.
    pub stage: Stage,
    /// How many requests were sent.
    sent: u32,
    /// The nickname of the volunteer.
    pub nickname: String,
    /// How long an outcome waits for others to share its request with.
    pub linger_ms: f64,
    /// The tracker's answer to the last registration.
    pub hello: Option<Hello>,
    /// How long answers take.
    pub answer_ms: Mean,
    /// How long jobs take.
    pub job_ms: Mean,
    /// What the line to the tracker carries.
    pub line: Line,
    /// When the last request that was answered had been sent, the usual time between two of them, and the
    /// longest.
    asked: Option<Now>,
    gap_ms: Mean,
    longest_ms: f64,
    /// No job was open. Not asked again before this time.
    pub dry: Option<Due>,
    /// Whether the tracker answers, and when it is tried again if not.
    pub retry: Retry,
    /// The version that was named first, which is that of the worker script that runs.
    pub version: Option<String>,
    /// Whether the tracker has named another version since.
    pub renewed: bool,
    /// Results that the tracker took.
    pub accepted: u32,
    /// Results that it rejected.
    pub rejected: u32,
    /// Those of them that were of an earlier visit.
    pub undelivered: u32,
    /// Results that cannot be handed in: too large, or refused again and again.
    pub unfit: u32,
    /// The error that has ended the session for good.
    pub fatal: Option<Fault>,
}

/// The session of one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// What both protocols need.
    pub common: Common,
    dialect: Dialect,
}

#[derive(Debug, Clone, PartialEq)]
enum Dialect {
    /// Nobody has registered yet.
    Unknown {
        flight: Option<(u32, Now)>,
    },
    Sync(Syncs),
    Calls(Calls),
}

/// What follows from an answer.
enum Word {
    /// It has succeeded, with this content.
    Done(Parsed),
    /// It had succeeded before.
    DoneBefore,
    /// It may succeed later.
    Later {
        fault: Fault,
        retry_after_ms: Option<u32>,
        /// How likely it failed because of the outcomes in it.
        blame: Blame,
    },
    /// The tracker refuses.
    Refused(Fault),
}

/// Interprets the answer to a request of this kind.
fn word(call: Call, got: Got) -> Word {
    let later = |code, text: String| Word::Later {
        fault: Fault::new(Kind::Unreachable, code, text),
        retry_after_ms: None,
        blame: Blame::None,
    };
    match got {
        Got::NotReached(what) => later(Code::Unreachable, what),
        Got::Found(finding, fault) => Word::Later {
            fault,
            retry_after_ms: None,
            blame: match finding {
                Finding::Here => Blame::Likely,
                _ => Blame::None,
            },
        },
        Got::TimedOut => later(Code::Timeout, "No answer came in time.".to_owned()),
        Got::Answered(answer, parsed) => match (call.meaning(&answer), parsed) {
            (Meaning::Done, Parsed::Unreadable(why)) => later(Code::BadAnswer, why),
            (Meaning::Done, parsed) => Word::Done(parsed),
            (Meaning::DoneBefore, _) => Word::DoneBefore,
            (Meaning::Later(fault), _) => Word::Later {
                fault,
                retry_after_ms: answer.retry_after_ms,
                // A tracker that is busy answers with a code, or with the time to come back.
                blame: if answer.code.is_some() || answer.retry_after_ms.is_some() {
                    Blame::None
                } else {
                    Blame::Maybe
                },
            },
            // It may come from a captive portal, a proxy, or a tracker that is being moved, and pass.
            (Meaning::Failed(fault), _) if is_passing(&fault) => Word::Later {
                // A demand for a login has nothing to do with what was sent.
                blame: match answer.status {
                    200 | 401 | 407 | 511 => Blame::None,
                    500.. => Blame::Maybe,
                    _ => Blame::Surely,
                },
                fault,
                retry_after_ms: answer.retry_after_ms,
            },
            (Meaning::Failed(fault), _) => Word::Refused(fault),
        },
    }
}

fn is_passing(fault: &Fault) -> bool {
    let kind = matches!(fault.kind, Kind::Server | Kind::Unreachable | Kind::Timeout);
    (kind && fault.code != Code::Tracker(ErrorCode::Superseded))
        || matches!(fault.code, Code::NotATracker)
}

impl Common {
    /// Sends a request whose body is short. Returns its number.
    fn send(&mut self, cx: &mut Cx, wire: Wire) -> u32 {
        self.send_within(cx, PATIENCE_MS, 0.0, false, wire)
    }

    /// Sends a request. `upload_ms` is the time for its body, `patience_ms` the time until the answer
    /// begins, and then until more of it arrives. A transfer that makes progress is never ended.
    fn send_within(
        &mut self,
        cx: &mut Cx,
        patience_ms: f64,
        upload_ms: f64,
        probe: bool,
        wire: Wire,
    ) -> u32 {
        self.sent = (self.sent + 1) & ID_MASK;
        // The index keeps the numbers of different sessions apart.
        let id = ((self.index as u32) << ID_BITS) | self.sent;
        cx.out.push(Action::Send(Outgoing {
            id,
            wire,
            limit_ms: (patience_ms + upload_ms).min(MOST_UPLOAD_MS) as u32,
            stall_ms: patience_ms as u32,
            probe,
        }));
        id
    }

    /// Asks for a registration.
    fn register(&mut self, cx: &mut Cx) -> u32 {
        let (probe, wire) = (self.shall_probe(), register(self));
        self.send_within(cx, PATIENCE_MS, 0.0, probe, wire)
    }

    /// Takes the answer to a registration. `None`: it has failed.
    fn registered(&mut self, cx: &Cx, sent: Now, got: Got) -> Option<Hello> {
        match word(Call::New, got) {
            Word::Done(Parsed::Hello(hello)) => {
                self.answered(cx.now, sent, 0.0);
                self.version(&hello.app_version);
                self.hello = Some(hello.clone());
                Some(hello)
            }
            Word::Done(_) | Word::DoneBefore => {
                let text = "The tracker's answer to a registration holds none.";
                self.failed(cx, None, Fault::bad_answer(text));
                None
            }
            Word::Later {
                fault,
                retry_after_ms,
                ..
            } => {
                self.failed(cx, retry_after_ms, fault);
                None
            }
            Word::Refused(fault) => {
                self.fatal = Some(fault);
                None
            }
        }
    }

    fn failed(&mut self, cx: &Cx, retry_after_ms: Option<u32>, fault: Fault) {
        let longest_ms = self.longest_ms;
        let gap_ms = self.gap_ms.get().unwrap_or(0.0);
        let usual = Usual { gap_ms, longest_ms };
        self.retry
            .failed(cx.now, cx.random, retry_after_ms, fault, usual);
    }

    /// Notes that an answer came, whose bytes took `flow_ms` to arrive, as far as was measured.
    fn answered(&mut self, now: Now, sent: Now, flow_ms: f64) {
        self.retry.worked();
        if let Some(asked) = self.asked.replace(sent) {
            // A pause does not count as the usual time between requests.
            self.gap_ms.add(sent.since(asked).min(self.longest_ms), 1);
        }
        let ms = now.since(sent);
        // A longer time means that the machine slept or a clock was set, unless bytes arrived meanwhile.
        if ms <= PATIENCE_MS {
            self.answer_ms.add(ms, 1);
        } else if flow_ms > PATIENCE_MS {
            self.answer_ms.add(flow_ms.min(LONG_ANSWER_MS), 1);
        }
    }

    /// Whether to find out why, if the next request is not answered.
    fn shall_probe(&self) -> bool {
        probe::is_due(
            self.retry.failures().saturating_add(1),
            self.hello.is_some(),
        )
    }

    /// The error that keeps this page from its tracker, if waiting does not help.
    #[must_use]
    pub fn trouble(&self) -> Option<&Fault> {
        // A single such answer may come from a proxy while the tracker is being moved.
        let sure = self.hello.is_none() || self.retry.failures() > 1;
        let fault = self.retry.fault();
        fault.filter(|fault| sure && fault.is_lasting())
    }

    /// How long the body of a request may take. Longer after failures.
    fn upload_ms(&self, bytes: f64) -> f64 {
        self.line.upload_ms(bytes) * self.retry.leniency()
    }

    fn version(&mut self, version: &str) {
        let first = self.version.get_or_insert_with(|| version.to_owned());
        self.renewed |= first.as_str() != version;
    }

    fn lease_ms(&self) -> f64 {
        let said = self.hello.as_ref().map_or(0.0, |hello| hello.lease_ms);
        said.max(LEAST_LEASE_MS)
    }

    /// Drops the jobs under leases, which a tracker without `sync` does not know.
    fn drop_leases(&mut self, table: &mut JobTable) {
        let is_lease =
            |job: &Job| job.session == self.index && matches!(job.ticket, Ticket::Lease(_));
        for key in table.keys(is_lease) {
            let job = table.remove(key);
            let outcome = job.as_ref().and_then(|job| job.outcome());
            self.rejected += u32::from(matches!(outcome, Some(Outcome::Done(_))));
        }
    }

    /// Replaces an outcome that cannot be handed in by a failure with a reason. Returns whether there was
    /// anything to replace.
    fn give_up(&mut self, table: &mut JobTable, key: Key, why: &str) -> bool {
        let state = table.get_mut(key).map(|job| &mut job.state);
        let Some(JobState::Ended {
            outcome,
            sent,
            stored,
            ..
        }) = state
        else {
            return false;
        };
        if matches!(outcome, Outcome::Failed(said) if said == why) || *outcome == Outcome::Released
        {
            return false;
        }
        (*sent, *stored) = (false, false);
        let before = std::mem::replace(outcome, Outcome::Failed(why.to_owned()));
        if let Outcome::Done(text) = before {
            self.unfit += 1;
            table.freed.push(text);
        }
        true
    }

    /// Whether jobs may be asked for, as far as the tracker has said.
    #[must_use]
    pub fn may_ask(&self, now: Now) -> bool {
        self.dry.is_none_or(|dry| dry.is_over(now))
    }
}

impl Session {
    /// A session that has not registered yet.
    #[must_use]
    pub fn new(index: usize, stage: Stage, nickname: String, linger_ms: f64) -> Self {
        Self {
            common: Common {
                index,
                stage,
                sent: 0,
                nickname,
                linger_ms,
                hello: None,
                answer_ms: Mean::default(),
                job_ms: Mean::default(),
                line: Line::default(),
                asked: None,
                gap_ms: Mean::default(),
                longest_ms: WAIT_MS,
                dry: None,
                retry: Retry::default(),
                version: None,
                renewed: false,
                accepted: 0,
                rejected: 0,
                undelivered: 0,
                unfit: 0,
                fatal: None,
            },
            dialect: Dialect::Unknown { flight: None },
        }
    }

    /// Resumes a registration that was stored.
    pub fn restore(&mut self, registration: Registration) {
        let hello = registration.hello;
        self.dialect = if hello.syncs {
            // Another nickname needs another registration. Leases are valid under any.
            let same = registration.nickname == self.common.nickname;
            Dialect::Sync(Syncs::restored(
                same.then(|| hello.token.clone()),
                registration.seq,
            ))
        } else {
            Dialect::Calls(Calls::new())
        };
        self.common.hello = Some(hello);
    }

    /// Gives the registration up without a goodbye, so that its leases stay held.
    pub fn part(&mut self) {
        if let Dialect::Sync(syncs) = &mut self.dialect {
            syncs.part();
        }
    }

    /// How long a lease lasts, in milliseconds.
    #[must_use]
    pub fn lease_ms(&self) -> f64 {
        match (&self.dialect, &self.common.hello) {
            (Dialect::Sync(_), Some(_)) => self.common.lease_ms(),
            // Longer than jobs are ever fetched ahead for.
            _ => 7_200_000.0,
        }
    }

    /// Whether jobs that were fetched ahead may be begun. Not if there was no contact with the tracker for
    /// so long that it may have given them to others.
    #[must_use]
    pub fn is_fresh(&self, now: Now) -> bool {
        match &self.dialect {
            Dialect::Unknown { .. } => false,
            Dialect::Sync(syncs) => now.since(syncs.heard()) < 0.8 * self.lease_ms(),
            Dialect::Calls(_) => true,
        }
    }

    /// How many jobs are likely to be in the answers that are under way.
    #[must_use]
    pub fn coming(&self) -> usize {
        match &self.dialect {
            Dialect::Sync(syncs) => syncs.coming(&self.common),
            // Its requests for jobs are counted when the next ones are sent.
            Dialect::Unknown { .. } | Dialect::Calls(_) => 0,
        }
    }

    /// More of an answer has come. Whether it is to one of this session's requests.
    pub fn moved(&mut self, now: Now, id: u32, moved: Moved) -> bool {
        match &mut self.dialect {
            Dialect::Unknown { .. } => false,
            Dialect::Sync(syncs) => syncs.moved(&mut self.common, now, id, moved),
            Dialect::Calls(calls) => calls.moved(&mut self.common, now, id, moved),
        }
    }

    /// Whether a request is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        match &self.dialect {
            Dialect::Unknown { flight } => flight.is_some(),
            Dialect::Sync(syncs) => syncs.is_busy(),
            Dialect::Calls(calls) => calls.is_busy(),
        }
    }

    /// Since when the oldest request is under way.
    #[must_use]
    pub fn busy_since(&self) -> Option<Now> {
        match &self.dialect {
            Dialect::Unknown { flight } => flight.map(|(_, sent)| sent),
            Dialect::Sync(syncs) => syncs.busy_since(),
            Dialect::Calls(calls) => calls.busy_since(),
        }
    }

    /// Whether progress would be sent now.
    #[must_use]
    pub fn may_speak(&self, now: Now) -> bool {
        let free = match &self.dialect {
            Dialect::Unknown { .. } => false,
            Dialect::Sync(syncs) => syncs.may_send(),
            Dialect::Calls(_) => true,
        };
        free && self.common.retry.may_try(now)
    }

    /// Drops jobs under leases where the tracker knows none.
    pub fn drop_leases(&mut self, table: &mut JobTable) {
        if let Dialect::Calls(_) = self.dialect {
            self.common.drop_leases(table);
        }
    }

    /// Sends what is to be sent.
    pub fn pump(&mut self, cx: &mut Cx, ask: &Ask, table: &mut JobTable) {
        if self.common.fatal.is_some() {
            return;
        }
        let common = &mut self.common;
        // Where the tracker is away, nothing else is due before it is tried again.
        let away = common.retry.left_ms(cx.now).unwrap_or(0.0);
        if !cx.expired(Timer::Retry, away) {
            return;
        }
        let dry = common.dry.map_or(0.0, |dry| dry.left_ms(cx.now));
        cx.arm(Timer::Dry, dry);
        match &mut self.dialect {
            Dialect::Unknown { flight: Some(_) } => {}
            Dialect::Unknown { flight } => {
                // Outcomes from storage are delivered whether jobs are wanted or not.
                if ask.want > 0 || table.iter().any(|job| job.session == common.index) {
                    *flight = Some((common.register(cx), cx.now));
                }
            }
            Dialect::Sync(syncs) => syncs.pump(common, cx, ask, table),
            Dialect::Calls(calls) => calls.pump(common, cx, ask, table),
        }
    }

    /// Takes an answer if it is to one of this session's requests, and returns it otherwise.
    pub fn answered(&mut self, cx: &Cx, id: u32, got: Got, table: &mut JobTable) -> Option<Got> {
        let common = &mut self.common;
        match &mut self.dialect {
            Dialect::Unknown { flight } => match flight.take_if(|(of, _)| *of == id) {
                None => return Some(got),
                Some((_, sent)) => {
                    let hello = common.registered(cx, sent, got)?;
                    self.dialect = if hello.syncs {
                        Dialect::Sync(Syncs::new(hello.token, cx.now))
                    } else {
                        let mut calls = Calls::new();
                        calls.add(hello.token, cx.now);
                        Dialect::Calls(calls)
                    };
                }
            },
            Dialect::Sync(syncs) => {
                return syncs.answered(common, cx, id, got, table);
            }
            Dialect::Calls(calls) => {
                return calls.answered(common, cx, id, got, table);
            }
        }
        None
    }

    /// The last requests of a page that is being closed. Jobs with a checkpoint stay held, the others are
    /// given back.
    #[must_use]
    pub fn farewell(&self, table: &JobTable) -> Vec<Wire> {
        match &self.dialect {
            Dialect::Unknown { .. } => Vec::new(),
            Dialect::Sync(syncs) => syncs.farewell(&self.common, table),
            Dialect::Calls(calls) => calls.farewell(table),
        }
    }

    /// Ends every registration, after everything else. `false`: nothing is left to send.
    pub fn leave(&mut self, cx: &mut Cx, table: &JobTable) -> bool {
        match &mut self.dialect {
            Dialect::Unknown { .. } => false,
            Dialect::Sync(syncs) => syncs.leave(&mut self.common, cx),
            Dialect::Calls(calls) => calls.leave(&mut self.common, cx, table),
        }
    }
}

fn register(common: &Common) -> Wire {
    Wire::Register {
        nickname: common.nickname.clone(),
        stage: common.stage,
    }
}

/// Why an output was given up that is too large, with the sizes that are known.
fn too_large(output: Option<Text>, common: &Common) -> String {
    let kb = |bytes: f64| (bytes / 1_000.0).ceil() as u64;
    let mut why = TOO_LARGE.to_owned();
    if let Some(text) = output {
        let size = kb(f64::from(text.bytes));
        why = format!("{why} The output takes up to {size} kB in a request.");
    }
    let said = common.hello.as_ref().map_or(0.0, |hello| hello.max_body);
    if said > 0.0 {
        why = format!("{why} The tracker itself takes {} kB.", kb(said));
    }
    why
}

/// Whether a refusal says that the tracker does not know the token.
fn is_unknown(fault: &Fault) -> bool {
    fault.code == Code::Tracker(ErrorCode::WorkerUnknown)
}
