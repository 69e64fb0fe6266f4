//! The jobs in this browser, each from when it is granted until its outcome is delivered. The driver keeps
//! the texts; here they have a number and a size.

use crate::list::IntoList;
use crate::sorted_map::SortedMap;
use crate::time::clock::Now;

/// Identifies a job in this browser. Never used twice.
pub type JobKey = u32;

/// A text that the driver keeps: an input or an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Its number at the driver.
    pub id: u32,
    /// How many bytes it takes in a request, at most.
    pub bytes: u32,
}

/// The right to hand a job's result in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ticket {
    /// A lease of `sync`.
    Lease(String),
    /// The first protocol knows no leases: the registration that holds the job, by its token.
    Token(String),
}

impl Ticket {
    /// The secret text itself, which is also what the job is stored under.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Lease(text) | Self::Token(text) => text,
        }
    }
}

/// What became of a job. The hub has a number in place of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<Output = Text> {
    /// Its output.
    Done(Output),
    /// Its input is bad, and why.
    Invalid(String),
    /// The work did not succeed, and why.
    Failed(String),
    /// It is put back unfinished.
    Released,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub enum JobState {
    /// It waits for the first free core.
    Ahead,
    /// In a core's own queue, not started.
    Queued {
        /// Which core.
        core: u32,
    },
    /// A core works on it.
    Running {
        /// Which core.
        core: u32,
        /// Since when.
        since: Now,
    },
    /// The work has ended; the tracker has not taken the outcome yet.
    Ended {
        /// What became of it.
        outcome: Outcome,
        /// Since when it waits.
        since: Now,
        /// How long the work on it took, in milliseconds.
        took_ms: f64,
        /// Whether a request that carries it is under way.
        sent: bool,
        /// Whether it has been written to storage.
        stored: bool,
    },
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Identifies it here.
    pub key: JobKey,
    /// The session that it came by, counted from 0.
    pub session: usize,
    /// Its number at the tracker.
    pub number: u64,
    /// How often it was handed out at this stage.
    pub attempt: u32,
    /// The right to hand its result in.
    pub ticket: Ticket,
    /// Its input. `None`: `null`, as old trackers may say.
    pub input: Option<Text>,
    /// How far it is.
    pub state: JobState,
    /// Whether it has a checkpoint in storage, so that it can go on later.
    pub resumable: bool,
    /// Whether it is a result of an earlier visit.
    pub restored: bool,
    /// Whether it was reclaimed from a busy core, which may have begun it.
    pub taken: bool,
    /// Whether its result waits for files that it names.
    pub held: bool,
}

impl Job {
    /// The core that has it, started or not.
    #[must_use]
    pub fn core(&self) -> Option<u32> {
        match self.state {
            JobState::Queued { core } | JobState::Running { core, .. } => Some(core),
            _ => None,
        }
    }

    /// What became of it, where the work has ended.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            JobState::Ended { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// Whether it has an outcome that no request carries and that waits for no files.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(self.state, JobState::Ended { sent: false, .. }) && !self.held
    }

    /// What it is stored under.
    #[must_use]
    pub fn name(&self) -> String {
        self.ticket.text().to_owned()
    }
}

/// All jobs in this browser.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobTable {
    jobs: SortedMap<Job>,
    last: JobKey,
    /// Texts that are not needed any more.
    pub freed: Vec<Text>,
    /// Names of records to delete from storage.
    pub forgotten: Vec<String>,
}

impl JobTable {
    /// Puts a job on the table.
    pub fn add(
        &mut self,
        session: usize,
        number: u64,
        attempt: u32,
        ticket: Ticket,
        input: Option<Text>,
    ) -> JobKey {
        self.last += 1;
        let key = self.last;
        let job = Job {
            key,
            session,
            number,
            attempt,
            ticket,
            input,
            state: JobState::Ahead,
            resumable: false,
            restored: false,
            taken: false,
            held: false,
        };
        self.jobs.insert(key, job);
        key
    }

    /// Makes all further keys larger than `first`, so that no two hubs of a page use the same.
    pub fn count_from(&mut self, first: JobKey) {
        self.last = first;
    }

