//! How much one request may carry, and how much one answer may bring.

use distcompute_protocol::{MAX_SYNC_ITEMS, MAX_SYNC_WANT};

use crate::fault::{Code, Fault};
use crate::hub::jobs::{Job, JobTable, Outcome};
use crate::hub::session::sync::Syncs;
use crate::hub::session::sync::flight::{Flight, What};
use crate::hub::session::{Ask, Common};
use crate::hub::speed::AROUND_NAME;

/// What the names, tokens and brackets around a text take in a request, at most.
const AROUND: f64 = 200.0;

/// Which share of a request the list of the leases that are held may have.
const NAMES: f64 = 0.062_5;

/// Bytes of results that may wait while nothing is known of the line, counted twofold.
const BEHIND: f64 = 4_000_000.0;

/// The largest body where the tracker does not say.
const MAX_BODY: f64 = 1_000_000.0;

/// Entries of a request, progress not counted.
pub(super) const MOST_ITEMS: usize = MAX_SYNC_ITEMS - 512;

/// What a request asks for more than the line brings of jobs of usual size, for when they are smaller.
const SPARE: f64 = 1.5;

/// How large the body of a request may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// Not more than this.
    pub(super) most: f64,
    /// What the line brings in a few seconds: a result that is more than half within it goes along.
    /// Otherwise, where two would take a little longer, each would wait for a round trip of its own.
    pub(super) about: f64,
}

impl Limit {
    pub(super) fn least(self) -> f64 {
        self.most.min(self.about)
    }

    /// Whether a text of `size` goes with the `bytes` that are there.
    pub(super) fn holds(self, bytes: f64, size: f64) -> bool {
        bytes + size <= self.most && bytes + size / 2.0 <= self.about
    }
}

impl Syncs {
    pub(super) fn limit(&self, common: &Common) -> Limit {
        let said = common.hello.as_ref().map_or(0.0, |hello| hello.max_body);
        let said = if said > 0.0 { said } else { MAX_BODY };
        Limit {
            most: said.min(self.body),
            // What a text takes is counted twofold, for those of which each character takes two bytes.
            about: 2.0 * common.line.up.most(),
        }
    }

    /// How many jobs to ask for, and how many bytes they may have together.
    pub(super) fn demand(&self, common: &Common, ask: &Ask, table: &JobTable) -> (u32, f64) {
        if self.is_behind(common, ask, table) {
            return (0, 1.0);
        }
        let bytes = common.line.down.most().min(ask.room).max(1.0);
        let mut want = ask.want.saturating_sub(self.coming(common));
        if let Some(job) = common.line.job_bytes() {
            // A tracker that does not look at sizes is asked for as many as fit by experience.
            let spare = if self.sized { SPARE } else { 1.0 };
            let fit = (spare * bytes / job.max(1.0)).ceil().max(1.0);
            want = want.min(fit as usize);
        }
        if let Some(reach) = common.line.up.reach() {
            // Each job that is held stands in each request.
            let goes = self.deliverable(common, table);
            let mine = table
                .count(|job| job.session == common.index)
                .saturating_sub(goes);
            let names = (reach * NAMES / AROUND_NAME) as usize;
            want = want.min(names.saturating_sub(mine).max(usize::from(mine == 0)));
        }
        let want = u32::try_from(want).unwrap_or(u32::MAX);
        (want.min(self.most).min(MAX_SYNC_WANT), bytes)
    }

    /// How many outcomes the next request carries, about: they are not held any more when it is answered.
    fn deliverable(&self, common: &Common, table: &JobTable) -> usize {
        let limit = self.limit(common);
        let mut bytes = 0.0;
        let unsent = table.iter().filter(|job| {
            job.session == common.index && job.is_unsent() && !self.refusals.has(job.key)
        });
        let fits = |outcome: &&Outcome| {
            let size = size(outcome);
            let fits = bytes == 0.0 || limit.holds(bytes, size);
            bytes += size;
            fits
        };
        let most = self.together.min(MOST_ITEMS);
        unsent
            .filter_map(Job::outcome)
            .take_while(fits)
            .take(most)
            .count()
    }

    /// Whether the line is so far behind with results that more jobs would only make it worse.
    fn is_behind(&self, common: &Common, ask: &Ask, table: &JobTable) -> bool {
        let waiting = table
            .iter()
            .filter(|job| job.session == common.index && job.is_unsent())
            .filter(|job| !self.refusals.has(job.key));
        let (mut count, mut bytes) = (0, 0.0);
        for outcome in waiting.filter_map(Job::outcome) {
            count += 1;
            bytes += size(outcome);
        }
        // Twice what one request carries; texts are counted twofold.
        let most = common.line.up.reach().map_or(BEHIND, |reach| 4.0 * reach);
        count >= ask.cores.max(2) && bytes >= most
    }

    /// A request came to nothing: the next one asks for half as much, and carries half as much. It asks
    /// for as much as before where no transfer broke: a tracker that could not be reached, or that
    /// asks to be left alone, is not relieved by many small requests.
    pub(super) fn failed(&mut self, common: &mut Common, flight: &Flight, fault: &Fault) {
        let What::Sync { want, bytes, .. } = &flight.what else {
            return;
        };
        let (up, down) = match (&fault.code, flight.begun) {
            (Code::Timeout, begun) => (begun.is_none(), true),
            (Code::Unreachable, None) => (true, false),
            (Code::Unreachable | Code::BadAnswer | Code::AnswerTooLarge, Some(_)) => (false, true),
            _ => (false, false),
        };
        if *want > 0 && down {
            self.most = (self.most.min(*want) / 2).max(1);
            common.line.down.failed();
        }
        if *bytes > 0.0 && up {
            common.line.up.failed();
        }
    }
}

/// What an outcome takes in a request.
pub(super) fn size(outcome: &Outcome) -> f64 {
    match outcome {
        Outcome::Done(text) => AROUND + f64::from(text.bytes),
        Outcome::Invalid(why) | Outcome::Failed(why) => AROUND + why.len() as f64,
        Outcome::Released => AROUND,
    }
}
