-- Who works where, what failed, and stages that are paused.

-- Where the worker registered from: all unnamed workers of one address count as one volunteer.
alter table workers add column address text not null default '';
-- How badly its jobs go, and until when it is given none because of that.
alter table workers add column trouble integer not null default 0;
alter table workers add column rest_until integer not null default 0;
-- When its volunteer's row in `volunteers` was last brought up to date.
alter table workers add column noted_at integer not null default 0;

-- One row for each volunteer at a stage, kept for a day after it was last heard of.
create table volunteers (
    stage integer not null,
    volunteer text not null,
    -- When it last held a job, and when it last asked for one.
    worked_at integer not null default 0,
    asked_at integer not null default 0,
    -- Failures since the stage last made a result: when the last one was, the numbers of some of the
    -- jobs as a JSON list, how many failures, and the last error.
    failed_at integer,
    failed_jobs text,
    tries integer not null default 0,
    error text,
    primary key (stage, volunteer)
) strict, without rowid;

create index volunteers_worked on volunteers (stage, worked_at);
create index volunteers_asked on volunteers (stage, asked_at);
create index volunteers_failing on volunteers (stage, failed_at) where failed_at is not null;

-- 1: it failed there or called the input bad, and is not offered the job while others are there.
alter table avoided add column failed integer not null default 0;

-- Rows of `volunteers` that may tell of failures; when and why the stage was paused.
alter table stage_counters add column failing integer not null default 0;
alter table stage_counters add column paused_at integer;
alter table stage_counters add column paused_reason text;

-- The latest failures, for the dashboard.
create table failures (
    id integer primary key,
    at integer not null,
    number integer not null,
    stage integer not null,
    nickname text not null,
    worker text not null,
    kind text not null,
    error text not null
) strict;
