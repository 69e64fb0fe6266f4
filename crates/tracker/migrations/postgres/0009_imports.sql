-- Imports, and how far each has come. It grows in the transaction that adds the jobs, so an import
-- that was broken off goes on where it stopped.
create table imports (
    id bigint generated always as identity primary key,
    at bigint not null,
    who text not null,
    source text not null,
    -- Which jobs these are, in their order: a hash of all of their texts.
    digest text not null,
    jobs bigint not null,
    done bigint not null default 0,
    ended_at bigint
);

create index imports_unfinished on imports (digest) where ended_at is null;
