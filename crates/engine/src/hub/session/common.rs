//! What a session needs whichever protocol it speaks: what is known of the tracker and of the line to it, the
//! sending of requests, and the counts of results.

use distcompute_protocol::Stage;

use crate::client::call::{Call, TOO_LARGE};
use crate::client::probe;
use crate::fault::Fault;
use crate::hub::action::{Action, Hello, Parsed, TrackerRequest, TrackerResponse, Wire};
use crate::hub::cx::Cx;
use crate::hub::jobs::{Job, JobKey, JobState, JobTable, Outcome, Text, Ticket};
use crate::hub::line::Line;
use crate::hub::mean::Mean;
use crate::hub::session::reply::{Reply, read_reply};
use crate::hub::session::retry::{PATIENCE_MS, Retry, Usual};
use crate::time::clock::{Due, Now};

/// The longest usual time between two requests, until the tracker has set one.
pub(super) const WAIT_MS: f64 = 60_000.0;

/// No request is given more time than this before its answer begins.
const MOST_UPLOAD_MS: f64 = 3_600_000.0;

/// Answers that took longer than this count as this long.
const LONG_ANSWER_MS: f64 = 120_000.0;

/// The bits of a request's number within its session. It wraps long after an answer could still come.
const ID_BITS: u32 = 24;
const ID_MASK: u32 = (1 << ID_BITS) - 1;

/// Shorter leases are taken to be this long.
const LEAST_LEASE_MS: f64 = 5_000.0;

/// What is known of the tracker, whatever its protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Common {
    /// Its index among the sessions.
    pub index: usize,
    /// The stage.
    pub stage: Stage,
    /// How many requests were sent.
    sent: u32,
    /// The nickname of the volunteer, under which registrations are made.
    pub nickname: String,
    /// The nickname that the volunteer has changed it to, until there is no registration under the former one to
    /// wait for.
    pub renamed: Option<String>,
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
    /// When the last answered request was sent, and the usual and the longest time between two of them.
    asked: Option<Now>,
    gap_ms: Mean,
    pub(super) longest_ms: f64,
    /// If no job was open: when to ask again.
    pub dry: Option<Due>,
    /// If the operator has paused the stage: the message for volunteers.
    pub paused: Option<String>,
    /// Whether the tracker answers, and when it is tried again if not.
    pub retry: Retry,
    /// The version in the first answer, which is that of the worker script that runs.
    pub version: Option<String>,
    /// Whether the tracker has named another version since.
    pub renewed: bool,
    /// Results that wait for the opinion of another volunteer, according to the tracker.
    pub unconfirmed: u64,
    /// Results that the tracker accepted.
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

impl Common {
    /// What is known of a tracker before it has answered.
    pub(super) fn new(index: usize, stage: Stage, nickname: String, linger_ms: f64) -> Self {
        Self {
            index,
            stage,
            sent: 0,
            nickname,
            renamed: None,
            linger_ms,
            hello: None,
            answer_ms: Mean::default(),
            job_ms: Mean::default(),
            line: Line::default(),
            asked: None,
            gap_ms: Mean::default(),
            longest_ms: WAIT_MS,
            dry: None,
            paused: None,
            retry: Retry::default(),
            version: None,
            renewed: false,
            unconfirmed: 0,
            accepted: 0,
            rejected: 0,
            undelivered: 0,
            unfit: 0,
            fatal: None,
        }
    }

    /// Sends a request whose body is short. Returns its number.
    pub(super) fn send(&mut self, cx: &mut Cx, wire: Wire) -> u32 {
        self.send_within(cx, PATIENCE_MS, 0.0, false, wire)
    }

    /// Sends a request. `upload_ms` is the time for its body, `patience_ms` the time until the answer
    /// begins, and then until more of it arrives. A transfer that makes progress is never ended.
    pub(super) fn send_within(
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
        cx.out.push(Action::Send(TrackerRequest {
            id,
            wire,
            limit_ms: (patience_ms + upload_ms).min(MOST_UPLOAD_MS) as u32,
            stall_ms: patience_ms as u32,
            probe,
        }));
        id
    }

    /// Asks for a registration.
    pub(super) fn register(&mut self, cx: &mut Cx) -> u32 {
        let (probe, wire) = (self.shall_probe(), register(self));
        self.send_within(cx, PATIENCE_MS, 0.0, probe, wire)
    }

    /// Takes the answer to a registration. `None`: it has failed.
    pub(super) fn registered(
        &mut self,
        cx: &Cx,
        sent: Now,
        response: TrackerResponse,
    ) -> Option<Hello> {
        match read_reply(Call::New, response) {
            Reply::Done(Parsed::Hello(hello)) => {
                self.answered(cx.now, sent, 0.0);
                self.version(&hello.app_version);
                self.hello = Some(hello.clone());
                Some(hello)
            }
            Reply::Done(_) | Reply::DoneBefore => {
                let text = "The tracker's answer to a registration holds none.";
                self.failed(cx, None, Fault::bad_answer(text));
                None
            }
            Reply::Later {
                fault,
                retry_after_ms,
                ..
            } => {
                self.failed(cx, retry_after_ms, fault);
                None
            }
            Reply::Refused(fault) => {
                self.fatal = Some(fault);
                None
            }
        }
    }

    pub(super) fn failed(&mut self, cx: &Cx, retry_after_ms: Option<u32>, fault: Fault) {
        let longest_ms = self.longest_ms;
        let gap_ms = self.gap_ms.get().unwrap_or(0.0);
        let usual = Usual { gap_ms, longest_ms };
        self.retry
            .failed(cx.now, cx.random, retry_after_ms, fault, usual);
    }

    /// Notes an answer whose bytes took `flow_ms` to arrive.
    pub(super) fn answered(&mut self, now: Now, sent: Now, flow_ms: f64) {
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
    pub(super) fn shall_probe(&self) -> bool {
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
    pub(super) fn upload_ms(&self, bytes: f64) -> f64 {
        self.line.upload_ms(bytes) * self.retry.leniency()
    }

    pub(super) fn version(&mut self, version: &str) {
        let first = self.version.get_or_insert_with(|| version.to_owned());
        self.renewed |= first.as_str() != version;
    }

    pub(super) fn lease_ms(&self) -> f64 {
        let said = self.hello.as_ref().map_or(0.0, |hello| hello.lease_ms);
        said.max(LEAST_LEASE_MS)
    }

    /// Drops the jobs under leases, which a tracker without `sync` does not know.
    pub(super) fn drop_leases(&mut self, table: &mut JobTable) {
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
    pub(in crate::hub) fn give_up(&mut self, table: &mut JobTable, key: JobKey, why: &str) -> bool {
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

pub(super) fn register(common: &Common) -> Wire {
    Wire::Register {
        nickname: common.nickname.clone(),
        stage: common.stage,
    }
}

/// Why an output was given up that is too large, with the sizes that are known.
pub(super) fn too_large(output: Option<Text>, common: &Common) -> String {
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
