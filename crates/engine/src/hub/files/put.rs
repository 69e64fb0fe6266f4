//! What handlers put: it is kept here, and sent to the tracker.

use super::keep::{File, State, no_room};
use super::upload::Upload;
use super::{Files, Way, fault};
use crate::hub::action::{Action, Write};
use crate::hub::cx::Cx;
use crate::hub::file::{FileAction, Put, Record};
use crate::hub::jobs::JobTable;
use crate::list::{IntoList, retain};

impl Files {
    /// A handler has put a file.
    pub(super) fn put(&mut self, cx: &mut Cx, put: Put, table: &JobTable, ways: &[Way]) {
        if self.room.is_none() {
            self.measure(cx);
            self.early.push(put);
            return;
        }
        let job = table.get(put.key).filter(|job| job.outcome().is_none());
        let refused = match job {
            None => Some(fault(
                "aborted",
                "The job has ended, or is somebody else's by now.",
            )),
            Some(job) if !ways.get(job.session).is_some_and(|way| way.takes) => Some(fault(
                "files_not_supported",
                "This tracker takes no files: it is older, or its operator has set object_store to off.",
            )),
            Some(_) => self.refusal(cx, &put),
        };
        let Some(job) = job.filter(|_| refused.is_none()) else {
            cx.out.push(Action::File(FileAction::Answer {
                core: put.core,
                put: put.id,
                refused,
            }));
            return;
        };
        let ticket = job.ticket.text();
        if self.upload(ticket, &put.name).is_none() {
            let upload = Upload::restored(Record {
                ticket: ticket.to_owned(),
                name: put.name.clone(),
                bytes: put.bytes,
                kind: put.kind,
                begun: None,
                done: false,
            });
            self.uploads.push(upload);
        }
        let now = cx.now;
        let waits = self.puts.iter().any(|(name, ..)| *name == put.name);
        let file = self.entry(&put.name, put.bytes);
        let known = file.is_at_rest() && file.bytes == put.bytes;
        let durable = known && (file.durable || file.state == State::Kept);
        if let State::Fetching(_) = file.state {
            cx.out
                .push(Action::File(FileAction::Leave(put.name.clone())));
        }
        // Its bytes are at hand in any case: they have just come.
        (file.state, file.bytes, file.durable) = (State::Ready, put.bytes, durable);
        (file.last, file.pinned) = (now, true);
        self.puts.push((put.name.clone(), put.core, put.id));
        if known && !waits {
            self.kept(cx, &put.name, durable);
        } else if !waits {
            cx.out.push(Action::File(FileAction::Keep {
                name: put.name,
                bytes: put.bytes,
            }));
        }
    }

    /// Why there is no room for a file that was put, if that is so. What is not needed is deleted for it.
    fn refusal(&mut self, cx: &mut Cx, put: &Put) -> Option<String> {
        let known = self.get(&put.name).is_some_and(File::is_here);
        let room = self.room.map_or(0.0, |room| room.bytes);
        if known || self.make_room(cx, put.bytes, room) {
            return None;
        }
        Some(no_room(put.bytes, room))
    }

    /// A file that was put is kept, or could not be stored and is only in memory.
    pub(super) fn kept(&mut self, cx: &mut Cx, name: &str, durable: bool) {
        if let Some(file) = self.get_mut(name) {
            file.durable = durable;
        }
        let mut puts = std::mem::take(&mut self.puts);
        retain(&mut puts, |(of, core, put)| {
            if of == name {
                cx.out.push(Action::File(FileAction::Answer {
                    core: *core,
                    put: *put,
                    refused: None,
                }));
            }
            of != name
        });
        self.puts = puts;
        for upload in self.uploads.iter().filter(|of| of.record.name == name) {
            self.store(cx, &upload.record.ticket);
        }
    }

    /// Writes the uploads of a job to storage.
    pub(super) fn store(&self, cx: &mut Cx, ticket: &str) {
        let of = self.uploads.iter().filter(|of| of.record.ticket == ticket);
        let records = of.map(|of| of.record.clone()).into_list();
        let write = Write::Uploads(ticket.to_owned(), records);
        cx.out.push(Action::Store(write));
    }
}
