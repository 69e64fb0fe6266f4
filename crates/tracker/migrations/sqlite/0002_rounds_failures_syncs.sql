-- Leases that syncs hold, jobs that fail, and numbers that are given out without looking at tables.

-- Grows when a job goes back or its input is called bad: leases of an earlier round count no more.
alter table jobs add column round integer not null default 0;
-- Failures at this stage, and the last of them as a JSON list of {at, nickname, text}.
alter table jobs add column failures integer not null default 0;
alter table jobs add column errors text;
-- The lease under which it is held.
alter table jobs add column lease integer;
alter table jobs add column changed_at integer not null default 0;

-- The queues hold open jobs and nothing else: what is held or closed costs them nothing.
drop index jobs_queue;
create index jobs_queue on jobs (stage, position) where state = 'open';

-- The last sync, when that was (null: no lease of this worker ends by itself), the newest lease.
alter table workers add column seq integer not null default -1;
alter table workers add column synced_at integer;
alter table workers add column last_lease integer;
update workers set last_lease = (select max(id) from leases where worker = workers.id);
create index workers_synced on workers (synced_at) where synced_at is not null;

alter table totals add column last_position integer not null default 0;
alter table totals add column last_worker integer not null default 0;
alter table totals add column last_lease integer not null default 0;
update totals set
    last_position = (select coalesce(max(position), 0) from jobs),
    last_worker = coalesce((select seq from sqlite_sequence where name = 'workers'), 0),
    last_lease = coalesce((select seq from sqlite_sequence where name = 'leases'), 0);

-- Since the project began: leases granted, results accepted and rejected, leases that ended
-- without a word, failures that were reported.
alter table stage_counters add column granted integer not null default 0;
alter table stage_counters add column accepted integer not null default 0;
alter table stage_counters add column rejected integer not null default 0;
alter table stage_counters add column lapsed integer not null default 0;
alter table stage_counters add column failed integer not null default 0;
update stage_counters set
    granted = (select count(*) from leases l where l.stage = stage_counters.stage),
    accepted = (select count(*) from leases l
        where l.stage = stage_counters.stage and l.outcome = 'completed'),
    lapsed = (select count(*) from leases l
        where l.stage = stage_counters.stage and l.outcome = 'idle');

-- Leases anew, for their new outcomes.
create table leases_anew (
    id integer primary key,
    secret text not null,
    number integer not null,
    stage integer not null,
    round integer not null default 0,
    attempt integer not null,
    worker integer not null,
    nickname text not null,
    volunteer text not null,
    granted_at integer not null,
    -- The sync that granted it; null: a call of the first protocol did.
    seq integer,
    ended_at integer,
    outcome text check (outcome in ('completed', 'flagged', 'failed', 'released', 'left', 'idle',
        'lapsed', 'overtaken', 'requeued'))
) strict;

insert into leases_anew (id, secret, number, stage, attempt, worker, nickname, volunteer,
    granted_at, ended_at, outcome)
select id, secret, number, stage, attempt, worker, nickname, volunteer,
    granted_at, ended_at, outcome
from leases order by id;

drop table leases;
alter table leases_anew rename to leases;
create index leases_held on leases (worker) where ended_at is null;
create index leases_job on leases (number, stage);

update jobs set lease = (
    select max(id) from leases l where l.number = jobs.number and l.ended_at is null
) where state = 'held';
