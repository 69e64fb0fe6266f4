//! The handlers that jobs are given to: how long they work, what they call, and how they end.

use distcompute_engine::core::worker::Event;
use distcompute_engine::hub::jobs::JobKey;

use super::super::Browser;
use super::super::planned::{Planned, Sim};
use crate::tracker::{Tracker, weighing};

/// A handler saves a checkpoint so often.
const CHECKPOINT_MS: f64 = 200.0;

/// An asynchronous handler without progress awaits `ready` after so much work.
const PIECE_MS: f64 = 1_000.0;

/// What outputs begin with.
pub const GOOD: &str = "out";
pub const BAD: &str = "bad";

/// How a job ends in its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Done,
    Throws,
    Flags,
    /// It never returns, and calls nothing.
    Hangs,
    /// Its WebAssembly traps.
    Traps,
    /// Its worker is gone.
    Dies,
}

/// How a handler works on a job.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub ms: f64,
    pub fate: Fate,
    /// Blocks its thread.
    pub blocks: bool,
    /// Calls `progress` so often, in milliseconds of work.
    pub progress_ms: Option<f64>,
    pub checkpoint: bool,
    /// Bytes of output beyond a name.
    pub bytes: usize,
    /// Its output is bad: the handler of the next stage flags it.
    pub spoils: bool,
}

impl Work {
    pub fn of(ms: f64) -> Self {
        Self {
            ms,
            fate: Fate::Done,
            blocks: true,
            progress_ms: None,
            checkpoint: false,
            bytes: 0,
            spoils: false,
        }
    }
}

/// How job `number` is worked on when it begins here for the nth time, counted from 1.
pub type Handler = Box<dyn Fn(u64, u32) -> Work>;

/// A handler at work.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) key: JobKey,
    pub(super) name: String,
    pub(super) work: Work,
    /// Work that is done, the length of the current piece, and when that ends.
    pub(super) spent: f64,
    pub(super) piece: f64,
    pub(super) ends: f64,
    /// `progress` has no effect before this time.
    pub(super) until: f64,
    pub(super) saved: f64,
    /// It is in `progress`, which may sleep.
    pub(super) asks: bool,
    /// It was told to stop.
    pub(super) aborted: bool,
}

impl<T: Tracker> Browser<T> {
    /// Calls the handler.
    pub(super) fn begin(&mut self, at: u32) -> Vec<Event<Sim>> {
        let time = self.time();
        let job = self.cores[&at].worker.running().expect("a job begins");
        let (key, number, resumes) = (job.key, job.number, job.resume.is_some());
        let is_bad = job.input.as_ref().is_some_and(|it| it.starts_with(BAD));
        let stage = job.stage;
        let begun = self.begun.entry(number).or_default();
        *begun += 1;
        let mut work = (self.handler)(number, *begun);
        if is_bad {
            work.fate = Fate::Flags;
        }
        self.resumed += u32::from(resumes);
        self.begun_at.push(time);
        let kind = if work.spoils { BAD } else { GOOD };
        let core = self.cores.get_mut(&at).expect("it is there");
        core.run = Some(Run {
            key,
            name: format!("{kind} {number} {stage}"),
            work,
            spent: 0.0,
            piece: 0.0,
            ends: self.t,
            until: f64::NEG_INFINITY,
            saved: f64::NEG_INFINITY,
            asks: false,
            aborted: false,
        });
        if work.blocks {
            self.next_piece(at);
            Vec::new()
        } else {
            vec![Event::Pending, Event::Ready]
        }
    }

    /// The handler works at its next piece.
    pub(super) fn next_piece(&mut self, at: u32) {
        let t = self.t;
        let Some(core) = self.cores.get_mut(&at) else {
            return;
        };
        let Some(run) = core.run.as_mut().filter(|run| !run.aborted) else {
            return;
        };
        let left = run.work.ms - run.spent;
        let hangs = run.work.fate == Fate::Hangs;
        let piece = match run.work.progress_ms {
            Some(ms) => ms,
            None if run.work.blocks => left,
            None => PIECE_MS,
        };
        run.piece = if hangs && left <= 0.0 {
            return;
        } else {
            piece.min(left.max(0.0))
        };
        run.ends = t + run.piece;
        core.plan += 1;
        let (generation, plan, piece) = (core.generation, core.plan, run.piece);
        self.plan(piece, Planned::Step(at, generation, plan));
    }

    pub(in crate::browser) fn is_planned(&self, at: u32, plan: u64) -> bool {
        self.cores.get(&at).is_some_and(|core| core.plan == plan)
    }

    /// A piece of work is done.
    pub(in crate::browser) fn step(&mut self, at: u32) {
        let t = self.t;
        let Some(core) = self.cores.get_mut(&at) else {
            return;
        };
        let Some(run) = &mut core.run else { return };
        if run.ends > t + 1e-3 {
            // The page was frozen meanwhile.
            let (generation, plan, left) = (core.generation, core.plan, run.ends - t);
            self.plan(left, Planned::Step(at, generation, plan));
            return;
        }
        run.spent += run.piece;
        self.worked_ms += run.piece;
        let over = run.spent + 1e-6 >= run.work.ms;
        let asks = run.work.progress_ms.is_some() && t >= run.until;
        if asks && (!over || run.work.fate == Fate::Hangs) {
            run.asks = true;
            let (done, total) = (run.spent, run.work.ms);
            self.tell_core(
                at,
                Event::Progress {
                    done,
                    total,
                    text: String::new(),
                    nested: false,
                },
            );
            return;
        }
        for event in self.after_piece(at) {
            self.tell_core(at, event);
        }
    }

    /// What the handler does after a piece of work.
    pub(super) fn after_piece(&mut self, at: u32) -> Vec<Event<Sim>> {
        let t = self.t;
        let Some(run) = self.cores.get_mut(&at).and_then(|core| core.run.as_mut()) else {
            return Vec::new();
        };
        let mut events = Vec::new();
        let (key, fate) = (run.key, run.work.fate);
        if run.spent + 1e-6 < run.work.ms || fate == Fate::Hangs {
            if run.work.checkpoint && t - run.saved >= CHECKPOINT_MS {
                run.saved = t;
                events.push(Event::Checkpoint(()));
            }
            if run.work.blocks {
                self.next_piece(at);
            } else {
                events.push(Event::Ready);
            }
            return events;
        }
        match fate {
            Fate::Done => {
                let (name, bytes) = (run.name.clone(), run.work.bytes);
                let output = if self.light {
                    weighing(&name, bytes)
                } else {
                    name + &"x".repeat(bytes)
                };
                if let Some(core) = self.cores.get_mut(&at) {
                    (core.output, core.run) = (Some(output), None);
                }
                events.push(Event::Returned(key));
            }
            Fate::Throws => events.push(self.throws(at, "no such shard", false)),
            Fate::Flags => {
                events.push(Event::Flagged("not an image".to_owned()));
                events.push(self.throws(at, "not an image", false));
            }
            Fate::Traps => {
                if let Some(core) = self.cores.get_mut(&at) {
                    core.broken = true;
                }
                events.push(self.throws(at, "unreachable", true));
            }
            Fate::Dies => self.kill_core(at),
            Fate::Hangs => {}
        }
        events
    }

    /// The handler throws.
    pub(super) fn throws(&mut self, at: u32, message: &str, trap: bool) -> Event<Sim> {
        let run = self.cores.get_mut(&at).and_then(|core| core.run.take());
        let key = run.expect("a handler throws").key;
        let message = message.to_owned();
        Event::Threw { key, message, trap }
    }
}
