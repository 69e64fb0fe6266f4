//! Files of jobs: which ones are fetched, kept, deleted and uploaded, and when.
//!
//! The files that the input of a job names are here before a core gets the job. A result goes out when the tracker
//! has all files that it names and that were put for it.
//!
//! | module | contents |
//! | --- | --- |
//! | `keep` | the files in this browser: what is fetched, what is deleted for it, what follows from a failure |
//! | `put` | what handlers put |
//! | `upload` | the files that are sent to the tracker |
//!
//! A file is known by the hash of its bytes, so it is here once, whatever names it.

mod keep;
mod put;
#[cfg(test)]
mod tests;
mod upload;

use distcompute_protocol::MAX_FILE_REFS;

use crate::hub::action::{Action, Write};
use crate::hub::cx::Cx;
use crate::hub::file::FileAction;
use crate::hub::file::{Fetched, FileEvent, Put, Record, Reference, Reply};
use crate::hub::files::keep::{File, State};
use crate::hub::files::upload::Upload;
use crate::hub::jobs::{Job, JobKey, JobTable, Outcome};
use crate::list::retain;
use crate::sorted_map::SortedMap;
use crate::status::FileStatus;
use crate::time::clock::Due;

/// The tracker, as the uploads of one session see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Way {
    /// The token of the registration; `None` while there is none, or where the tracker knows no leases.
    pub token: Option<String>,
    /// Whether the tracker takes files.
    pub takes: bool,
    /// Whether it does not answer at the moment.
    pub away: bool,
}

/// The space for files, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Room {
    bytes: f64,
    /// Whether what is kept outlives the page.
    durable: bool,
}

/// Files that are only in memory have so many bytes together at most.
pub const MEMORY_BYTES: f64 = 268_435_456.0;

/// Why `put` was refused or a job failed, as `code: sentence`.
fn fault(code: &str, sentence: &str) -> String {
    [code, ": ", sentence].concat()
}

/// A number of bytes for people.
fn mb(bytes: f64) -> String {
    // Rust's printing of floats is 20 KB.
    [&((bytes / 1e6).ceil() as u64).to_string(), " MB"].concat()
}

/// The files of a hub.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Files {
    /// The files that a text names, by the number of the text.
    named: SortedMap<Vec<Reference>>,
    /// All files that are here, come, or could not be fetched, sorted by name.
    files: Vec<File>,
    uploads: Vec<Upload>,
    /// Calls of uploads that are not here any more.
    cancelled: Vec<u32>,
    /// Those who wait until a file that they have put is kept: its name, the core, its number for the call.
    puts: Vec<(String, u32, u32)>,
    /// Files that were put before it was known how much room there is.
    early: Vec<Put>,
    room: Option<Room>,
    /// Whether the driver was asked for it.
    asked: bool,
    /// Storage has failed: until when files are kept in memory.
    no_disk: Option<Due>,
    /// Whether the tracker did not answer when this was last looked at.
    away: bool,
    /// Counts transfers.
    last: u32,
    /// Counts how often files were pinned.
    ticks: u64,
}

impl Files {
    /// Whether there is nothing to do.
    fn is_idle(&self) -> bool {
        self.named.is_empty()
            && self.uploads.is_empty()
            && self.files.iter().all(|file| file.state == State::Kept)
    }

    /// Whether all files that the input of a job names are at hand.
    #[must_use]
    pub fn are_ready(&self, job: &Job) -> bool {
        let is_ready = |of: &Reference| {
            let file = self.get(&of.name);
            !of.is_fetched() || file.is_some_and(|file| file.state == State::Ready)
        };
        self.needs(job).iter().all(is_ready)
    }

    /// The files that the input of a job names.
    #[must_use]
    pub fn needs(&self, job: &Job) -> &[Reference] {
        let input = job.input.and_then(|text| self.named.get(text.id));
        input.map_or(&[], |refs| refs)
    }

    /// Whether an upload of this session is unfinished, so that its leases are needed.
    #[must_use]
    pub fn holds(&self, table: &JobTable, session: usize) -> bool {
        table.iter().any(|job| job.session == session && job.held)
    }

    /// The files that are under way.
    #[must_use]
    pub fn status(&self) -> FileStatus {
        let mut all = FileStatus::default();
        for upload in self.uploads.iter().filter(|upload| upload.is_open()) {
            all.sending += 1;
            all.bytes_sent += upload.sent();
            all.bytes_to_send += upload.record.bytes;
        }
        for file in self.files.iter().filter(|file| file.pinned) {
            if matches!(file.state, State::Absent | State::Fetching(_)) {
                all.fetching += 1;
                all.bytes_fetched += file.have;
                all.bytes_to_fetch += file.bytes;
            }
        }
        all
    }

