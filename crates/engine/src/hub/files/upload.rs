//! The files that are sent to the tracker: in parts, each of which is repeated alone, and begun anew where a tracker
//! or a reload has lost what was sent.

use super::{FileAction, Files, Record, Reply, Way, fault};
use crate::hub::action::Action;
use crate::hub::cx::{Cx, Timer};
use crate::hub::file::UploadCall;
use crate::hub::files::keep::State;
use crate::hub::jobs::{JobTable, Outcome};
use crate::list::retain;
use crate::time::backoff::Backoff;
use crate::time::clock::Due;
use distcompute_protocol::{ErrorCode, FILE_PREFIX};

/// So many calls are under way at a time, of all uploads together.
const CALLS: usize = 3;

/// The wait before a call that failed is repeated.
const PAUSE: Backoff = Backoff::doubling(1_000.0, 300_000.0).with_jitter(0.5);

/// After so many failures in a row the file is given up, unless the tracker cannot be reached at all: an hour and a
/// half.
const ENOUGH: u32 = 24;

/// So often an upload is begun anew.
const BEGINNINGS: u32 = 3;

/// How long a call may take before its bytes are counted, and the slowest line that is waited for, in bytes a
/// millisecond.
const CALL_MS: f64 = 60_000.0;
const SLOWEST: f64 = 8.0;

/// A tracker that asks to wait longer refuses.
const LONGEST_WAIT_MS: u32 = 3_600_000;

/// No file has more parts.
const MOST_PARTS: f64 = 100_000.0;

/// A call under way.
#[derive(Debug, Clone, PartialEq)]
enum What {
    Begin,
    Ask,
    Part(u32, String),
    Finish,
}

/// A file on its way to the tracker.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Upload {
    pub(super) record: Record,
    /// Which parts are there.
    done: Vec<bool>,
    /// Where others are sent.
    parts: Vec<(u32, String)>,
    /// Whether it is known which parts are there.
    asked: bool,
    flights: Vec<(u32, What)>,
    failures: u32,
    beginnings: u32,
    pub(super) again: Option<Due>,
    /// How the job ends that names it, if it does not get there.
    pub(super) failed: Option<Outcome>,
}

impl Upload {
    /// An upload as it was stored.
    pub(super) fn restored(record: Record) -> Self {
        let mut upload = Self {
            record,
            done: Vec::new(),
            parts: Vec::new(),
            asked: false,
            flights: Vec::new(),
            failures: 0,
            beginnings: 0,
            again: None,
            failed: None,
        };
        upload.count_parts();
        upload
    }

    /// The calls that are under way.
    pub(super) fn under_way(&self) -> impl Iterator<Item = u32> {
        self.flights.iter().map(|(id, _)| *id)
    }

    /// Whether it goes on.
    pub(super) fn is_open(&self) -> bool {
        !self.record.done && self.failed.is_none()
    }

    /// How many bytes the tracker has.
    pub(super) fn sent(&self) -> f64 {
        let part = self.record.begun.as_ref().map_or(0.0, |(_, bytes)| *bytes);
        let parts = self.done.iter().filter(|done| **done).count();
        (parts as f64 * part).min(self.record.bytes)
    }

    /// Nothing of it is known to be there. Whether its number of parts makes sense.
    fn count_parts(&mut self) -> bool {
        self.done.clear();
        self.parts.clear();
        self.asked = false;
        let Some((_, part)) = &self.record.begun else {
            return true;
        };
        let count = (self.record.bytes / part.max(1.0)).ceil().max(1.0);
        self.done.resize(count.min(MOST_PARTS) as usize, false);
        count <= MOST_PARTS
    }

    /// Begins anew.
    fn restart(&mut self) {
        self.record.begun = None;
        self.count_parts();
    }

    /// What is to be done next, besides what is under way.
    fn next(&mut self) -> Option<What> {
        if self.record.begun.is_none() {
            return self.flights.is_empty().then_some(What::Begin);
        }
        if let Some((number, url)) = (!self.parts.is_empty()).then(|| self.parts.remove(0)) {
            return Some(What::Part(number, url));
        }
        if !self.flights.is_empty() {
            return None;
        }
        let whole = self.done.iter().all(|done| *done);
        Some(if whole { What::Finish } else { What::Ask })
    }

    /// The first part that is not there.
    fn from(&self) -> u32 {
        let from = self.done.iter().position(|done| !done).unwrap_or(0);
        u32::try_from(if self.asked { from } else { 0 }).unwrap_or(0)
    }

    fn part(&self, number: u32) -> (f64, f64) {
        let part = self.record.begun.as_ref().map_or(0.0, |(_, bytes)| *bytes);
        let from = f64::from(number) * part;
        (from, (from + part).min(self.record.bytes))
    }

