-- A file is 'storing' until it has its name in the object store: no result may name it before. And how
-- many files there are is kept, because counting them takes as long as reading them.

create table files_of_0035 (
    -- 'sha256-' and 64 hexadecimal digits.
    hash text primary key,
    bytes integer not null,
    state text not null check (state in ('storing', 'stored', 'deleting')),
    -- Since when no job has it, or since when it is being deleted.
    doomed_at integer,
    at integer not null
) strict, without rowid;

insert into files_of_0035 (hash, bytes, state, doomed_at, at)
select hash, bytes, state, doomed_at, at from files;

drop table files;

alter table files_of_0035 rename to files;

create index files_doomed on files (doomed_at) where doomed_at is not null;

create table file_totals (
    id integer primary key check (id = 1),
    files integer not null,
    bytes integer not null
) strict;

insert into file_totals (id, files, bytes) select 1, count(*), coalesce(sum(bytes), 0) from files;

create trigger file_added after insert on files begin
    update file_totals set files = files + 1, bytes = bytes + new.bytes where id = 1;
end;

create trigger file_deleted after delete on files begin
    update file_totals set files = files - 1, bytes = bytes - old.bytes where id = 1;
end;
