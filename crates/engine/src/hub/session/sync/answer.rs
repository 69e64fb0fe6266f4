//! What follows from an answer.

use distcompute_protocol::{ErrorCode, MAX_MESSAGE, MAX_SYNC_WANT, cut};

use crate::client::call::Call;
use crate::fault::{Code, Fault};
use crate::hub::action::{Parsed, Synced, TrackerResponse};
use crate::hub::cx::Cx;
use crate::hub::jobs::{Job, JobKey, JobState, JobTable, Outcome, Ticket};
use crate::hub::session::common::{Common, too_large};
use crate::hub::session::refusals::Blame;
use crate::hub::session::reply::{Reply, is_unknown, read_reply};
use crate::hub::session::sync::Syncs;
use crate::hub::session::sync::bounds::size;
use crate::hub::session::sync::flight::What;
use crate::names::Names;
use crate::time::backoff::spread_ms;
use crate::time::clock::{Due, Now};

/// By how much fewer outcomes are sent together after a refusal. A large step, because each waits for a retry.
const PARTS: usize = 8;

/// How many flagged jobs are remembered, and for how long: others should be the first to check them again.
const FLAGGED: usize = 256;
const FLAGGED_MS: f64 = 120_000.0;

/// The bounds of the time after which the tracker wants the next request.
const WAIT_BOUNDS_MS: (f64, f64) = (2_000.0, 600_000.0);

impl Syncs {
    pub(crate) fn answered(
        &mut self,
        common: &mut Common,
        cx: &Cx,
        id: u32,
        response: TrackerResponse,
        table: &mut JobTable,
    ) -> Option<TrackerResponse> {
        let now = cx.now;
        let Some(at) = self.flights.iter().position(|flight| flight.id == id) else {
            return Some(response);
        };
        let flight = self.flights.remove(at);
        let (sent, begun) = (flight.sent, flight.begun);
        let flow_ms = flight.flow_ms;
        let mut response = Some(response);
        let outcome = match &flight.what {
            What::Sync { .. } => response
                .take()
                .map(|response| read_reply(Call::Sync, response)),
            What::Register | What::Bye => None,
        };
        if let Some(Reply::Later { fault, blame, .. }) = &outcome {
            self.failed(common, &flight, fault);
            // Reported again, unless the text itself may be what was refused.
            if *blame == Blame::None
                && matches!(
                    flight.what,
                    What::Sync {
                        reports_setup: true,
                        ..
                    }
                )
            {
                self.setup_reported = None;
            }
        }
        match flight.what {
            What::Register => {
                if let Some(hello) = common.registered(cx, sent, response?) {
                    if !hello.syncs {
                        let text = "The tracker has forgotten how to sync. Reload the page.";
                        common.fatal = Some(Fault::bad_answer(text));
                    }
                    self.token = Some(hello.token);
                    self.synced = false;
                }
            }
            What::Bye => {}
            What::Sync {
                token,
                seq,
                keys,
                want,
                bytes,
                reports_setup,
                ..
            } => match outcome? {
                Reply::Done(Parsed::Sync(synced)) => {
                    common.answered(now, sent, flow_ms);
                    // The sizes of texts are upper bounds, twice the number of their characters.
                    common.line.handed_in(bytes / 2.0, count(keys.len()));
                    common.version(&synced.app_version);
                    // Answers may arrive in another order than their requests were sent in.
                    if self
                        .answered
                        .is_none_or(|answered| sent.mono > answered.mono)
                    {
                        self.answered = Some(sent);
                    }
                    self.synced = true;
                    self.together = self.together.saturating_mul(2);
                    self.refusals.retain(&|key| !keys.contains(&key));
                    self.refusals.answered();
                    self.most = self.most.saturating_mul(4).min(MAX_SYNC_WANT);
                    self.sized = synced.left_bytes.is_some();
                    self.left_bytes = synced.left_bytes.unwrap_or(0.0);
                    if begun.is_some() {
                        let jobs = count(synced.jobs.len());
                        common.line.brought(flight.down, flow_ms, jobs);
                    }
                    self.take(common, cx, keys, want, synced, table);
                }
                Reply::Done(_) | Reply::DoneBefore => {
                    unsend(table, &keys);
                    let fault = Fault::bad_answer("The tracker's answer to a sync holds none.");
                    common.failed(cx, None, fault);
                }
                Reply::Later {
                    fault,
                    retry_after_ms,
                    blame,
                } => {
                    unsend(table, &keys);
                    self.doubt(common, now, &keys, blame, &fault, table);
                    common.failed(cx, retry_after_ms, fault);
                }
                // The request that followed it has arrived before it, and names its results as held.
                Reply::Refused(fault) if is_superseded(&fault) && seq < self.seq => {
                    unsend(table, &keys);
                    if reports_setup {
                        self.setup_reported = None;
                    }
                }
                // The registration has been given up meanwhile.
                Reply::Refused(_) if self.token.as_ref() != Some(&token) => unsend(table, &keys),
                Reply::Refused(fault) => {
                    unsend(table, &keys);
                    self.refused(common, cx, &keys, fault, table);
                }
            },
        }
        None
    }

