//! The files in this browser.

use super::{Fetched, FileAction, Files, MEMORY_BYTES, Reference, fault, mb};
use crate::hub::action::Action;
use crate::hub::cx::{Cx, Timer};
use crate::hub::jobs::{Job, JobKey, JobState, JobTable, Outcome};
use crate::list::IntoList;
use crate::time::backoff::Backoff;
use crate::time::clock::{Due, Now};

/// So many files are fetched at a time. A browser opens six connections to a server: these, the parts that are
/// sent, and one for the tracker's other calls.
const FETCHES: usize = 2;

/// The wait before a fetch that failed is tried again.
const PAUSE: Backoff = Backoff::doubling(1_000.0, 300_000.0).with_jitter(0.5);

/// After so many failures in a row that brought nothing, four to eight minutes, the jobs that need the file are
/// given back.
const ENOUGH: u32 = 9;

/// A transfer of which nothing has come for this long is ended.
const STALL_MS: u32 = 30_000;

/// An address that is refused although it is younger than this is wrong and has not expired.
const FRESH_MS: f64 = 600_000.0;

/// A file that nothing needs stays at hand for this long.
const HANDY_MS: f64 = 60_000.0;

/// For so long after storage has failed, files are kept in memory.
const NO_DISK_MS: f64 = 600_000.0;

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is not here.
    Absent,
    /// It is fetched, by an attempt with this number.
    Fetching(u32),
    /// It is in storage.
    Kept,
    /// It is being opened.
    Opening,
    /// It is at hand.
    Ready,
}

/// A file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: f64,
    pub(super) state: State,
    /// Its latest address, and since when that is known.
    url: String,
    addressed: Now,
    /// How much of it has come, and how much had at the last failure.
    pub(super) have: f64,
    had: f64,
    /// Whether it is in storage, where it is at hand.
    pub(super) durable: bool,
    /// Whether something here needs it.
    pub(super) pinned: bool,
    /// In which order it was needed, and when it was last.
    tick: u64,
    order: usize,
    pub(super) last: Now,
    /// Failures in a row, and when it is tried again.
    failures: u32,
    pub(super) again: Option<Due>,
    /// It came with another hash before.
    damaged: bool,
    /// How the jobs end that need it.
    verdict: Option<Outcome>,
}

impl File {
    fn new(name: String, bytes: f64) -> Self {
        Self {
            name,
            bytes,
            state: State::Absent,
            url: String::new(),
            addressed: Now::default(),
            have: 0.0,
            had: 0.0,
            durable: false,
            pinned: false,
            tick: 0,
            order: 0,
            last: Now::default(),
            failures: 0,
            again: None,
            damaged: false,
            verdict: None,
        }
    }

    /// Whether it takes room.
    pub(super) fn is_here(&self) -> bool {
        self.state != State::Absent
    }

    fn is_in_memory(&self) -> bool {
        !self.durable && matches!(self.state, State::Ready | State::Fetching(_))
    }

    pub(super) fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Kept | State::Ready)
    }
}

