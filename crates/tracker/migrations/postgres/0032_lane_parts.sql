-- Who may confirm whom, what rests on the word of those on hold, audits, and when what is known of volunteers is forgotten.

-- When it last changed, and the last lease of the results confirmed by it that was looked at since it is on hold.
alter table trust add column at bigint not null default 0;
alter table trust add column looked bigint not null default 0;
update trust set at = tracker_now();

-- 1: what counts on its word alone is to be made again; 2: what it has confirmed is to be looked at again.
drop index trust_doubted;
create index trust_doubted on trust (doubted) where doubted > 0;
-- Of whom nothing is lost if they are forgotten.
create index trust_forgettable on trust (at)
    where confirmed = 0 and on_hold = 0 and doubted = 0 and waiting = 0 and unchecked = 0;

-- What a volunteer has confirmed.
create index opinions_right on opinions (volunteer, stage, version, lease) where state = 'right';

-- Jobs with as many opinions as a job is given, which wait for the operator's worker.
create index jobs_undecided on jobs (stage) where opinions >= 5;

-- How many volunteers that asked for jobs recently could confirm, and when they were counted; when the operator's
-- worker last made a result again that counts.
alter table stage_counters add column established bigint not null default 0;
alter table stage_counters add column established_at bigint not null default 0;
alter table stage_counters add column audited_at bigint not null default 0;
