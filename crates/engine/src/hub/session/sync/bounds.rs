//! The sizes of requests and answers: how many results go into a request, and how many jobs it asks for.

use distcompute_protocol::{MAX_SYNC_ITEMS, MAX_SYNC_WANT};

use crate::fault::{Code, Fault};
use crate::hub::jobs::{Job, JobTable, Outcome};
use crate::hub::line::AROUND_NAME;
use crate::hub::session::sync::Syncs;
use crate::hub::session::sync::flight::{Flight, What};
use crate::hub::session::{Common, Demand};

/// The most bytes that lease, names and punctuation add to a text in a request.
const AROUND: f64 = 200.0;

/// The list of the leases that are held may take this share of a request.
const NAMES: f64 = 0.062_5;

/// How many bytes of results may wait before the rate was measured, in double bytes: see [`Limit::about`].
const BEHIND: f64 = 4_000_000.0;

/// How many requests full of results may wait once the rate is known. The jobs that a request asks for arrive after
/// its own results were uploaded. Until then, and until these jobs are done, the line is kept busy by two more.
/// Requests carry no more than the tracker takes, which bounds the memory however fast the line is.
const REQUESTS_BEHIND: f64 = 3.0;

/// The largest body if the tracker does not say.
const MAX_BODY: f64 = 1_000_000.0;

/// The most entries of a request without progress lines.
pub(super) const MOST_ITEMS: usize = MAX_SYNC_ITEMS - 512;

/// A request asks for so many times as many jobs as fit if they are of average size, in case they are smaller.
const SPARE: f64 = 1.5;

/// How large the body of a request may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// The maximum.
    pub(super) most: f64,
    /// The size that is aimed at: what can be uploaded in a few seconds. A result is added if more than half of it is
    /// below that size. Otherwise two results that exceed it only a little would need a request each.
    pub(super) about: f64,
}

impl Limit {
    pub(super) fn least(self) -> f64 {
        self.most.min(self.about)
    }

    /// Whether a text of `size` can be added to `bytes`.
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
            // The sizes of texts are counted twice, because their characters may take two bytes each.
            about: 2.0 * common.line.up.most(),
        }
    }

    /// How many jobs to request, and how many bytes their inputs may have together.
    pub(super) fn jobs_to_request(
        &self,
        common: &Common,
        demand: &Demand,
        table: &JobTable,
    ) -> (u32, f64) {
        if self.is_behind(common, demand, table) {
            return (0, 1.0);
        }
        let bytes = common.line.down.most().min(demand.room).max(1.0);
        let mut want = demand.want.saturating_sub(self.coming(common));
        if let Some(job) = common.line.job_bytes() {
            // A tracker that does not support `want_bytes` is asked for as many as fit if they are of average size.
            let spare = if self.sized { SPARE } else { 1.0 };
            let fit = (spare * bytes / job.max(1.0)).ceil().max(1.0);
            want = want.min(fit as usize);
        }
        if let Some(reach) = common.line.up.reach() {
            // Every request lists all jobs that are held.
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

    /// About how many outcomes the next request contains. They are not held any more when it is answered.
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

    /// Whether so many results wait to be uploaded that more jobs would only lengthen the queue.
    fn is_behind(&self, common: &Common, demand: &Demand, table: &JobTable) -> bool {
        let waiting = table
            .iter()
            .filter(|job| job.session == common.index && job.is_unsent())
            .filter(|job| !self.refusals.has(job.key));
        let (mut count, mut bytes) = (0, 0.0);
        for outcome in waiting.filter_map(Job::outcome) {
            count += 1;
            bytes += size(outcome);
        }
        let known = common.line.up.rate().is_some();
        let most = if known {
            REQUESTS_BEHIND * self.limit(common).least()
        } else {
            BEHIND
        };
        count >= demand.cores.max(2) && bytes >= most
    }

    /// A request has failed: the next one asks for half as many jobs, or contains half as many results, depending on
    /// which transfer was interrupted. If none was, because the tracker could not be reached or asked to wait,
    /// smaller requests would not help.
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

/// The size of an outcome in a request, in bytes. Texts are counted twice.
pub(super) fn size(outcome: &Outcome) -> f64 {
    match outcome {
        Outcome::Done(text) => AROUND + f64::from(text.bytes),
        Outcome::Invalid(why) | Outcome::Failed(why) => AROUND + why.len() as f64,
        Outcome::Released => AROUND,
    }
}
