-- Files of jobs: what the object store has, and which jobs it is for.

create table files (
    -- 'sha256-' and 64 hexadecimal digits.
    hash text collate "C" primary key,
    bytes bigint not null,
    state text not null default 'stored' check (state in ('stored', 'deleting')),
    -- Since when no job has it, or since when it is being deleted.
    doomed_at bigint,
    at bigint not null
);

create index files_doomed on files (doomed_at) where doomed_at is not null;

-- One row for each lease under which a file was uploaded, or was imported (lease 0). Job 0 is none:
-- the owner has uploaded the file and not added a job yet.
create table job_files (
    job bigint not null,
    lease bigint not null,
    hash text collate "C" not null,
    at bigint not null,
    -- 1: a text of the job names it.
    kept bigint not null default 0,
    primary key (job, lease, hash)
);

create index job_files_hash on job_files (hash);
create index job_files_age on job_files (at, job, lease, hash) where kept = 0;
