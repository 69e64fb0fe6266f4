-- Idempotency keys: a request that adds jobs is the same one when it is repeated with its key, also
-- after it was answered. The answer names the numbers of its jobs, so they are kept with it.
alter table imports add column key text;
create unique index imports_key on imports (key) where key is not null;
-- Keys are forgotten by their age and their number.
create index imports_key_age on imports (at) where key is not null;
create index imports_key_id on imports (id) where key is not null;

create table import_numbers (
    import integer not null,
    first integer not null,
    last integer not null,
    primary key (import, first)
) strict, without rowid;
