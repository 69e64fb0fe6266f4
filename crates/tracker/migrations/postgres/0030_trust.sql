-- Results that are checked by other volunteers.

-- How many opinions on its output wait for others.
alter table jobs add column opinions bigint not null default 0;

-- What was handed in where results are checked: one row for each lease.
create table opinions (
    lease bigint primary key,
    number bigint not null,
    stage bigint not null,
    -- Who counts as one: a key, or all of an address that have none.
    volunteer text not null,
    nickname text not null,
    -- Opinions of different versions of the application are never compared.
    version text not null,
    -- A digest of the output; of a flag, '!' and the digest of the output that it calls bad.
    answer text not null,
    state text not null
);

create index opinions_job on opinions (number);
-- What is made again when its volunteer is found wrong.
create index opinions_resting on opinions (volunteer, stage, version)
    where state = 'alone' or state = 'waiting';

-- The outputs of opinions that wait.
create table opinion_texts (
    lease bigint primary key,
    data text not null
);

-- What is known of a volunteer at a stage and with a version.
create table trust (
    stage bigint not null,
    volunteer text not null,
    version text not null,
    -- Results that were confirmed since one was last found wrong.
    confirmed bigint not null,
    -- All opinions that were confirmed, and all that were refuted.
    agreed bigint not null,
    refuted bigint not null,
    -- Opinions that wait, and results that count on its word alone.
    waiting bigint not null,
    unchecked bigint not null,
    -- 1: it is given no jobs.
    on_hold bigint not null,
    -- 1: what counts on its word alone is to be made again.
    doubted bigint not null,
    primary key (stage, volunteer, version)
);

create index trust_doubted on trust (doubted) where doubted = 1;
create index trust_volunteer on trust (volunteer);
create index trust_on_hold on trust (stage) where on_hold = 1;

-- Jobs that wait for an opinion, in random places.
create table lane (
    number bigint primary key,
    stage bigint not null,
    version text not null,
    disputed bigint not null,
    place bigint not null,
    -- Who gave the first opinion.
    volunteer text not null,
    at bigint not null
);

create index lane_place on lane (stage, version, disputed, place);
create index lane_volunteer on lane (stage, version, disputed, volunteer);

-- Results that counted once and no longer do.
create table retractions (
    cursor bigint primary key,
    stage bigint not null,
    number bigint not null,
    at bigint not null
);

create index retractions_stage on retractions (stage, cursor);

alter table stage_counters add column waiting bigint not null default 0;
-- Since the project began: results that other opinions have settled, disputes, and opinions that were wrong.
alter table stage_counters add column checked bigint not null default 0;
alter table stage_counters add column disputed bigint not null default 0;
alter table stage_counters add column wrong bigint not null default 0;

-- The version of the application whose results are checked, and since when.
create table trust_version (
    id bigint primary key check (id = 1),
    version text not null,
    since bigint not null
);

alter table jobs drop constraint jobs_state_check;
alter table jobs add constraint jobs_state_check
    check (state in ('open', 'held', 'waiting', 'closed', 'aside')) not valid;
alter table leases drop constraint leases_outcome_check;
alter table leases add constraint leases_outcome_check
    check (outcome in ('completed', 'opinion', 'flagged', 'failed', 'released', 'left', 'idle', 'lapsed', 'overtaken',
        'requeued')) not valid;
