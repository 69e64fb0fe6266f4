-- What sweeps look for is found by its age, so that they cost the same however much there is.

-- Leases that were given back, and those that failed or could still deliver late.
create index leases_given_back on leases (ended_at)
    where outcome in ('released', 'left', 'overtaken', 'requeued');
create index leases_overdue on leases (ended_at)
    where outcome in ('flagged', 'failed', 'idle', 'lapsed') and late = 0;
create index workers_missed on workers (last_seen) where seq >= 0;
create index volunteers_heard on volunteers (greatest(worked_at, asked_at));

-- Since when a job is to be offered to a volunteer last.
alter table avoided add column at bigint not null default 0;
update avoided set at = tracker_now();
create index avoided_at on avoided (at);
