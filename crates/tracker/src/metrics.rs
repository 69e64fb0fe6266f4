//! The metrics endpoint. Requests are counted by this process; the state of the project is read
//! from the database's counters on each scrape, so that several trackers on one database report the
//! same.

use std::{
    sync::atomic::{AtomicI64, AtomicU64},
    time::{Duration, Instant},
};

use distcompute_protocol::Stage;
use prometheus_client::{
    encoding::{
        EncodeLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::store::{FileTotals, StageCounts, Status};

/// The content type of the metrics.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the histogram buckets, in seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

type Seconds = Gauge<f64, AtomicU64>;
type Count = Gauge<i64, AtomicI64>;

/// The labels of a served request. Each value comes from a fixed list: raw paths would create one
/// time series each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLimit {
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStage {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    stage: &'static str,
    state: &'static str,
}

/// The counters of this process.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    limited: Family<OfLimit, Counter>,
    uptime: Seconds,
    started: Instant,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("distcompute");
        let requests: Family<RequestLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register_with_unit(
            "http_request_duration",
            "HTTP requests by method, route and status, and their durations",
            Unit::Seconds,
            requests.clone(),
        );
        let limited = Family::<OfLimit, Counter>::default();
        registry.register(
            "http_requests_limited",
            "Requests answered 429, by the limit of their address that they exceeded",
            limited.clone(),
        );
        let uptime = Seconds::default();
        registry.register_with_unit(
            "uptime",
            "How long this tracker has been running",
            Unit::Seconds,
            uptime.clone(),
        );
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of this tracker", version);
        Self {
            registry,
            requests,
            limited,
            uptime,
            started: Instant::now(),
        }
    }
}

impl Metrics {
    /// Records a served request. `route` is the route pattern that it matched.
    pub fn served(&self, method: &str, route: &str, status: u16, took: Duration) {
        let method = ["GET", "POST", "PUT", "HEAD", "OPTIONS"]
            .into_iter()
            .find(|known| *known == method)
            .unwrap_or("other");
        let served = RequestLabels {
            method,
            route: route.to_owned(),
            status,
        };
        self.requests
            .get_or_create(&served)
            .observe(took.as_secs_f64());
    }

    /// Records a request that was delayed or refused by the limit of its address.
    pub fn limited(&self, limit: &'static str) {
        self.limited.get_or_create(&OfLimit { limit }).inc();
    }

    /// Encodes all metrics as text. A `status` of `None` means that the database is unavailable.
    ///
    /// # Errors
    /// Returns an error if formatting fails, which writing to a string does not do in practice.
    pub fn text(
        &self,
        status: Option<&Status>,
        files: Option<FilesOfJobs>,
        writable: bool,
    ) -> Result<String, std::fmt::Error> {
        self.uptime.set(self.started.elapsed().as_secs_f64());
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &project(status, writable))?;
        if let Some(files) = files {
            encode_registry(&mut text, &of_files(files))?;
        }
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// A project counter: its name, its help text, and how to read its value.
type ProjectCounter = (&'static str, &'static str, fn(&StageCounts) -> u64);

/// Totals since the project began.
const COUNTERS: [ProjectCounter; 5] = [
    ("leases_granted", "Leases granted", |counts| counts.granted),
    ("results_accepted", "Results accepted", |counts| {
        counts.accepted
    }),
    ("results_rejected", "Results rejected", |counts| {
        counts.rejected
    }),
    (
        "leases_lost",
        "Leases that ended because their worker timed out",
        |counts| counts.lapsed,
    ),
    (
        "failures_reported",
        "Failures reported by workers",
        |counts| counts.failed,
    ),
];

/// Metrics of the project's state. They get a new registry on each scrape, because they show only
/// what was just read.
fn project(status: Option<&Status>, writable: bool) -> Registry {
    let mut registry = Registry::with_prefix("distcompute");
    let up = Count::default();
    up.set(i64::from(status.is_some()));
    registry.register("database_up", "Whether the database answers", up);
    let takes = Count::default();
    takes.set(i64::from(writable));
    registry.register(
        "database_writable",
        "Whether the database accepts writes",
        takes,
    );
    let Some(status) = status else {
        return registry;
    };
    let jobs: Family<InState, Count> = Family::default();
    let workers: Family<OfStage, Count> = Family::default();
    let paused: Family<OfStage, Count> = Family::default();
    for stage in Stage::ALL {
        let counts = status.stages[stage.index()];
        for (state, count) in [
            ("open", counts.open),
            ("held", counts.held),
            ("aside", counts.aside),
        ] {
            let stage = stage.letter();
            jobs.get_or_create(&InState { stage, state })
                .set(signed(count));
        }
        paused
            .get_or_create(&OfStage {
                stage: stage.letter(),
            })
            .set(i64::from(
                status.paused[stage.index()]
                    .as_ref()
                    .is_some_and(|paused| !paused.pause.is_by_operator()),
            ));
        let stage = stage.letter();
        workers
            .get_or_create(&OfStage { stage })
            .set(signed(counts.workers));
    }
    for (name, help, count) in COUNTERS {
        let counters: Family<OfStage, Counter> = Family::default();
        for stage in Stage::ALL {
            let counted = count(&status.stages[stage.index()]);
            let stage = stage.letter();
            counters.get_or_create(&OfStage { stage }).inc_by(counted);
        }
        registry.register(name, help, counters);
    }
    registry.register(
        "jobs",
        "Unfinished jobs of the project, by stage and state",
        jobs,
    );
    registry.register("workers", "Connected workers of the project", workers);
    registry.register(
        "stage_paused",
        "Whether a stage is paused because everything failed there",
        paused,
    );
    let volunteers = Count::default();
    volunteers.set(signed(status.volunteers));
    registry.register(
        "volunteers",
        "Distinct volunteers who are connected",
        volunteers,
    );
    let closed = Count::default();
    closed.set(signed(status.closed));
    registry.register("jobs_closed", "Jobs that have completed all stages", closed);
    let all = Count::default();
    all.set(signed(status.jobs));
    registry.register("jobs_all", "All jobs of the project", all);
    registry
}

/// The files of jobs, as far as metrics say.
#[derive(Debug, Clone, Copy)]
pub struct FilesOfJobs {
    /// Those that have a row.
    pub totals: FileTotals,
    /// The bytes of uploads that are not finished, as this tracker knows them.
    pub unfinished: u64,
}

/// Metrics of the files of jobs.
fn of_files(FilesOfJobs { totals, unfinished }: FilesOfJobs) -> Registry {
    let mut registry = Registry::with_prefix("distcompute");
    let files = Count::default();
    files.set(signed(totals.files));
    registry.register("files", "Files of jobs that are stored", files);
    let bytes = Count::default();
    bytes.set(signed(totals.bytes));
    let help = "Their size together";
    registry.register_with_unit("files_size", help, Unit::Bytes, bytes);
    let bytes = Count::default();
    bytes.set(signed(unfinished));
    let help =
        "Uploads that have begun at this tracker and are not finished, as large as announced";
    registry.register_with_unit("files_unfinished", help, Unit::Bytes, bytes);
    registry
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_method_makes_no_time_series_of_its_own() {
        let metrics = Metrics::default();
        metrics.served("BREW", "/pot", 405, Duration::from_millis(3));
        metrics.served("STIR", "/pot", 405, Duration::from_millis(3));
        let text = metrics.text(None, None, false).expect("text");
        let line = "distcompute_http_request_duration_seconds_count{method=\"other\",route=\"/pot\",status=\"405\"} 2";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("distcompute_database_up 0\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