    /// Changes the key of a job to one that another hub has given it.
    pub fn rename(&mut self, from: JobKey, to: JobKey) {
        if let Some(mut job) = self.jobs.remove(from) {
            // Two hubs never give the same key. If it is claimed all the same, the claim wins.
            self.remove(to);
            job.key = to;
            // Requests under way know it by its former key, so it is sent again, which is harmless.
            if let JobState::Ended { sent, .. } = &mut job.state {
                *sent = false;
            }
            self.jobs.insert(to, job);
        }
    }

    /// A job.
    #[must_use]
    pub fn get(&self, key: JobKey) -> Option<&Job> {
        self.jobs.get(key)
    }

    /// A job, to be changed.
    pub fn get_mut(&mut self, key: JobKey) -> Option<&mut Job> {
        self.jobs.get_mut(key)
    }

    /// All jobs, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// All jobs, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.jobs.iter_mut().map(|(_, job)| job)
    }

    /// The keys of the jobs of which `which` is true, oldest first.
    pub fn keys(&self, which: impl Fn(&Job) -> bool) -> Vec<JobKey> {
        let jobs = self.iter().filter(|job| which(job));
        jobs.map(|job| job.key).into_list()
    }

    /// Marks a text, if there is one, as not needed any more.
    pub fn free_text(&mut self, text: Option<Text>) {
        if let Some(text) = text {
            self.freed.push(text);
        }
    }

    /// How many jobs are as `which` says.
    pub fn count(&self, which: impl Fn(&Job) -> bool) -> usize {
        self.iter().filter(|job| which(job)).count()
    }

    /// The job that `ticket` gives the right to hand in.
    #[must_use]
    pub fn by_ticket(&self, ticket: &str) -> Option<JobKey> {
        let mut jobs = self.iter();
        jobs.find(|job| job.ticket.text() == ticket)
            .map(|job| job.key)
    }

    /// The work on a job has ended. What has ended before stays as it ended.
    pub fn end(&mut self, key: JobKey, outcome: Outcome, now: Now) {
        let Some(job) = self.jobs.get_mut(key) else {
            self.free(&outcome);
            return;
        };
        if let JobState::Ended { .. } = job.state {
            self.free(&outcome);
            return;
        }
        let took_ms = match job.state {
            JobState::Running { since, .. } => now.since(since),
            _ => 0.0,
        };
        job.state = JobState::Ended {
            outcome,
            since: now,
            took_ms,
            sent: false,
            stored: false,
        };
    }

    /// Gives a job back, however it ended, unless its outcome is being sent.
    pub fn withdraw(&mut self, key: JobKey) {
        let job = self.jobs.get_mut(key);
        if let Some(JobState::Ended {
            outcome,
            sent: false,
            ..
        }) = job.map(|job| &mut job.state)
        {
            let was = std::mem::replace(outcome, Outcome::Released);
            self.free(&was);
        }
    }

    /// Removes a job that is settled.
    pub fn remove(&mut self, key: JobKey) -> Option<Box<Job>> {
        let job = self.jobs.remove(key)?;
        self.free_text(job.input);
        let mut stored = job.resumable;
        if let JobState::Ended {
            outcome, stored: s, ..
        } = &job.state
        {
            stored |= s;
            self.free(outcome);
        }
        if stored {
            self.forgotten.push(job.name());
        }
        Some(job)
    }

    fn free(&mut self, outcome: &Outcome) {
        if let Outcome::Done(text) = outcome {
            self.freed.push(*text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_that_gets_another_key_is_sent_again() {
        let mut table = JobTable::default();
        let key = table.add(0, 7, 1, Ticket::Lease("1-x".to_owned()), None);
        table.end(key, Outcome::Released, Now::default());
        if let Some(JobState::Ended { sent, .. }) = table.get_mut(key).map(|job| &mut job.state) {
            *sent = true;
        }
        table.rename(key, 99);
        assert!(table.get(99).is_some_and(Job::is_unsent));
    }
}