    fn refused(
        &mut self,
        common: &mut Common,
        cx: &Cx,
        keys: &[JobKey],
        fault: Fault,
        table: &mut JobTable,
    ) {
        let superseded = is_superseded(&fault);
        if is_unknown(&fault) || (superseded && !self.synced) {
            // Registers again. Leases are valid under any registration.
            self.part();
        } else if superseded {
            common.fatal = Some(fault);
        } else if fault.code == Code::Tracker(ErrorCode::TooLarge) && keys.len() > 1 {
            // The tracker, or a proxy, takes less than it has said.
            let sizes = keys.iter().filter_map(|key| table.get(*key)?.outcome());
            self.body = sizes.map(size).sum::<f64>().min(self.limit(common).least()) / 2.0;
        } else if fault.code == Code::Tracker(ErrorCode::TooLarge)
            && let [key] = keys
        {
            let output = match table.get(*key).and_then(Job::outcome) {
                Some(Outcome::Done(text)) => Some(*text),
                _ => None,
            };
            let why = too_large(output, common);
            if !common.give_up(table, *key, &why) {
                // There is no outcome to replace, so something else is too large.
                common.failed(cx, None, fault);
            }
        } else {
            self.doubt(common, cx.now, keys, Blame::Surely, &fault, table);
            common.failed(cx, None, fault);
        }
    }

    /// A request failed that may have been refused because of one of its outcomes. Fewer are sent together
    /// until it is known which, and that one is set apart.
    fn doubt(
        &mut self,
        common: &mut Common,
        now: Now,
        keys: &[JobKey],
        blame: Blame,
        fault: &Fault,
        table: &mut JobTable,
    ) {
        match keys {
            _ if blame == Blame::None => {}
            [] => {}
            [key] => {
                if self.refusals.add(now, *key, blame) {
                    let why = format!("It was refused again and again: {}", fault.message);
                    common.give_up(table, *key, &why);
                }
            }
            more => self.together = (more.len() / PARTS).max(1),
        }
    }

    fn take(
        &mut self,
        common: &mut Common,
        cx: &Cx,
        keys: Vec<JobKey>,
        want: u32,
        synced: Synced,
        table: &mut JobTable,
    ) {
        let (now, random) = (cx.now, cx.random);
        common.accepted += count(synced.accepted.len());
        common.rejected += count(synced.rejected.len());
        unsend(table, &keys);
        let acceptances = names(&synced.accepted);
        let rejections = names(&synced.rejected);
        for key in keys {
            if let Some(job) = table.get(key)
                && matches!(job.outcome(), Some(Outcome::Invalid(_)))
            {
                if self.flagged.len() >= FLAGGED {
                    self.flagged.remove(0);
                }
                self.flagged.push((job.number, job.attempt, now));
            }
            let Some(job) = table.get(key) else { continue };
            let rejected = rejections.contains(job.ticket.text());
            common.undelivered += u32::from(rejected && job.restored);
            // If the answer does not mention a result, the result was not in the request that it answers.
            let is_result = matches!(job.outcome(), Some(Outcome::Done(_)));
            if rejected || !is_result || acceptances.contains(job.ticket.text()) {
                table.remove(key);
            }
        }
        for lease in &synced.lost {
            if let Some(key) = table.by_ticket(lease)
                && table.get(key).is_some_and(|job| job.outcome().is_none())
            {
                table.remove(key);
            }
        }
        let mut granted = count(synced.jobs.len());
        let mut known = Names::default();
        for job in table.iter() {
            known.insert(job.ticket.text());
        }
        for job in synced.jobs {
            if !known.insert(&job.lease) {
                table.free_text(job.data);
                continue;
            }
            let ticket = Ticket::Lease(job.lease);
            let key = table.add(common.index, job.number, job.attempt, ticket, job.data);
            if self.has_flagged(now, job.number, job.attempt) {
                table.end(key, Outcome::Released, now);
                granted -= 1;
            }
        }
        // Leases are kept sooner than the tracker says, and jobs asked for later, both at random: browsers
        // that got the same answer at the same time do not come back at the same time.
        let wait_ms = synced.wait_ms.clamp(WAIT_BOUNDS_MS.0, WAIT_BOUNDS_MS.1);
        let keep = wait_ms.min(common.lease_ms() / 3.0);
        self.wait_ms = spread_ms(keep, random);
        common.longest_ms = keep;
        common.unconfirmed = synced.unconfirmed;
        common.paused = synced.paused.map(|message| cut(&message, MAX_MESSAGE));
        // Fewer jobs than were asked for means that no more are open, unless some were left out for their size.
        self.limited = synced.limited && table.iter().any(|job| job.session == common.index);
        if self.limited {
            // Jobs were left out because of this limit and not for their size.
            self.left_bytes = 0.0;
            common.dry = None;
        } else if granted < want && self.left_bytes == 0.0 {
            let longest = 2.0 * wait_ms;
            common.dry = Some(Due::after(now, spread_ms(longest, random)));
            if !table.iter().any(|job| job.session == common.index) {
                common.longest_ms = longest;
            }
        } else if want > 0 {
            common.dry = None;
        }
    }

    /// Whether this input was flagged here just now: somebody else should check it. An input that was made
    /// again has attempts counted from 1.
    fn has_flagged(&self, now: Now, number: u64, attempt: u32) -> bool {
        let mut flagged = self.flagged.iter();
        flagged
            .any(|(of, at, since)| *of == number && attempt > *at && now.since(*since) < FLAGGED_MS)
    }
}

/// Whether the tracker had handled a request with a higher number before.
fn is_superseded(fault: &Fault) -> bool {
    fault.code == Code::Tracker(ErrorCode::Superseded)
}

fn unsend(table: &mut JobTable, keys: &[JobKey]) {
    for key in keys {
        if let Some(job) = table.get_mut(*key)
            && let JobState::Ended { sent, .. } = &mut job.state
        {
            *sent = false;
        }
    }
}

fn names(list: &[String]) -> Names {
    let mut names = Names::default();
    for name in list {
        names.insert(name);
    }
    names
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
