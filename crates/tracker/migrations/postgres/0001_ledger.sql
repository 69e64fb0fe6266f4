-- The tables of the SQLite store, in PostgreSQL's terms. Stages are 0 (a) to 4 (e). Times are
-- milliseconds since 1970, UTC, by this database's clock.

-- What every tracker on this database goes by.
create function tracker_now() returns bigint language sql volatile
    as $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint $$;

-- One row a job. `position` is its place in the queue of its stage: claims take the lowest, and a
-- job that is put back gets one that is higher than all before it.
create table jobs (
    number bigint primary key,
    stage bigint not null check (stage between 0 and 4),
    state text not null default 'open' check (state in ('open', 'held', 'closed', 'aside')),
    position bigint not null,
    -- How often it was handed out at this stage.
    attempt bigint not null default 0,
    -- How often volunteers called its input bad, whoever they were and at whatever stage.
    flagged bigint not null default 0,
    -- How often it went back to the stage before.
    sent_back bigint not null default 0,
    -- Grows when a job goes back or its input is called bad: leases of an earlier round count no
    -- more.
    round bigint not null default 0,
    -- Failures at this stage, and the last of them as a JSON list of {at, nickname, text}.
    failures bigint not null default 0,
    errors text,
    -- Why it was set aside.
    reason text,
    -- The lease under which it is held.
    lease bigint,
    changed_at bigint not null default 0
);

create sequence queue_positions;

-- The queues hold open jobs and nothing else: what is held or closed costs them nothing.
create index jobs_queue on jobs (stage, position) where state = 'open';

-- Set-aside jobs are few and listed on the dashboard.
create index jobs_aside on jobs (number) where state = 'aside';

-- What each stage starts from. The output of stage s is the input of stage s + 1, so what the last
-- stage made stands under the stage after it, up to 5. Imported inputs have no cursor; outputs
-- have one that grows in the order of completion.
create table inputs (
    number bigint not null,
    stage bigint not null check (stage between 0 and 5),
    cursor bigint,
    data text not null,
    primary key (number, stage)
);

create unique index inputs_results on inputs (stage, cursor) where cursor is not null;

-- One row a registration, until it says goodbye or is not heard from.
create table workers (
    id bigint primary key,
    token text not null unique,
    display_name text not null,
    nickname text not null,
    stage bigint not null check (stage between 0 and 4),
    progress text not null default '',
    completed bigint not null default 0,
    first_seen bigint not null,
    last_seen bigint not null,
    -- The last sync, when that was (null: no lease of this worker ends by itself), the newest lease.
    seq bigint not null default -1,
    synced_at bigint,
    last_lease bigint
);

create sequence worker_ids;

create index workers_stage on workers (stage, id);
create index workers_name on workers (stage, display_name, id);
create index workers_seen on workers (last_seen);
create index workers_synced on workers (synced_at) where synced_at is not null;

-- One row for each time a job was handed out: the right to hand its result in. The wire name of a
-- lease is its id and its secret, so that looking it up needs no index of random texts.
create table leases (
    id bigint primary key,
    secret text not null,
    number bigint not null,
    stage bigint not null,
    round bigint not null,
    attempt bigint not null,
    worker bigint not null,
    nickname text not null,
    volunteer text not null,
    granted_at bigint not null,
    -- The sync that granted it; null: a call of the first protocol did.
    seq bigint,
    ended_at bigint,
    outcome text check (outcome in ('completed', 'flagged', 'failed', 'released', 'left', 'idle',
        'lapsed', 'overtaken', 'requeued'))
);

create sequence lease_ids;

create index leases_held on leases (worker) where ended_at is null;
create index leases_job on leases (number, stage);

-- Who called the input of a job bad, at the stage where it waits.
create table flags (
    number bigint not null,
    stage bigint not null,
    volunteer text not null,
    flagged_at bigint not null,
    primary key (number, stage, volunteer)
);

-- Who should be offered a job last.
create table avoided (
    number bigint not null,
    volunteer text not null,
    primary key (number, volunteer)
);

-- Names sort by their code points here as they do in SQLite, whatever the database's language is.
create table leaderboard (
    nickname text collate "C" primary key,
    completed bigint not null
);

create index leaderboard_rank on leaderboard (completed desc, nickname);

-- What would otherwise have to be counted. Changed in the transaction that changes the jobs.
create table stage_counters (
    stage bigint primary key,
    open bigint not null default 0,
    held bigint not null default 0,
    -- Outputs of this stage that count.
    done bigint not null default 0,
    aside bigint not null default 0,
    workers bigint not null default 0,
    -- Since the project began: leases granted, results accepted and rejected, leases that ended
    -- without a word, failures that were reported.
    granted bigint not null default 0,
    accepted bigint not null default 0,
    rejected bigint not null default 0,
    lapsed bigint not null default 0,
    failed bigint not null default 0
);

insert into stage_counters (stage) values (0), (1), (2), (3), (4);

create table totals (
    id bigint primary key check (id = 1),
    jobs bigint not null default 0,
    closed bigint not null default 0,
    last_cursor bigint not null default 0
);

insert into totals (id) values (1);

-- Apart from the totals: an import that gives out numbers makes no other tracker wait.
create table numbering (
    id bigint primary key check (id = 1),
    last_number bigint not null default 0
);

insert into numbering (id) values (1);

-- Outputs a minute and stage, for the estimate of the time left.
create table throughput (
    minute bigint not null,
    stage bigint not null,
    done bigint not null,
    primary key (minute, stage)
);

-- What the operator did: imports, exports, requeues, prunes, resets. Kept through a reset.
create table actions (
    id bigint generated always as identity primary key,
    at bigint not null,
    who text not null,
    action text not null,
    detail text not null
);