    /// The call that `what` stands for, and how long it may take.
    fn call(&self, what: &What, token: String) -> (UploadCall, f64) {
        let Record {
            ticket: lease,
            name,
            bytes,
            kind,
            ..
        } = self.record.clone();
        let begun = self.record.begun.clone();
        let upload = begun.map_or_else(String::new, |(upload, _)| upload);
        match what {
            What::Begin => {
                let begin = UploadCall::Begin {
                    token,
                    lease,
                    bytes,
                    kind,
                };
                (begin, CALL_MS)
            }
            What::Ask => {
                let parts = UploadCall::Parts {
                    token,
                    lease,
                    upload,
                    from: self.from(),
                };
                (parts, CALL_MS)
            }
            What::Part(number, url) => {
                let (from, to) = self.part(*number);
                let url = url.clone();
                let put = UploadCall::Put {
                    url,
                    name,
                    from,
                    to,
                };
                (put, CALL_MS + (to - from) / SLOWEST)
            }
            What::Finish => {
                let finish = UploadCall::Finish {
                    token,
                    lease,
                    upload,
                    sha256: name
                        .strip_prefix(FILE_PREFIX)
                        .unwrap_or_default()
                        .to_owned(),
                };
                (finish, CALL_MS + bytes / 1_000.0)
            }
        }
    }
}

impl Files {
    pub(super) fn upload(&self, ticket: &str, name: &str) -> Option<&Upload> {
        let mut all = self.uploads.iter();
        all.find(|of| of.record.ticket == ticket && of.record.name == name)
    }

    /// Makes the calls that are due.
    pub(super) fn send(&mut self, cx: &mut Cx, table: &JobTable, ways: &[Way]) {
        let under_way = self.uploads.iter().map(|upload| upload.flights.len());
        let under_way = under_way.sum::<usize>() + self.cancelled.len();
        let mut free = CALLS.saturating_sub(under_way);
        let mut at = 0;
        while free > 0
            && let Some(upload) = self.uploads.get(at)
        {
            let record = &upload.record;
            let session = table
                .by_ticket(&record.ticket)
                .and_then(|key| table.get(key));
            let way = session.and_then(|job| ways.get(job.session));
            let left = upload.again.map_or(0.0, |again| again.left_ms(cx.now));
            let state = self.get(&record.name).map(|file| file.state);
            let token = way.filter(|way| way.takes && !way.away);
            let token = token.and_then(|way| way.token.clone());
            let Some(token) = token.filter(|_| upload.is_open()) else {
                at += 1;
                continue;
            };
            if state == Some(State::Absent) && self.room.is_some() {
                // Not the fault of the job: somebody else does it anew.
                self.uploads[at].failed = Some(Outcome::Released);
                cx.arm(Timer::Files, 1.0);
            }
            if state != Some(State::Ready) || !cx.expired(Timer::Files, left) {
                at += 1;
                continue;
            }
            let id = self.next_id();
            let upload = &mut self.uploads[at];
            let Some(what) = upload.next() else {
                at += 1;
                continue;
            };
            let (call, limit_ms) = upload.call(&what, token);
            upload.flights.push((id, what));
            free -= 1;
            let limit_ms = limit_ms as u32;
            cx.out
                .push(Action::File(FileAction::Call { id, call, limit_ms }));
        }
    }

