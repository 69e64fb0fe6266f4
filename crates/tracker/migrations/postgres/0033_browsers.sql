-- Which kinds of browsers agreed and which did not, where results are checked.

-- Engine and platform, from a short list.
alter table workers add column browser text not null default '';
alter table opinions add column browser text not null default '';

-- Of pairs of kinds, in the order of their names: how many pairs of opinions were equal, and how many differed, with
-- the current version of the application.
create table browser_pairs (
    stage bigint not null,
    one text not null,
    other text not null,
    agreed bigint not null,
    differed bigint not null,
    primary key (stage, one, other)
);
