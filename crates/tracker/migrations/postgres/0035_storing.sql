-- A file is 'storing' until it has its name in the object store: no result may name it before. And how
-- many files there are is kept, because counting them takes as long as reading them.

alter table files drop constraint files_state_check;
alter table files add constraint files_state_check check (state in ('storing', 'stored', 'deleting'));
-- The default stays, for trackers of an earlier version on the same database.

create table file_totals (
    id bigint primary key check (id = 1),
    files bigint not null,
    bytes bigint not null
);

insert into file_totals (id, files, bytes) select 1, count(*), coalesce(sum(bytes), 0) from files;

-- Once for all rows of a statement: a copy inserts all files by one.
create function count_files() returns trigger language plpgsql as $$
declare
    sign bigint := case tg_op when 'INSERT' then 1 else -1 end;
begin
    update file_totals t set files = t.files + sign * c.files, bytes = t.bytes + sign * c.bytes
    from (select count(*) as files, coalesce(sum(bytes), 0)::bigint as bytes from changed) c
    where t.id = 1 and c.files > 0;
    return null;
end
$$;

create trigger files_added after insert on files
referencing new table as changed for each statement execute function count_files();

create trigger files_deleted after delete on files
referencing old table as changed for each statement execute function count_files();
