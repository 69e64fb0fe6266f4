-- Results that are checked by other volunteers.

-- How many opinions on its output wait for others.
alter table jobs add column opinions integer not null default 0;

-- What was handed in where results are checked: one row for each lease.
create table opinions (
    lease integer primary key,
    number integer not null,
    stage integer not null,
    -- Who counts as one: a key, or all of an address that have none.
    volunteer text not null,
    nickname text not null,
    -- Opinions of different versions of the application are never compared.
    version text not null,
    -- A digest of the output; of a flag, '!' and the digest of the output that it calls bad.
    answer text not null,
    state text not null
) strict;

create index opinions_job on opinions (number);
-- What is made again when its volunteer is found wrong.
create index opinions_resting on opinions (volunteer, stage, version)
    where state = 'alone' or state = 'waiting';

-- The outputs of opinions that wait.
create table opinion_texts (
    lease integer primary key,
    data text not null
) strict;

-- What is known of a volunteer at a stage and with a version.
create table trust (
    stage integer not null,
    volunteer text not null,
    version text not null,
    -- Results that were confirmed since one was last found wrong.
    confirmed integer not null,
    -- All opinions that were confirmed, and all that were refuted.
    agreed integer not null,
    refuted integer not null,
    -- Opinions that wait, and results that count on its word alone.
    waiting integer not null,
    unchecked integer not null,
    -- 1: it is given no jobs.
    on_hold integer not null,
    -- 1: what counts on its word alone is to be made again.
    doubted integer not null,
    primary key (stage, volunteer, version)
) strict, without rowid;

create index trust_doubted on trust (doubted) where doubted = 1;
create index trust_volunteer on trust (volunteer);
create index trust_on_hold on trust (stage) where on_hold = 1;

-- Jobs that wait for an opinion, in random places.
create table lane (
    number integer primary key,
    stage integer not null,
    version text not null,
    disputed integer not null,
    place integer not null,
    -- Who gave the first opinion.
    volunteer text not null,
    at integer not null
) strict;

create index lane_place on lane (stage, version, disputed, place);
create index lane_volunteer on lane (stage, version, disputed, volunteer);

-- Results that counted once and no longer do.
create table retractions (
    cursor integer primary key,
    stage integer not null,
    number integer not null,
    at integer not null
) strict;

create index retractions_stage on retractions (stage, cursor);

alter table stage_counters add column waiting integer not null default 0;
-- Since the project began: results that other opinions have settled, disputes, and opinions that were wrong.
alter table stage_counters add column checked integer not null default 0;
alter table stage_counters add column disputed integer not null default 0;
alter table stage_counters add column wrong integer not null default 0;

-- The version of the application whose results are checked, and since when.
create table trust_version (
    id integer primary key check (id = 1),
    version text not null,
    since integer not null
) strict;

-- New values of states and outcomes, as in 0026.
pragma writable_schema = on;
update sqlite_schema set sql = replace(sql, 'or state = ''aside''', 'or state = ''aside'' or state = ''waiting''')
where type = 'table' and name = 'jobs';
update sqlite_schema set sql = replace(sql, 'outcome = ''completed'' or', 'outcome = ''completed'' or outcome = ''opinion'' or')
where type = 'table' and name = 'leases';
pragma writable_schema = reset;
