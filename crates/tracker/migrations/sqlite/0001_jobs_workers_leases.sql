-- Stages are 0 (a) to 4 (e). Times are milliseconds since 1970, UTC.

-- One row a job. `position` is its place in the queue of its stage: claims take the lowest, and a
-- job that is put back goes behind the highest.
create table jobs (
    number integer primary key,
    stage integer not null check (stage between 0 and 4),
    state text not null default 'open' check (state in ('open', 'held', 'closed', 'aside')),
    position integer not null,
    -- How often it was handed out at this stage.
    attempt integer not null default 0,
    -- How often volunteers called its input bad, whoever they were and at whatever stage.
    flagged integer not null default 0,
    -- How often it went back to the stage before.
    sent_back integer not null default 0,
    -- Why it was set aside.
    reason text
) strict;

create index jobs_queue on jobs (stage, state, position);

-- Set-aside jobs are few and listed on the dashboard.
create index jobs_aside on jobs (number) where state = 'aside';

-- What each stage starts from. The output of stage s is the input of stage s + 1, so what the last
-- stage made stands under the stage after it, up to 5. Imported inputs have no cursor; outputs
-- have one that grows in the order of completion.
create table inputs (
    number integer not null,
    stage integer not null check (stage between 0 and 5),
    cursor integer,
    data text not null,
    primary key (number, stage)
) strict;

create unique index inputs_results on inputs (stage, cursor) where cursor is not null;

-- One row a registration, until it says goodbye or is not heard from.
create table workers (
    id integer primary key autoincrement,
    token text not null unique,
    display_name text not null,
    nickname text not null,
    stage integer not null check (stage between 0 and 4),
    progress text not null default '',
    completed integer not null default 0,
    first_seen integer not null,
    last_seen integer not null
) strict;

create index workers_stage on workers (stage, id);
create index workers_name on workers (stage, display_name, id);
create index workers_seen on workers (last_seen);

-- One row for each time a job was handed out: the right to hand its result in. The wire name of a
-- lease is its id and its secret, so that looking it up needs no index of random texts.
create table leases (
    id integer primary key autoincrement,
    secret text not null,
    number integer not null,
    stage integer not null,
    attempt integer not null,
    worker integer not null,
    nickname text not null,
    volunteer text not null,
    granted_at integer not null,
    ended_at integer,
    outcome text check (outcome in ('completed', 'flagged', 'released', 'left', 'idle'))
) strict;

create index leases_held on leases (worker, number) where ended_at is null;
create index leases_job on leases (number, stage);
create index leases_worker on leases (worker, id);

-- Who called the input of a job bad, at the stage where it waits.
create table flags (
    number integer not null,
    stage integer not null,
    volunteer text not null,
    flagged_at integer not null,
    primary key (number, stage, volunteer)
) strict, without rowid;

-- Who should be offered a job last.
create table avoided (
    number integer not null,
    volunteer text not null,
    primary key (number, volunteer)
) strict, without rowid;

create table leaderboard (
    nickname text primary key,
    completed integer not null
) strict;

create index leaderboard_rank on leaderboard (completed desc, nickname);

-- What would otherwise have to be counted. Changed in the transaction that changes the jobs.
create table stage_counters (
    stage integer primary key,
    open integer not null default 0,
    held integer not null default 0,
    -- Outputs of this stage that count.
    done integer not null default 0,
    aside integer not null default 0,
    workers integer not null default 0
) strict;

insert into stage_counters (stage) values (0), (1), (2), (3), (4);

create table totals (
    id integer primary key check (id = 1),
    jobs integer not null default 0,
    closed integer not null default 0,
    last_number integer not null default 0,
    last_cursor integer not null default 0
) strict;

insert into totals (id) values (1);

-- Outputs a minute and stage, for the estimate of the time left.
create table throughput (
    minute integer not null,
    stage integer not null,
    done integer not null,
    primary key (minute, stage)
) strict, without rowid;