    /// A text is not needed any more.
    pub fn forget(&mut self, text: u32) {
        self.named.remove(text);
    }

    /// Handles an event of the driver.
    pub fn handle(&mut self, cx: &mut Cx, event: FileEvent, table: &JobTable, ways: &[Way]) {
        match event {
            FileEvent::Room {
                bytes,
                durable,
                kept,
            } => {
                self.room = Some(Room { bytes, durable });
                for (name, bytes) in kept {
                    self.found(&name, bytes);
                }
                for put in std::mem::take(&mut self.early) {
                    self.put(cx, put, table, ways);
                }
            }
            FileEvent::Named { text, mut refs } => {
                refs.truncate(MAX_FILE_REFS);
                self.named.insert(text, refs);
            }
            FileEvent::Uploads(records) => {
                for record in records {
                    self.uploads.push(Upload::restored(record));
                }
            }
            FileEvent::Opened(name, there) => self.opened(&name, there),
            FileEvent::Moved(name, bytes) => {
                if let Some(file) = self.get_mut(&name) {
                    // `clamp` links the printing of floats.
                    file.have = bytes.max(0.0).min(file.bytes);
                }
            }
            FileEvent::Fetched(id, name, end) => {
                let away = ways.iter().any(|way| way.away);
                self.fetched(cx, id, &name, end, away);
            }
            FileEvent::Put(put) => self.put(cx, put, table, ways),
            FileEvent::Kept(name, durable) => self.kept(cx, &name, durable),
            FileEvent::Replied(id, reply) => self.replied(cx, id, reply, table, ways),
        }
    }

    /// Does everything that is due now. Returns the jobs that end because of their files.
    pub fn pump(
        &mut self,
        cx: &mut Cx,
        table: &mut JobTable,
        ways: &[Way],
    ) -> Vec<(JobKey, Outcome)> {
        let mut over = Vec::new();
        if self.is_idle() {
            return over;
        }
        self.hurry(ways);
        self.drop_uploads(cx, table);
        self.hold(table, &mut over);
        self.measure(cx);
        self.pin(cx, table, &mut over);
        self.fetch(cx);
        self.send(cx, table, ways);
        over
    }

    /// Once the tracker answers again, nothing waits for the end of a pause that began while it was away.
    fn hurry(&mut self, ways: &[Way]) {
        let away = ways.iter().any(|way| way.away);
        if self.away && !away {
            for file in &mut self.files {
                file.again = None;
            }
            for upload in &mut self.uploads {
                upload.again = None;
            }
        }
        self.away = away;
    }

    /// Marks the results that wait for their files, and ends those whose files do not get there.
    fn hold(&self, table: &mut JobTable, over: &mut Vec<(JobKey, Outcome)>) {
        for job in table.iter_mut() {
            let text = match job.outcome() {
                Some(Outcome::Done(text)) => text.id,
                _ => {
                    job.held = false;
                    continue;
                }
            };
            job.held = false;
            for of in self.named.get(text).map_or(&[][..], |refs| refs) {
                let upload = self.upload(job.ticket.text(), &of.name);
                let outcome = match upload {
                    Some(upload) => match &upload.failed {
                        Some(outcome) => outcome.clone(),
                        None => {
                            job.held |= upload.is_open();
                            continue;
                        }
                    },
                    // What an earlier visit has left has no input. The tracker decides.
                    None if job.input.is_none()
                        || self.needs(job).iter().any(|need| need.name == of.name) =>
                    {
                        continue;
                    }
                    None => Outcome::Failed(fault(
                        "file_not_granted",
                        "The result names a file that its handler has not put and its input does not name.",
                    )),
                };
                over.push((job.key, outcome));
                break;
            }
        }
    }

    /// Drops the uploads of jobs that are settled or lost.
    fn drop_uploads(&mut self, cx: &mut Cx, table: &JobTable) {
        let mut gone: Vec<String> = Vec::new();
        let cancelled = &mut self.cancelled;
        retain(&mut self.uploads, |upload| {
            let ticket = &upload.record.ticket;
            let there = table.by_ticket(ticket).is_some();
            if !there && !gone.contains(ticket) {
                gone.push(ticket.clone());
            }
            for id in upload.under_way().filter(|_| !there) {
                cancelled.push(id);
                cx.out.push(Action::File(FileAction::Cancel(id)));
            }
            there
        });
        for ticket in gone {
            cx.out
                .push(Action::Store(Write::Uploads(ticket, Vec::new())));
        }
    }

    fn next_id(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }
}
