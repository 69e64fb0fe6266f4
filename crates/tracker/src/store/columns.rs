//! The columns of the ledger's rows, in an order that both stores share. They are macros because
//! the statements are concatenated at compile time.

/// The columns of a worker `w`, in the order in which `rows::worker` of each store reads them.
macro_rules! worker_columns {
    () => {
        "w.id, w.token, w.display_name, w.nickname, w.stage, w.progress, w.completed, \
         w.first_seen, w.last_seen, w.seq, w.synced_at, w.last_lease, w.address, w.trouble, \
         w.rest_until, w.noted_at, w.cores, w.earned, w.shown_since, w.shown_results, \
         w.works, w.key, w.browser"
    };
}

/// The columns of a lease `l`, for `rows::lease`.
macro_rules! lease_columns {
    () => {
        "l.id, l.secret, l.number, l.stage, l.round, l.attempt, l.worker, l.nickname, \
         l.volunteer, l.granted_at, l.seq, l.ended_at, l.outcome, l.late, l.address"
    };
}

/// The columns of a job `j`, for `rows::job`.
macro_rules! job_columns {
    () => {
        "j.number, j.stage, j.state, j.attempt, j.flagged, j.sent_back, j.round, j.failures, \
         j.errors, j.reason, j.lease, j.changed_at, j.late, j.opinions"
    };
}

/// The columns of a volunteer `v`, for `rows::volunteer`.
macro_rules! volunteer_columns {
    () => {
        "v.stage, v.volunteer, v.worked_at, v.asked_at, v.failed_at, v.failed_jobs, v.tries, v.error"
    };
}

/// The columns of an opinion `o`, for `rows::opinion`.
macro_rules! opinion_columns {
    () => {
        "o.lease, o.number, o.stage, o.volunteer, o.nickname, o.version, o.answer, o.state, \
         o.browser"
    };
}

/// The columns of what is known of a volunteer, from `trust t`, for `rows::standing`.
macro_rules! standing_columns {
    () => {
        "t.stage, t.volunteer, t.confirmed, t.waiting, t.unchecked, t.on_hold"
    };
}

pub(super) use {
    job_columns, lease_columns, opinion_columns, standing_columns, volunteer_columns,
    worker_columns,
};