impl Files {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.files
            .binary_search_by(|file| file.name.as_str().cmp(name))
    }

    pub(super) fn get(&self, name: &str) -> Option<&File> {
        self.files.get(self.find(name).ok()?)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut File> {
        let at = self.find(name).ok()?;
        self.files.get_mut(at)
    }

    /// A file, which is made where it is not known.
    pub(super) fn entry(&mut self, name: &str, bytes: f64) -> &mut File {
        let (Ok(at) | Err(at)) = self.find(name);
        if self.files.get(at).is_none_or(|file| file.name != name) {
            let file = File::new(name.to_owned(), bytes);
            self.files.insert(at, file);
        }
        &mut self.files[at]
    }

    /// An earlier visit has kept a file.
    pub(super) fn found(&mut self, name: &str, bytes: f64) {
        self.ticks += 1;
        let tick = self.ticks;
        let file = self.entry(name, bytes);
        if file.state == State::Absent {
            (file.state, file.bytes, file.tick) = (State::Kept, bytes, tick);
        }
    }

    pub(super) fn opened(&mut self, name: &str, there: bool) {
        if let Some(file) = self.get_mut(name).filter(|f| f.state == State::Opening) {
            file.durable = there;
            file.state = if there { State::Ready } else { State::Absent };
        }
    }

    /// Has the driver find out how much room there is.
    pub(super) fn measure(&mut self, cx: &mut Cx) {
        if !self.asked {
            self.asked = true;
            cx.out.push(Action::File(FileAction::Measure));
        }
    }

    /// Notes which files are needed: those of jobs that run, those that are sent, and those of the next jobs, as
    /// far as they fit together. A job that does not fit beside others waits for them, and so do those after it,
    /// because two jobs that each had a part of their files would wait for each other for ever.
    pub(super) fn pin(&mut self, cx: &mut Cx, table: &JobTable, over: &mut Vec<(JobKey, Outcome)>) {
        self.ticks += 1;
        for file in &mut self.files {
            file.pinned = false;
        }
        let mut pinned = Pinned::default();
        let sent = self.uploads.iter().filter(|upload| upload.is_open());
        let sent = sent
            .map(|upload| (upload.record.name.clone(), upload.record.bytes))
            .into_list();
        for (name, bytes) in sent {
            self.pin_one(cx.now, &name, bytes, None, &mut pinned);
        }
        let needy = |job: &Job| job.outcome().is_none();
        let named = std::mem::take(&mut self.named);
        let refs_of = |job: &Job| {
            let refs = job.input.and_then(|text| named.get(text.id));
            refs.map_or(&[][..], |refs| refs)
        };
        for job in table
            .iter()
            .filter(|job| needy(job) && job.core().is_some())
        {
            for of in refs_of(job).iter().filter(|of| of.is_fetched()) {
                self.pin_one(cx.now, &of.name, of.bytes, None, &mut pinned);
            }
        }
        for job in table.iter().filter(|job| job.state == JobState::Ahead) {
            let refs = refs_of(job).iter().filter(|of| of.is_fetched()).into_list();
            let Some(room) = self.room.filter(|_| !refs.is_empty()) else {
                continue;
            };
            let failed = refs
                .iter()
                .find_map(|of| self.get(&of.name)?.verdict.clone());
            if let Some(outcome) = failed {
                over.push((job.key, outcome));
                continue;
            }
            let is_new = |of: &&&Reference| !self.get(&of.name).is_some_and(|f| f.pinned);
            let new: f64 = refs.iter().filter(is_new).map(|of| of.bytes).sum();
            let all: f64 = refs.iter().map(|of| of.bytes).sum();
            if all > room.bytes {
                over.push((job.key, Outcome::Failed(no_room(all, room.bytes))));
                continue;
            }
            if new > 0.0 && pinned.bytes + new > room.bytes {
                break;
            }
            for of in refs {
                self.pin_one(cx.now, &of.name, of.bytes, Some(&of.url), &mut pinned);
            }
        }
        self.named = named;
        // A verdict counts for the jobs that are here now.
        for file in &mut self.files {
            file.verdict = None;
        }
        self.let_go(cx);
    }

    fn pin_one(
        &mut self,
        now: Now,
        name: &str,
        bytes: f64,
        url: Option<&str>,
        pinned: &mut Pinned,
    ) {
        let tick = self.ticks;
        let file = self.entry(name, bytes);
        if let Some(url) = url
            && file.url != url
        {
            url.clone_into(&mut file.url);
            file.addressed = now;
        }
        (file.last, file.tick) = (now, tick);
        if !file.pinned {
            file.pinned = true;
            file.order = pinned.count;
            pinned.count += 1;
            pinned.bytes += file.bytes;
        }
    }

    /// Lets go of what nothing needs.
    fn let_go(&mut self, cx: &mut Cx) {
        let mut at = 0;
        while let Some(file) = self.files.get_mut(at) {
            let (pinned, state) = (file.pinned, file.state);
            let idle_ms = HANDY_MS - cx.now.since(file.last);
            if !pinned && matches!(state, State::Fetching(_)) {
                file.state = State::Absent;
                cx.out
                    .push(Action::File(FileAction::Leave(file.name.clone())));
            } else if !pinned
                && state == State::Ready
                && file.durable
                && cx.expired(Timer::Files, idle_ms)
            {
                file.state = State::Kept;
                cx.out
                    .push(Action::File(FileAction::Close(file.name.clone())));
            }
            // The wait after a failure lasts, whichever job needs the file next.
            let waits = file.again.is_some_and(|again| !again.is_over(cx.now));
            if !pinned && file.state == State::Absent && !waits {
                self.files.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Begins to fetch what is needed, in the order of the jobs.
    pub(super) fn fetch(&mut self, cx: &mut Cx) {
        let Some(room) = self.room else { return };
        let is_coming = |file: &&File| matches!(file.state, State::Fetching(_));
        let mut coming = self.files.iter().filter(is_coming).count();
        for file in self.files.iter_mut().filter(|file| file.pinned) {
            if file.state == State::Kept {
                file.state = State::Opening;
                cx.out.push(Action::File(FileAction::Open {
                    name: file.name.clone(),
                    bytes: file.bytes,
                }));
            }
        }
        while coming < FETCHES {
            let mut next: Option<(usize, usize)> = None;
            for (at, file) in self.files.iter().enumerate() {
                let wanted = file.pinned && file.state == State::Absent && !file.url.is_empty();
                let left = file.again.map_or(0.0, |again| again.left_ms(cx.now));
                if wanted
                    && cx.expired(Timer::Files, left)
                    && next.is_none_or(|(order, _)| file.order < order)
                {
                    next = Some((file.order, at));
                }
            }
            let Some(file) = next.and_then(|(_, at)| self.files.get(at)) else {
                return;
            };
            let (name, bytes, url) = (file.name.clone(), file.bytes, file.url.clone());
            let failing = self.no_disk.is_some_and(|until| !until.is_over(cx.now));
            let memory = !room.durable || failing;
            if memory && bytes > MEMORY_BYTES {
                self.judge(&name, Outcome::Failed(no_room(bytes, MEMORY_BYTES)));
                cx.arm(Timer::Files, 1.0);
                return;
            }
            let here = self.files.iter().filter(|file| file.is_in_memory());
            let in_memory: f64 = here.map(|file| file.bytes).sum();
            let fits = !memory || in_memory + bytes <= MEMORY_BYTES.max(room.bytes);
            if !fits || !self.make_room(cx, bytes, room.bytes) {
                return;
            }
            let id = self.next_id();
            if let Some(file) = self.get_mut(&name) {
                file.state = State::Fetching(id);
                file.durable = !memory;
            }
            coming += 1;
            cx.out.push(Action::File(FileAction::Fetch {
                id,
                name,
                bytes,
                url,
                memory,
                stall_ms: STALL_MS,
            }));
        }
    }

    fn judge(&mut self, name: &str, outcome: Outcome) {
        if let Some(file) = self.get_mut(name) {
            file.verdict = Some(outcome);
            (file.have, file.had, file.damaged) = (0.0, 0.0, false);
        }
    }

    /// Deletes what has not been needed for the longest time, until there is room for `bytes`. Whether there is.
    pub(super) fn make_room(&mut self, cx: &mut Cx, bytes: f64, room: f64) -> bool {
        let here = self.files.iter().filter(|file| file.is_here());
        let mut used: f64 = here.map(|file| file.bytes).sum();
        while used + bytes > room {
            let mut oldest: Option<(u64, usize)> = None;
            for (at, file) in self.files.iter().enumerate() {
                let may_go = !file.pinned && file.is_at_rest();
                if may_go && oldest.is_none_or(|(tick, _)| file.tick < tick) {
                    oldest = Some((file.tick, at));
                }
            }
            let Some((_, at)) = oldest else { return false };
            let file = self.files.remove(at);
            used -= file.bytes;
            cx.out.push(Action::File(FileAction::Drop {
                name: file.name,
                bytes: file.bytes,
            }));
        }
        true
    }

    /// An attempt to fetch a file has ended.
    pub(super) fn fetched(&mut self, cx: &mut Cx, id: u32, name: &str, end: Fetched, away: bool) {
        let (now, random) = (cx.now, cx.random);
        let Some(file) = self
            .get_mut(name)
            .filter(|file| file.state == State::Fetching(id))
        else {
            return;
        };
        file.state = State::Absent;
        let wait = |file: &mut File, after: Option<u32>| {
            let wait = PAUSE.wait_ms(file.failures, random);
            let wait = wait.max(f64::from(after.unwrap_or(0)).min(PAUSE.ceiling_ms));
            file.again = Some(Due::after(now, wait));
            // While the tracker is away too the wait grows, and nothing is given up.
            file.failures += u32::from(!away || file.failures + 1 < ENOUGH);
        };
        let is_fresh = now.since(file.addressed) < FRESH_MS;
        let verdict = match end {
            Fetched::Whole { durable } => {
                (file.state, file.durable) = (State::Ready, durable);
                (file.have, file.had) = (file.bytes, 0.0);
                (file.failures, file.again, file.damaged) = (0, None, false);
                return;
            }
            Fetched::Damaged if !file.damaged => {
                file.damaged = true;
                wait(file, None);
                None
            }
            Fetched::Damaged => {
                wait(file, None);
                Some(Outcome::Failed(fault(
                    "file_damaged",
                    &[
                        "The bytes of ",
                        name,
                        " are others than its name or size says, twice.",
                    ]
                    .concat(),
                )))
            }
            // The answer of an overloaded server or of a proxy.
            Fetched::Broken
            | Fetched::Refused {
                status: 408 | 425 | 429 | 500..=599,
                ..
            } => {
                let after = match end {
                    Fetched::Refused { retry_after_ms, .. } => retry_after_ms,
                    _ => None,
                };
                if file.have > file.had {
                    (file.had, file.failures) = (file.have, 0);
                }
                wait(file, after);
                // Not the fault of the input: others may reach the file.
                (file.failures >= ENOUGH).then_some(Outcome::Released)
            }
            Fetched::Refused { status, .. } => {
                wait(file, None);
                Some(if is_fresh {
                    Outcome::Failed(fault(
                        "file_unknown",
                        &[
                            "The address of ",
                            name,
                            " answers ",
                            &status.to_string(),
                            ".",
                        ]
                        .concat(),
                    ))
                } else {
                    // It has expired. The job comes again with another one.
                    Outcome::Released
                })
            }
            Fetched::Full => {
                self.no_disk = Some(Due::after(now, NO_DISK_MS));
                if let Some(file) = self.get_mut(name) {
                    wait(file, None);
                }
                return;
            }
        };
        if let Some(outcome) = verdict {
            self.judge(name, outcome);
            cx.out
                .push(Action::File(FileAction::Leave(name.to_owned())));
        } else if end == Fetched::Damaged
            && let Some(file) = self.get_mut(name)
        {
            file.have = 0.0;
        }
    }
}

/// What is needed, as far as it was counted.
#[derive(Default)]
struct Pinned {
    count: usize,
    bytes: f64,
}

pub(super) fn no_room(bytes: f64, room: f64) -> String {
    let sentence = [
        &mb(bytes),
        " of files are needed together, and this browser keeps ",
        &mb(room),
        ".",
    ];
    fault("file_no_room", &sentence.concat())
}