    /// Whether a call is under way.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.uploads.iter().any(|upload| !upload.flights.is_empty())
    }

    /// How many parts are not there yet.
    #[must_use]
    pub fn parts_left(&self) -> usize {
        let open = self.uploads.iter().filter(|upload| upload.is_open());
        let left = |upload: &Upload| 1 + upload.done.iter().filter(|done| !**done).count();
        open.map(left).sum()
    }

    /// A call was answered.
    pub(super) fn replied(
        &mut self,
        cx: &mut Cx,
        id: u32,
        reply: Reply,
        table: &JobTable,
        ways: &[Way],
    ) {
        retain(&mut self.cancelled, |of| *of != id);
        let is_of = |upload: &Upload| upload.flights.iter().any(|(of, _)| *of == id);
        let Some(at) = self.uploads.iter().position(is_of) else {
            return;
        };
        let upload = &mut self.uploads[at];
        let mut what = None;
        retain(&mut upload.flights, |(of, was)| {
            if *of == id {
                what = Some(was.clone());
            }
            *of != id
        });
        let Some(what) = what.filter(|_| upload.is_open()) else {
            return;
        };
        let ticket = upload.record.ticket.clone();
        let key = table.by_ticket(&ticket);
        let session = key.and_then(|key| table.get(key)).map(|job| job.session);
        let away = session.is_some_and(|of| ways.get(of).is_some_and(|way| way.away));
        let (now, random) = (cx.now, cx.random);
        let wait = |upload: &mut Upload, after: Option<u32>, counts: bool| {
            let after = f64::from(after.unwrap_or(0));
            let wait = PAUSE.wait_ms(upload.failures, random).max(after);
            upload.again = Some(Due::after(now, wait));
            // While the tracker is away or full the wait grows, and nothing is given up.
            if counts || upload.failures < 8 {
                upload.failures += 1;
            }
        };
        let mut store = false;
        let mut why: Option<(&str, String)> = None;
        match (what, reply) {
            (
                What::Begin | What::Ask,
                Reply::Parts {
                    begun,
                    stored,
                    parts,
                },
            ) => {
                if begun.is_some() {
                    upload.record.begun = begun;
                    store = true;
                    if !upload.count_parts() {
                        why = Some((
                            "bad_answer",
                            "The tracker's parts are too small.".to_owned(),
                        ));
                        upload.failures = ENOUGH;
                    }
                }
                for number in stored {
                    if let Some(done) = upload.done.get_mut(number as usize) {
                        *done = true;
                    }
                }
                upload.asked = true;
                upload.parts = parts;
                let done = &upload.done;
                retain(&mut upload.parts, |(number, _)| {
                    done.get(*number as usize) == Some(&false)
                });
                if upload.parts.is_empty() && upload.done.contains(&false) {
                    wait(upload, None, true);
                    why = Some((
                        "bad_answer",
                        "The tracker says no address for a part.".to_owned(),
                    ));
                }
            }
            (What::Part(number, _), Reply::Stored) => {
                if let Some(done) = upload.done.get_mut(number as usize) {
                    *done = true;
                }
                upload.failures = 0;
            }
            (What::Finish, Reply::Stored) => {
                upload.record.done = true;
                store = true;
            }
            (What::Finish, Reply::Checking(after)) => {
                let after = f64::from(after).clamp(1_000.0, PAUSE.ceiling_ms);
                upload.again = Some(Due::after(now, after));
            }
            (what, Reply::NotReached(text)) => {
                if let What::Part(number, url) = what {
                    upload.parts.insert(0, (number, url));
                }
                wait(upload, None, !away);
                why = Some(("unreachable", text));
            }
            (
                what,
                Reply::Refused {
                    status,
                    code,
                    retry_after_ms,
                    text,
                },
            ) => {
                let word = code.map_or("bad_answer", ErrorCode::as_str);
                why = Some((word, text));
                // The disk of a tracker may be full for days, and then takes what was computed meanwhile.
                wait(upload, retry_after_ms, code != Some(ErrorCode::StoreFull));
                let waits_long = retry_after_ms.is_some_and(|ms| ms > LONGEST_WAIT_MS);
                let begins = match (&what, status, code) {
                    // Its address has expired. The tracker says another.
                    (What::Part(..), 403 | 404 | 410, _) => {
                        upload.parts.clear();
                        upload.asked = false;
                        false
                    }
                    (What::Part(number, url), ..) => {
                        upload.parts.insert(0, (*number, url.clone()));
                        false
                    }
                    (_, _, Some(ErrorCode::UploadIncomplete)) => {
                        upload.count_parts();
                        false
                    }
                    (_, _, Some(ErrorCode::UploadExpired | ErrorCode::UploadWrongHash)) => {
                        upload.restart();
                        true
                    }
                    _ => false,
                };
                upload.beginnings += u32::from(begins);
                // The others may pass: an overloaded tracker, a store that is full or away, a token that has ended.
                let is_final = matches!(
                    code,
                    Some(
                        ErrorCode::UploadTooLarge
                            | ErrorCode::FilesOff
                            | ErrorCode::FileNotGranted
                            | ErrorCode::InvalidRequest
                    )
                ) || waits_long
                    || upload.beginnings >= BEGINNINGS;
                if is_final {
                    upload.failures = ENOUGH;
                }
            }
            // An answer to another call than this one.
            (what, _) => {
                if let What::Part(number, url) = what {
                    upload.parts.insert(0, (number, url));
                }
                wait(upload, None, true);
                why = Some((
                    "bad_answer",
                    "The tracker's answer cannot be read.".to_owned(),
                ));
            }
        }
        if let Some((code, text)) = why
            && upload.failures >= ENOUGH
        {
            let sentence = ["A file could not be sent: ", &text].concat();
            upload.failed = Some(Outcome::Failed(fault(code, &sentence)));
            upload.parts.clear();
        }
        if store {
            self.store(cx, &ticket);
        }
    }
}
