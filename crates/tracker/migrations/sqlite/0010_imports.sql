-- Imports, and how far each has come. It grows in the transaction that adds the jobs, so an import
-- that was broken off goes on where it stopped.
create table imports (
    id integer primary key autoincrement,
    at integer not null,
    who text not null,
    source text not null,
    -- Which jobs these are, in their order: a hash of all of their texts.
    digest text not null,
    jobs integer not null,
    done integer not null default 0,
    ended_at integer
) strict;

create index imports_unfinished on imports (digest) where ended_at is null;
